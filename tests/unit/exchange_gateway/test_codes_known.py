"""Every code that the gateway can send, and every one a fault script of ours sends, is mapped by the broker's table."""

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

import mia_actors.exchange.gateway as package
from mia_actors.broker.codes import CODES

GATEWAY = Path(package.__file__).parent
SCRIPT = Path(__file__).parents[3] / "examples" / "faults.yaml"
CODE_PLACE = {"Refused": 1, "error": 1, "_tell_all": 0}
"""Where the code stands among the arguments of what sends one."""
LOWEST = 100


def _constants(tree: ast.Module) -> dict[str, int]:
    """Whole numbers that the module names, also several at once."""
    found: dict[str, int] = {}
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        names, values = node.targets[0], node.value
        pairs = (
            zip(names.elts, values.elts, strict=True)
            if isinstance(names, ast.Tuple) and isinstance(values, ast.Tuple)
            else [(names, values)]
        )
        for name, value in pairs:
            if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and type(value.value) is int:
                found[name.id] = value.value
    return found


def _codes_in(path: Path) -> Iterator[int]:
    tree = ast.parse(path.read_text())
    named = _constants(tree)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.keyword)
            and node.arg == "unknown_code"
            and isinstance(node.value, ast.Constant)
        ):
            yield int(str(node.value.value))
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        place = CODE_PLACE.get(called)
        if place is None or len(node.args) <= place:
            continue
        argument = node.args[place]
        if isinstance(argument, ast.Constant) and type(argument.value) is int:
            yield argument.value
        elif isinstance(argument, ast.Name) and argument.id in named:
            yield named[argument.id]


def test_every_code_that_the_gateway_sends_has_a_class_of_error() -> None:
    sent = {code for path in GATEWAY.glob("*.py") for code in _codes_in(path) if code >= LOWEST}
    assert {100, 110, 162, 200, 321, 326, 354, 1100, 2103, 10147} <= sent, "the search finds what is sent"
    assert sent - set(CODES) == set()


def test_every_code_of_the_example_script_has_one() -> None:
    faults = yaml.safe_load(SCRIPT.read_text())["faults"]
    assert {fault["code"] for fault in faults if "code" in fault} <= set(CODES)
