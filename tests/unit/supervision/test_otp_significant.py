"""Cases of OTP's supervisor_SUITE by name: significant children and the automatic shutdown."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.events import (
    ChildStarted,
    ExitReason,
    Fact,
    RestartChildCall,
    StartTree,
    TerminateChildCall,
)
from mia_actors.supervision.nodes import NodeState

WorldOf = Callable[..., Any]
MODES = ["any_significant", "all_significant"]
STRATEGIES = ["one_for_one", "one_for_all", "rest_for_one"]


def sig(name: str, restart: str = "temporary", **fields: Any) -> dict[str, Any]:
    return {"id": name, "restart": restart, "significant": True, **fields}


def started(world_of: WorldOf, mode: str, *children: Any, **flags: Any) -> Any:
    world = world_of(
        {"id": "root", "intensity": 9, "auto_shutdown": mode, **flags, "children": list(children)}
    )
    world.start()
    world.said()
    return world


def end(world: Any, name: str, reason: ExitReason) -> None:
    world.exit(name, reason)
    world.settle()


def terminate(world: Any, name: str) -> None:
    world.ask(TerminateChildCall(supervisor_id="root", child_id=name))


@pytest.mark.parametrize("mode", ["never", *MODES])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("reason", list(ExitReason))
def test_nonsignificant_temporary_and_transient(
    world_of: WorldOf, mode: str, restart: str, reason: ExitReason
) -> None:
    world = started(world_of, mode, {"id": "a", "restart": restart}, {"id": "b", "restart": restart})
    end(world, "a", reason)
    end(world, "b", reason)
    terminate(world, "a")
    assert world.state("root") is NodeState.UP


@pytest.mark.parametrize("reason", list(ExitReason))
def test_significant_temporary(world_of: WorldOf, reason: ExitReason) -> None:
    """Any end of its own counts; one that was asked for does not."""
    world = started(world_of, "any_significant", sig("a"), sig("b"), "c")
    terminate(world, "a")
    assert world.state("root") is NodeState.UP
    end(world, "b", reason)
    assert world.said()[-3:] == ["down b", "down c", "down root"]
    assert world.outcome.gave_up is False
    world = started(world_of, "all_significant", sig("a"), sig("b"), sig("d"), "c")
    end(world, "a", reason)
    end(world, "d", reason)
    assert world.state("root") is NodeState.UP
    end(world, "b", reason)
    assert world.ended()
    assert world.outcome.cause == "b is significant and ended"
    assert Fact.AUTO_SHUTDOWN in {report.fact for report in world.reports}


@pytest.mark.parametrize("mode", MODES)
def test_significant_transient(world_of: WorldOf, mode: str) -> None:
    """A crash is restarted and triggers nothing; an orderly end does."""
    world = started(world_of, mode, sig("a", "transient"), "b")
    end(world, "a", ExitReason.CRASH)
    end(world, "a", ExitReason.KILLED)
    assert world.living == {"a": 3, "b": 1}
    end(world, "a", ExitReason.NORMAL)
    assert world.ended()


def test_all_significant_counts_those_terminated_and_restarted_by_call(world_of: WorldOf) -> None:
    world = started(world_of, "all_significant", sig("a", "transient"), sig("b", "transient"))
    terminate(world, "a")
    world.ask(RestartChildCall(supervisor_id="root", child_id="a"))
    end(world, "b", ExitReason.NORMAL)
    assert world.state("root") is NodeState.UP
    terminate(world, "a")
    assert world.state("root") is NodeState.UP  # the last one that stood did not end by itself


def test_one_that_is_being_terminated_does_not_keep_its_supervisor(world_of: WorldOf) -> None:
    world = started(world_of, "all_significant", sig("a", "transient", shutdown_s=1), sig("b", "transient"))
    world.stubborn = {"a"}
    world.post(TerminateChildCall(call_id=1, supervisor_id="root", child_id="a"))
    world.advance(0.5)
    end(world, "b", ExitReason.NORMAL)
    assert world.ended()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_significant_bystander(world_of: WorldOf, mode: str, strategy: str) -> None:
    """A significant child that a sibling's crash takes along has not ended by itself."""
    world = started(world_of, mode, "a", sig("b"), sig("c", "transient"), strategy=strategy)
    world.crash("a")
    assert world.state("root") is NodeState.UP
    assert world.living == ({"a": 2, "b": 1, "c": 1} if strategy == "one_for_one" else {"a": 2, "c": 2})


@pytest.mark.parametrize("significant", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_significant_escalation(world_of: WorldOf, mode: str, *, significant: bool) -> None:
    """The end of a supervisor climbs on only where it is significant itself."""
    inner = {
        "id": "inner", "auto_shutdown": mode, "restart": "transient", "significant": significant,
        "children": [sig("x"), "y"],
    }  # fmt: skip
    world = started(world_of, mode, "a", inner)
    end(world, "x", ExitReason.NORMAL)
    assert world.ended() is significant
    if not significant:
        assert world.living == {"a": 1}


@pytest.mark.parametrize("mode", MODES)
def test_a_permanent_supervisor_that_ends_with_its_significant_child_starts_anew(
    world_of: WorldOf, mode: str
) -> None:
    inner = {"id": "inner", "auto_shutdown": mode, "children": [sig("x"), "y"]}
    world = started(world_of, "never", inner)
    end(world, "x", ExitReason.NORMAL)
    assert world.living == {"x": 2, "y": 2}
    assert world.machine.root.restarts_in_window(world.now_s) == 1


def test_one_that_ends_while_others_start_ends_its_supervisor_when_they_are_up(world_of: WorldOf) -> None:
    """To its own supervisor it came up first and ended then: no failed start."""
    inner = {"id": "inner", "auto_shutdown": "any_significant", "restart": "temporary",
             "children": [sig("x"), "y"]}  # fmt: skip
    world = world_of({"id": "root", "children": [inner, "z"]})
    world.hanging = {"y"}
    world.post(StartTree())
    world.advance(1)
    world.exit("x", ExitReason.NORMAL)
    world.advance(1)
    assert world.living.keys() == {"y"}
    world.post(ChildStarted(child_id="y", incarnation=1))
    world.settle()
    assert world.living == {"z": 1}
    assert world.state("root") is NodeState.UP
    assert world.state("inner") is NodeState.REMOVED


def test_one_that_its_group_brought_back_ends_nothing(world_of: WorldOf) -> None:
    world = started(world_of, "any_significant", "a", sig("b", "transient"), "c", strategy="one_for_all")
    world.hanging = {"c"}
    world.exit("a")
    world.advance(1)  # the group starts again: a and b are up, c hangs
    world.exit("b", ExitReason.NORMAL)
    world.exit("a")  # and again
    world.advance(1)
    world.post(ChildStarted(child_id="c", incarnation=world.living["c"]))
    world.settle()
    assert world.state("root") is NodeState.UP
    assert world.living.keys() == {"a", "b", "c"}
