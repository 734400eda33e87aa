"""Calls that come in the middle of something wait for its end, and for nothing that may never end."""

from collections.abc import Callable
from typing import Any

from mia_actors.supervision.events import (
    Call,
    ChildStarted,
    DeleteChildCall,
    RestartChildCall,
    StartChildCall,
    StartTree,
    StopTree,
    TerminateChildCall,
)
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import ChildSpec

WorldOf = Callable[..., Any]


def flat(*children: Any, strategy: str = "one_for_one") -> dict[str, Any]:
    return {"id": "root", "strategy": strategy, "intensity": 5, "children": list(children)}


def start_of(name: str, call_id: int) -> Call:
    spec = ChildSpec(id=name, run="somewhere:Something")
    return StartChildCall(call_id=call_id, supervisor_id="root", spec=spec)


def about(call: type[Any], name: str, call_id: int) -> Any:
    return call(call_id=call_id, supervisor_id="root", child_id=name)


def outcomes(world: Any) -> dict[int, str]:
    return {number: str(answer.outcome) for number, answer in world.answers.items()}


def serve(world: Any, name: str) -> None:
    world.hanging.discard(name)
    world.post(ChildStarted(child_id=name, incarnation=world.living[name]))
    world.settle()


def test_a_call_waits_for_the_first_start(world_of: WorldOf) -> None:
    world = world_of(flat("a", "b"))
    world.hanging = {"a"}
    world.post(StartTree())
    world.post(start_of("c", 1))
    world.advance(1)
    assert outcomes(world) == {}
    serve(world, "a")
    assert outcomes(world) == {1: "ok"}
    assert world.said()[-3:] == ["start a", "start b", "start c"]


def test_a_call_waits_for_a_group_restart(world_of: WorldOf) -> None:
    world = world_of(flat("a", "b", strategy="one_for_all"))
    world.start()
    world.hanging = {"a"}
    world.exit("b")
    world.advance(1)
    world.post(about(TerminateChildCall, "b", 1))
    world.advance(1)
    assert outcomes(world) == {}
    serve(world, "a")
    assert outcomes(world) == {1: "ok"}
    assert world.living == {"a": 2}


def test_a_new_child_that_was_to_start_again_with_its_group_is_told_of_the_end(world_of: WorldOf) -> None:
    world = world_of({**flat("a", "b", strategy="one_for_all"), "intensity": 1})
    world.start()
    world.hanging = {"c"}
    world.post(start_of("c", 1))
    world.advance(1)
    world.exit("b")
    world.hanging = {"b"}
    world.advance(1)
    assert "c" not in world.living
    world.crash("a")
    assert world.ended()
    assert outcomes(world) == {1: "supervisor_down"}


def test_a_call_that_waited_for_a_supervisor_that_ends_is_told_so(world_of: WorldOf) -> None:
    world = world_of(flat("a"))
    world.hanging = {"a"}
    world.post(StartTree())
    world.post(start_of("c", 1))
    world.advance(1)
    world.stop()
    world.post(start_of("d", 2))
    world.settle()
    assert outcomes(world) == {1: "supervisor_down", 2: "not_running"}


def test_calls_wait_for_a_child_that_is_being_stopped_in_their_order(world_of: WorldOf) -> None:
    world = world_of(flat({"id": "a", "shutdown_s": 1}, "b"))
    world.stubborn = {"a"}
    world.start()
    world.post(about(TerminateChildCall, "a", 1))
    world.post(about(RestartChildCall, "a", 2))
    world.post(about(DeleteChildCall, "a", 3))
    world.post(about(TerminateChildCall, "b", 4))
    world.advance(0.5)
    assert outcomes(world) == {4: "ok"}  # another child's
    world.settle()
    assert outcomes(world) == {4: "ok", 1: "ok", 2: "ok", 3: "running"}
    assert world.living == {"a": 2}


def test_a_start_that_hangs_can_be_called_off(world_of: WorldOf) -> None:
    world = world_of(flat("a"))
    world.start()
    world.hanging = {"c"}
    world.post(start_of("c", 1))
    world.advance(1)
    world.post(about(TerminateChildCall, "c", 2))
    world.advance(0)
    assert outcomes(world) == {1: "start_failed", 2: "ok"}
    assert world.state("c") is NodeState.DOWN


def test_a_child_being_started_by_a_call_goes_through_a_group_restart(world_of: WorldOf) -> None:
    world = world_of(flat("a", strategy="one_for_all"))
    world.start()
    world.hanging = {"c"}
    world.post(start_of("c", 1))
    world.advance(1)
    world.hanging = set()
    world.crash("a")
    assert outcomes(world) == {1: "ok"}
    assert world.living == {"a": 2, "c": 2}


def test_the_end_of_the_supervisor_answers_a_call_in_flight(world_of: WorldOf) -> None:
    world = world_of(flat("a"))
    world.start()
    world.hanging = {"c"}
    world.post(start_of("c", 1))
    world.advance(1)
    world.post(StopTree())
    world.settle()
    assert outcomes(world) == {1: "supervisor_down"}
    assert world.ended()
