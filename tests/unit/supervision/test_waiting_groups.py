"""Groups that wait for a backoff while something else befalls them, and whoever takes over meanwhile."""

from collections.abc import Callable
from typing import Any

from mia_actors.supervision.events import ReloadCall, StartChild
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import ChildNode, NodeState
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.tree_state import TreeState
from mia_actors.supervision.virtual_world import VirtualWorld

WorldOf = Callable[..., VirtualWorld]
BACKOFF = {"first_s": 5, "factor": 1, "max_s": 5, "jitter": 0, "stable_after_s": 50}
LIMITS = {"intensity": 100, "period_s": 1000}


def resumed(world: VirtualWorld) -> TreeMachine:
    """By way of what is written down."""
    state = world.machine.state(epoch=1)
    return TreeMachine.resumed(
        world.machine.root.spec, TreeState.model_validate_json(state.model_dump_json())
    )


def test_a_sibling_that_fails_before_one_that_waits_leaves_nobody_behind(world_of: WorldOf) -> None:
    children: list[Any] = ["a", "b", {"id": "c", "backoff": BACKOFF}]
    world = world_of({"id": "root", "strategy": "rest_for_one", **LIMITS, "children": children})
    world.start()
    world.exit("c")
    world.advance(1)
    world.exit("a")
    world.settle()
    assert world.states() == {"root": "up", "a": "up", "b": "up", "c": "up"}


def test_whoever_takes_over_starts_nothing_below_a_supervisor_that_waits_with_its_group(
    world_of: WorldOf,
) -> None:
    inner = {"id": "s", **LIMITS, "children": ["x"]}
    children: list[Any] = [{"id": "a", "backoff": BACKOFF}, inner]
    world = world_of({"id": "root", "strategy": "one_for_all", **LIMITS, "children": children})
    world.start()
    world.exit("a")
    world.advance(1)
    assert world.state("s") is NodeState.RESTARTING
    machine = resumed(world)
    assert machine.nodes["x"].state is NodeState.DOWN
    effects = [timer.event for timer in machine.timers(1.0)]
    started = [
        effect.child_id
        for event in effects
        for effect in machine.handle(event, 6.0)
        if isinstance(effect, StartChild)
    ]
    assert started == ["a"]


def test_a_name_that_comes_back_after_a_takeover_never_gets_an_incarnation_it_had(world_of: WorldOf) -> None:
    def tree(*names: str) -> SupervisorSpec:
        children = [{"id": name, "run": "m:C"} for name in names]
        return SupervisorSpec.model_validate({"id": "root", **LIMITS, "children": children})

    world = VirtualWorld(tree("a", "b"))
    world.start()
    world.crash("b")
    world.crash("b")
    world.ask(ReloadCall(tree=tree("a")))
    world.settle()
    machine = resumed(world)
    machine.handle(ReloadCall(call_id=1, tree=tree("a", "b")), 1.0)
    child = machine.nodes["b"]
    assert isinstance(child, ChildNode)
    assert child.incarnation > 3
