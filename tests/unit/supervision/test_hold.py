"""What an operator holds stays down, whatever is restarted, until it is released."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.events import (
    ChildExited,
    ChildStarted,
    DeleteChildCall,
    ExitReason,
    Fact,
    HoldChildCall,
    ReleaseChildCall,
    RestartChildCall,
    StartChild,
    StartChildCall,
    TerminateChildCall,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import NodeState, is_gone
from mia_actors.supervision.spec import ChildSpec
from mia_actors.supervision.tree_state import TreeState

WorldOf = Callable[..., Any]


def started(world_of: WorldOf, *children: Any, strategy: str = "one_for_one", **fields: Any) -> Any:
    tree = {"id": "root", "strategy": strategy, "intensity": 9, **fields, "children": list(children)}
    world = world_of(tree)
    world.start()
    world.said()
    return world


def ask(world: Any, call: Any, name: str, supervisor: str = "root") -> str:
    return str(world.ask(call(supervisor_id=supervisor, child_id=name)).outcome)


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_group_restart_leaves_out_what_is_held_and_resurrects_what_was_terminated(
    world_of: WorldOf, strategy: str
) -> None:
    world = started(world_of, "a", "b", "c", "d", strategy=strategy)
    assert (ask(world, HoldChildCall, "b"), ask(world, TerminateChildCall, "c")) == ("ok", "ok")
    world.crash("a")
    assert world.states() == {"root": "up", "a": "up", "b": "held", "c": "up", "d": "up"}
    assert ask(world, ReleaseChildCall, "b") == "ok"
    world.crash("a")
    assert set(world.living) == set("abcd")


def test_the_restart_of_its_supervisor_leaves_it_out_too(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 0, "children": ["x", "y"]}
    world = started(world_of, "a", inner)
    ask(world, HoldChildCall, "x", supervisor="inner")
    world.said()
    world.crash("y")
    assert world.said() == ["down y", "down inner", "supervisor_start inner", "start y"]
    assert world.state("x") is NodeState.HELD
    assert ask(world, ReleaseChildCall, "x", supervisor="inner") == "ok"
    assert world.living == {"a": 1, "y": 2, "x": 2}


def test_a_supervisor_is_held_with_all_below_it(world_of: WorldOf) -> None:
    world = started(world_of, "a", {"id": "inner", "children": ["x", "y"]}, strategy="one_for_all")
    assert ask(world, HoldChildCall, "inner") == "ok"
    assert world.said() == ["down y", "down x", "down inner"]
    world.crash("a")
    assert set(world.living) == {"a"}
    assert is_gone(world.machine.nodes["x"])
    assert ask(world, ReleaseChildCall, "inner") == "ok"
    assert set(world.living) == {"a", "x", "y"}


def test_a_supervisor_that_is_ending_by_itself_is_held_instead_of_restarted(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 0, "children": [{"id": "x", "shutdown_s": 3}, "y"]}
    world = started(world_of, inner)
    world.stubborn.add("x")
    world.exit("y")
    world.advance(1)
    assert world.state("inner") is NodeState.STOPPING
    assert ask(world, HoldChildCall, "inner") == "ok"
    assert world.states() == {"root": "up", "inner": "held", "x": "down", "y": "down"}


@pytest.mark.parametrize("call", [RestartChildCall, DeleteChildCall])
def test_nothing_but_a_release_ends_a_hold(world_of: WorldOf, call: Any) -> None:
    world = started(world_of, "a")
    assert ask(world, ReleaseChildCall, "a") == "not_held"
    assert [ask(world, HoldChildCall, "a") for _ in range(2)] == ["ok", "ok"]
    assert ask(world, call, "a") == "held"
    assert ask(world, TerminateChildCall, "a") == "ok"
    spec = ChildSpec(id="a", run="somewhere:Something")
    assert world.ask(StartChildCall(supervisor_id="root", spec=spec)).outcome == "already_present"
    assert world.state("a") is NodeState.HELD
    assert [ask(world, call, "nobody") for call in (HoldChildCall, ReleaseChildCall)] == ["not_found"] * 2
    assert [report.fact for report in world.reports].count(Fact.CHILD_HELD) == 1


def test_a_release_that_fails_leaves_the_child_down_and_free(world_of: WorldOf) -> None:
    world = started(world_of, "a")
    ask(world, HoldChildCall, "a")
    world.fail_next["a"] = 1
    assert ask(world, ReleaseChildCall, "a") == "start_failed"
    assert world.state("a") is NodeState.DOWN
    assert ask(world, RestartChildCall, "a") == "ok"


def test_a_temporary_child_is_kept_while_it_is_held(world_of: WorldOf) -> None:
    world = started(world_of, {"id": "a", "restart": "temporary"})
    ask(world, HoldChildCall, "a")
    assert world.state("a") is NodeState.HELD
    assert ask(world, ReleaseChildCall, "a") == "ok"
    assert world.living == {"a": 2}


def test_copies_of_a_template_are_not_held(world_of: WorldOf) -> None:
    world = started(world_of, "t", strategy="simple_one_for_one")
    assert ask(world, HoldChildCall, "t.1") == "simple_one_for_one"


def test_a_start_that_hangs_is_held_and_who_waited_for_it_is_told(world_of: WorldOf) -> None:
    world = started(world_of, "a")
    ask(world, TerminateChildCall, "a")
    world.hanging.add("a")
    world.post(RestartChildCall(call_id=101, supervisor_id="root", child_id="a"))
    world.advance(1)
    assert ask(world, HoldChildCall, "a") == "ok"
    assert world.answers[101].outcome == "start_failed"
    assert world.living == {}


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all"])
def test_a_child_held_while_its_restart_is_put_off_is_not_waited_for(
    world_of: WorldOf, strategy: str
) -> None:
    backoff = {"first_s": 20, "max_s": 20}
    world = started(world_of, {"id": "a", "backoff": backoff}, "b", strategy=strategy)
    world.exit("a")
    world.advance(1)
    world.post(HoldChildCall(call_id=101, supervisor_id="root", child_id="a"))
    world.advance(0)
    assert world.answers[101].outcome == "ok"
    assert world.states() == {"root": "up", "a": "held", "b": "up"}
    world.advance(100)
    assert world.state("a") is NodeState.HELD


def test_whoever_takes_over_holds_what_was_held(world_of: WorldOf) -> None:
    world = started(world_of, "a", "b", strategy="one_for_all")
    world.stubborn.add("a")
    world.post(HoldChildCall(call_id=101, supervisor_id="root", child_id="a"))
    world.advance(0)
    assert world.state("a") is NodeState.STOPPING, "it dies in the middle of it"
    written = TreeState.model_validate_json(world.machine.state(epoch=1).model_dump_json())
    machine = TreeMachine.resumed(world.machine.root.spec, written)
    assert {name: node.state.value for name, node in machine.nodes.items()} == {
        "root": "up",
        "a": "held",
        "b": "up",
    }
    crash = ChildExited(child_id="b", incarnation=1, reason=ExitReason.CRASH, cause="")
    assert [one.child_id for one in machine.handle(crash, 5.0) if isinstance(one, StartChild)] == ["b"]
    machine.handle(ChildStarted(child_id="b", incarnation=2), 5.5)
    release = ReleaseChildCall(supervisor_id="root", child_id="a")
    machine.handle(release, 6.0)
    assert machine.state(epoch=2).held == ()
