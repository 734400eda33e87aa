"""`--sweep key=v1,v2,...`: settings of supervision.yaml and the values to try, all of them checked before a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mia_actors.cli.config import SystemConfig
from mia_actors.cli.limit_checks import check_limits
from mia_actors.core.errors import ConfigError
from mia_actors.cycle.settings import CycleSettings
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.supervision.child import parse_settings
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.yaml_file import SCALAR_TAGS, SEXAGESIMAL

SWEPT: Mapping[str, type[BaseModel]] = {
    "cycle": CycleSettings,
    "ensemble": EnsembleSettings,
    "guardian": GuardianSettings,
}
"""The children whose settings a backtest uses."""
VARIANTS_MAX = 500
"""More would take days, and find something good by chance for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One setting and the values to try."""

    key: str
    values: tuple[object, ...]


def axes_of(texts: Sequence[str]) -> tuple[Axis, ...]:
    """Reads the options; values are written as in supervision.yaml.

    Raises:
        ConfigError: not `key=v1,v2`, an unknown key, a key or a value given twice, or too many variants.
    """
    axes = tuple(_axis(text) for text in texts)
    for number, axis in enumerate(axes):
        if axis.key in {other.key for other in axes[:number]}:
            raise ConfigError(f"--sweep {axis.key}: given twice; allowed: once, with all its values")
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > VARIANTS_MAX:
        raise ConfigError(f"--sweep: {count} variants; allowed: at most {VARIANTS_MAX}")
    return axes


def variants_of(axes: Sequence[Axis]) -> tuple[dict[str, object], ...]:
    """Every combination, the last axis fastest; one without settings where there is no axis."""
    return tuple(
        dict(zip((axis.key for axis in axes), values, strict=True))
        for values in product(*(axis.values for axis in axes))
    )


def with_settings(config: SystemConfig, changes: Mapping[str, object], path: Path) -> SystemConfig:
    """The document with some settings changed, checked as if the file at `path` said so.

    Raises:
        ConfigError: a value is not allowed, or contradicts another setting.
    """
    if not changes:
        return config

    def changed(node: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(node, SupervisorSpec):
            return node.model_copy(update={"children": tuple(changed(child) for child in node.children)})
        settings: dict[str, Any] = node.settings
        for key, value in changes.items():
            child, *place = key.split(".")
            if child == node.id:
                settings = _replaced(settings, place, value)
        return node.model_copy(update={"settings": settings})

    tree = changed(config.tree)
    if not isinstance(tree, SupervisorSpec):
        raise TypeError("the root of a tree is a supervisor")
    named = ", ".join(f"{key}={value}" for key, value in changes.items())
    for _, child in tree.child_specs():
        if child.id in SWEPT:
            _check(child, named)
    try:
        check_limits(tree, instrument=config.session.instrument, path=path)
    except ConfigError as error:
        raise ConfigError(f"--sweep {named}: {error}") from error
    return config.model_copy(update={"tree": tree})


def _axis(text: str) -> Axis:
    key, equals, values = text.partition("=")
    key = key.strip()
    if not equals or not values.strip():
        raise ConfigError(
            f"--sweep {text!r}: allowed: KEY=VALUE,VALUE,... such as ensemble.approve_above=0.5,0.6"
        )
    _check_key(key)
    try:
        root = yaml.compose(f"[{values}]", Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"--sweep {key}: {values!r} is not a list of YAML values") from error
    found = tuple(_plain(root)) if root is not None else ()
    for number, value in enumerate(found):
        if value in found[:number]:
            raise ConfigError(f"--sweep {key}: {value!r} is given twice; allowed: once")
    return Axis(key=key, values=found)


def _plain(node: yaml.Node) -> Any:
    """As supervision.yaml is read: 9:35 stays text."""
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one) for one in node.value]
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if node.tag in SCALAR_TAGS and not SEXAGESIMAL.match(str(node.value)):
        return yaml.constructor.SafeConstructor().construct_object(node)
    return str(node.value)


def _check_key(key: str) -> None:
    child = key.partition(".")[0]
    model = SWEPT.get(child)
    if model is None:
        raise ConfigError(
            f"--sweep {key}: a backtest uses no settings of {child!r}; "
            f"allowed: settings of {', '.join(SWEPT)}, such as ensemble.approve_above"
        )
    allowed = list(_keys(model, child))
    if key in allowed:
        return
    close = get_close_matches(key, allowed, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"--sweep {key}: unknown setting{hint}; allowed: {', '.join(allowed)}")


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}.{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}.{name}")


def _replaced(settings: Mapping[str, Any], place: Sequence[str], value: object) -> dict[str, Any]:
    first, *rest = place
    if not rest:
        return {**settings, first: value}
    return {**settings, first: _replaced(settings.get(first) or {}, rest, value)}


def _check(child: ChildSpec, named: str) -> None:
    try:
        parse_settings(SWEPT[child.id], child.settings)
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join((child.id, *map(str, found['loc'])))}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors(include_url=False)
        )
        raise ConfigError(f"--sweep {named}: {said}") from error
