"""Trees of plain data for the tests of the state machine."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.nodes import NodeState, SupervisorNode
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.virtual_world import VirtualWorld


def at_rest(node: SupervisorNode) -> bool:
    """Whether a supervisor that is up has nothing under way."""
    return node.purpose.value == "none" and all(
        child.state in {NodeState.UP, NodeState.DOWN, NodeState.REMOVED, NodeState.LEFT_DOWN, NodeState.HELD}
        for child in node.children
    )


@pytest.fixture(scope="session")
def world_of() -> Callable[..., VirtualWorld]:
    """Makes a world of a tree given as plain data; a bare name is a permanent child."""

    def make(tree: dict[str, Any], **options: Any) -> VirtualWorld:
        return VirtualWorld(SupervisorSpec.model_validate(_completed(tree)), **options)

    return make


def _completed(node: Any) -> dict[str, Any]:
    if isinstance(node, str):
        node = {"id": node}
    if "children" in node:
        return {**node, "children": [_completed(child) for child in node["children"]]}
    return {"run": "somewhere:Something", **node}


@pytest.fixture(scope="session")
def is_at_rest() -> Callable[[SupervisorNode], bool]:
    """See `at_rest`."""
    return at_rest
