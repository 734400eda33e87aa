"""A YAML file into a pydantic model; whatever is wrong is named by file, line and key, all of it at once."""

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.child import is_module, load_class, parse_settings, settings_model
from mia_actors.supervision.contradictions import CONTRADICTION
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.spec import SupervisorSpec

ModelT = TypeVar("ModelT", bound=BaseModel)
Place = tuple[str | int, ...]
SCALAR_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
TEXT_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "timestamp", "merge", "value"))
SEXAGESIMAL = re.compile(r"^[-+]?[0-9_]+:")
"""YAML 1.1 reads 9:30 as 570; here it stays text."""
SAID_BY_TYPE = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "tuple_type": "a list",
    "list_type": "a list",
    "finite_number": "a finite number",
}
SAID_BY_BOUND = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


class _Findings:
    """Collects what is wrong, in the order of the file."""

    def __init__(self, path: Path, lines: dict[Place, int]) -> None:
        self._path = path
        self._lines = lines
        self._found: list[tuple[int, str]] = []

    def add(self, place: Place, message: str) -> None:
        line = next(
            self._lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in self._lines
        )
        key = f"{_dotted(place)}: " if place else ""
        self._found.append((line, f"{self._path}:{line}: {key}{message}"))

    def raise_if_any(self) -> None:
        if self._found:
            raise ConfigError("\n".join(text for _, text in sorted(self._found, key=lambda found: found[0])))


@dataclass(frozen=True, kw_only=True)
class YamlDocument(Generic[ModelT]):
    """A file that was read: its model, and where each key stands."""

    path: Path
    value: ModelT
    lines: dict[Place, int]


def load_yaml(path: Path, model: type[ModelT]) -> YamlDocument[ModelT]:
    """Reads a file strictly: no unknown key, no duplicate, no text for a number.

    Raises:
        ConfigError: one line per finding, `FILE:LINE: key.path: what is wrong; allowed: ...`.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: {error.problem or error.context}; allowed: YAML 1.1") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}:1: not YAML: {error}; allowed: YAML 1.1") from error
    if root is None:
        raise ConfigError(f"{path}:1: the file is empty; needed: {', '.join(model.model_fields)}")
    lines: dict[Place, int] = {}
    findings = _Findings(path, lines)
    data = _plain(root, (), lines, findings, open_nodes=())
    findings.raise_if_any()
    try:
        value = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        _add_errors(findings, error, model, at=())
        findings.raise_if_any()
        raise
    return YamlDocument(path=path, value=value, lines=lines)


def validate_children(document: YamlDocument[Any], tree: SupervisorSpec, *, key: str = "tree") -> None:
    """Imports every child's class and checks its settings against the class's `Settings`.

    `key` is where `tree` stands in the document.

    Raises:
        ConfigError: one line per finding, as `load_yaml`.
    """
    findings = _Findings(document.path, document.lines)
    for place, spec in tree.child_specs():
        here: Place = (key, *place)
        try:
            model = settings_model(load_class(spec.run))
        except ConfigError as error:
            findings.add((*here, "run"), str(error))
            continue
        try:
            parse_settings(model, spec.settings)
        except ValidationError as error:
            _add_errors(findings, error, model, at=(*here, "settings"))
    findings.raise_if_any()


def validate_pool(
    document: YamlDocument[Any], pool: PoolSpec, tree: SupervisorSpec, *, key: str = "standby_pool"
) -> None:
    """Looks for the modules that spares are to import, and for children on the nodes they are to wait on.

    `key` is where `pool` stands in the document.

    Raises:
        ConfigError: one line for each that is not there, as `load_yaml`.
    """
    findings = _Findings(document.path, document.lines)
    used = {spec.node for _, spec in tree.child_specs()}
    named = sorted(name for name in used if name is not None)
    for name in pool.idle_nodes(used):
        said = f"no child runs on node {name!r}; allowed: {', '.join(named) or 'no nodes, as no child names one'}"
        findings.add((key, "nodes", name), said)
    for index, name in enumerate(pool.preload):
        if not is_module(name):
            findings.add(
                (key, "preload", index), f"there is no module {name!r}; allowed: modules of Python's path"
            )
    findings.raise_if_any()


def _plain(
    node: yaml.Node,
    place: Place,
    lines: dict[Place, int],
    findings: _Findings,
    open_nodes: tuple[yaml.Node, ...],
) -> Any:
    """Plain data of a node, noting the line of every key on the way."""
    lines.setdefault(place, node.start_mark.line + 1)
    if node in open_nodes:
        findings.add(place, "an alias that contains itself; allowed: plain data")
        return None
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                findings.add(place, f"line {line}: a key that is not text; allowed: text")
                continue
            here = (*place, key_node.value)
            if key_node.value in mapping:
                findings.add(here, f"given again in line {line}; allowed: once")
            lines.setdefault(here, line)
            mapping[key_node.value] = _plain(value_node, here, lines, findings, (*open_nodes, node))
        return mapping
    if isinstance(node, yaml.SequenceNode):
        return [
            _plain(item, (*place, index), lines, findings, (*open_nodes, node))
            for index, item in enumerate(node.value)
        ]
    return _scalar(node, place, findings)


def _scalar(node: yaml.Node, place: Place, findings: _Findings) -> Hashable:
    text = str(node.value)
    if node.tag in TEXT_TAGS or SEXAGESIMAL.match(text):
        return text
    if node.tag in SCALAR_TAGS:
        try:
            found: Hashable = yaml.constructor.SafeConstructor().construct_object(node)
        except (ValueError, yaml.YAMLError):
            findings.add(place, f"{text!r} is not a value of type {node.tag.rpartition(':')[2]}")
            return None
        return found
    findings.add(place, f"tag {node.tag!r} is not understood; allowed: text, numbers, true, false, null")
    return None


def _add_errors(findings: _Findings, error: ValidationError, model: type[BaseModel], *, at: Place) -> None:
    for detail in error.errors(include_url=False):
        place = tuple(part for part in detail["loc"] if not _is_tag(part))
        if detail["type"] == CONTRADICTION:
            place = (*place, *detail["ctx"]["place"])
        if detail["type"] == "missing":
            findings.add(at + place, _said_missing(model, detail["loc"]))
        elif detail["type"] == "extra_forbidden":
            findings.add(at + place, _said_unknown(model, detail["loc"]))
        else:
            findings.add(at + place, _said(detail, model))


def _said(detail: ErrorDetails, model: type[BaseModel]) -> str:
    """One finding in words: what is wrong, and what is allowed."""
    kind, given = detail["type"], _shortened(repr(detail["input"]))
    context = detail.get("ctx", {})
    described = _described(model, detail["loc"])
    if kind in {"literal_error", "enum"}:
        said = f"{given} is not allowed; allowed: {str(context['expected']).replace(chr(39), '')}"
    elif kind in SAID_BY_TYPE:
        said = f"{given} is of the wrong type; allowed: {SAID_BY_TYPE[kind]}"
    elif kind in SAID_BY_BOUND:
        name, words = SAID_BY_BOUND[kind]
        said = f"{given} is out of range; allowed: {words} {context[name]}{described}"
    elif kind == CONTRADICTION:
        said = f"{context['said']}; allowed: {context['allowed']}"
    elif kind == "string_pattern_mismatch":
        said = f"{given} is not allowed; allowed: text like {context['pattern']}{described}"
    else:
        message = detail["msg"].removeprefix("Value error, ")
        said = f"{given} is not allowed: {message}{'; allowed:' if described else ''}{described}"
    return said


def _said_unknown(model: type[BaseModel], loc: Place) -> str:
    allowed = _keys_at(model, loc[:-1])
    close = get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return f"unknown key{hint}; allowed: {', '.join(allowed) or 'no keys'}"


def _said_missing(model: type[BaseModel], loc: Place) -> str:
    return f"missing key{_described(model, loc)}; allowed: {', '.join(_keys_at(model, loc[:-1]))}"


def _described(model: type[BaseModel], loc: Place) -> str:
    owner = _type_at(model, loc[:-1])
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        field = owner.model_fields.get(str(loc[-1])) if loc else None
        if field is not None and field.description:
            return f" ({field.description.rstrip('.')})"
    return ""


def _keys_at(model: type[BaseModel], loc: Place) -> list[str]:
    owner = _type_at(model, loc)
    if isinstance(owner, type) and issubclass(owner, BaseModel):
        return list(owner.model_fields)
    return []


def _type_at(model: type[BaseModel], loc: Place) -> Any:
    """The annotated type at a pydantic location; None where it cannot be told."""
    found: Any = model
    for part in loc:
        found = _step(_bare(found), part)
    return _bare(found)


def _bare(found: Any) -> Any:
    """Without `Annotated` and `| None`."""
    while True:
        if get_origin(found) is Annotated:
            found = get_args(found)[0]
        elif get_origin(found) in {Union, UnionType}:
            options = [option for option in get_args(found) if option is not type(None)]
            if len(options) != 1:
                return found
            found = options[0]
        else:
            return found


def _step(found: Any, part: str | int) -> Any:
    arguments = get_args(found)
    if get_origin(found) in {Union, UnionType}:
        return next((option for option in arguments if Tag(str(part)) in get_args(option)[1:]), None)
    if isinstance(part, int):
        return arguments[0] if arguments else None
    if get_origin(found) is dict:
        return arguments[1]
    if isinstance(found, type) and issubclass(found, BaseModel) and part in found.model_fields:
        return found.model_fields[part].annotation
    return None


def _is_tag(part: str | int) -> bool:
    return isinstance(part, str) and (part.startswith("<") or part == "[key]")


def _shortened(text: str, length_max: int = 60) -> str:
    return text if len(text) <= length_max else text[: length_max - 1] + "…"


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
