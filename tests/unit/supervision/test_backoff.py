"""A restart is put off where its child says so; nobody else waits but the group that restarts with it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mia_actors.supervision.backoff import failures_after, wait_s
from mia_actors.supervision.events import RestartChildCall, StartChild, TerminateChildCall
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import Backoff
from mia_actors.supervision.tree_state import TreeState

WorldOf = Callable[..., Any]
STEADY = {"first_s": 2, "factor": 3, "max_s": 20, "jitter": 0, "stable_after_s": 50}
"""Waits 2, 6, 18, 20, 20 seconds."""


def tree(*children: Any, strategy: str = "one_for_one", **fields: Any) -> dict[str, Any]:
    fields = {"intensity": 100, **fields}
    return {"id": "root", "strategy": strategy, **fields, "children": list(children)}


def slow(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "backoff": STEADY, **fields}


def started(world_of: WorldOf, described: dict[str, Any]) -> Any:
    world = world_of(described)
    world.start()
    world.said()
    return world


def wait_of(world: Any, name: str) -> float:
    """Ends the child, and says how long it takes, to half a second, until it serves again."""
    world.exit(name)
    began_s = world.now_s
    world.advance(0)
    while world.state(name) is not NodeState.UP:
        world.advance(0.5)
    return float(world.now_s - began_s)


def test_each_failure_in_a_row_multiplies_the_wait_up_to_its_limit(world_of: WorldOf) -> None:
    world = started(world_of, tree(slow("a")))
    assert [wait_of(world, "a") for _ in range(5)] == [2, 6, 18, 20, 20]


def test_a_stable_time_makes_the_next_failure_the_first_one_again(world_of: WorldOf) -> None:
    world = started(world_of, tree(slow("a")))
    waits = [wait_of(world, "a")]
    for up_s in (49.9, 50, 0):
        world.advance(up_s)
        waits.append(wait_of(world, "a"))
    assert waits == [2, 6, 2, 6]


def test_a_start_that_fails_is_put_off_for_longer_too(world_of: WorldOf) -> None:
    world = started(world_of, tree(slow("a")))
    world.fail_next["a"] = 2
    assert wait_of(world, "a") == 2 + 6 + 18


def test_siblings_and_their_restarts_do_not_wait(world_of: WorldOf) -> None:
    world = started(world_of, tree(slow("a"), "b"))
    world.exit("a")
    world.exit("b")
    world.advance(0)
    assert world.states() == {"root": "up", "a": "restarting", "b": "up"}
    assert world.said() == ["down a", "down b", "start b"]


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_the_end_of_the_tree_does_not_wait_and_nothing_starts_after_it(
    world_of: WorldOf, strategy: str
) -> None:
    world = started(world_of, tree("a", slow("b"), "c", strategy=strategy))
    world.exit("b")
    world.advance(1)
    stopped_s = world.now_s
    world.stop()
    assert world.ended()
    assert world.outcome.gave_up is False
    assert [item for item in world.said() if item.startswith("start ")] == []
    assert world.now_s - stopped_s <= 1, "only the timer that is void by now was left"


def test_one_failure_too_many_is_not_waited_for(world_of: WorldOf) -> None:
    world = started(world_of, tree(slow("a"), intensity=1, period_s=100))
    world.exit("a")
    world.advance(2)
    world.exit("a")
    world.advance(0)
    assert world.ended()
    assert world.outcome.gave_up


@pytest.mark.parametrize(
    ("strategy", "stopped", "before", "after"),
    [
        ("one_for_all", ["down b", "down d", "down c", "down a"], "", ["start a", "start b"]),
        ("rest_for_one", ["down b", "down d", "down c"], "a", ["start b"]),
    ],
)
def test_the_whole_group_stops_at_once_and_waits_for_the_one_that_failed(
    world_of: WorldOf, strategy: str, stopped: list[str], before: str, after: list[str]
) -> None:
    world = started(world_of, tree("a", slow("b"), "c", "d", strategy=strategy))
    world.exit("b")
    world.advance(1.9)
    assert world.said() == stopped
    assert {name for name, state in world.states().items() if state == "restarting"} == set("abcd") - {before}
    world.advance(0.2)
    assert world.said() == [*after, "start c", "start d"]
    assert set(world.living) == set("abcd")


def test_the_group_waits_until_the_last_of_two_that_failed_may_start(world_of: WorldOf) -> None:
    first = {"id": "a", "backoff": {**STEADY, "first_s": 1}}
    world = started(world_of, tree(first, slow("b"), "c", strategy="rest_for_one"))
    world.exit("b")
    world.advance(0.5)
    world.exit("a")
    world.advance(1.2)
    assert set(world.living) == set()
    world.advance(0.4)
    assert set(world.living) == set("abc")


def test_a_child_that_waits_can_be_terminated_and_its_restart_is_off(world_of: WorldOf) -> None:
    world = started(world_of, tree(slow("a"), "b"))
    world.exit("a")
    world.advance(1)
    about = {"supervisor_id": "root", "child_id": "a"}
    world.post(RestartChildCall(call_id=101, **about))
    world.post(TerminateChildCall(call_id=102, **about))
    world.advance(0)
    assert [world.answers[number].outcome for number in (101, 102)] == ["restarting", "ok"]
    world.advance(100)
    assert world.states() == {"root": "up", "a": "down", "b": "up"}


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_the_group_goes_on_without_the_one_that_was_terminated_while_it_waited(
    world_of: WorldOf, strategy: str
) -> None:
    world = started(world_of, tree(slow("a"), "b", "c", strategy=strategy))
    world.exit("a")
    world.advance(1)
    world.said()
    world.post(TerminateChildCall(call_id=101, supervisor_id="root", child_id="a"))
    world.advance(0)
    assert world.answers[101].outcome == "ok"
    assert world.said() == ["start b", "start c"]
    world.advance(100)
    assert world.states() == {"root": "up", "a": "down", "b": "up", "c": "up"}
    world.crash("c")
    assert world.state("a") is (NodeState.UP if strategy == "one_for_all" else NodeState.DOWN), "as in OTP"


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all"])
def test_a_supervisor_that_takes_over_waits_as_long_as_the_one_before_would_have(
    world_of: WorldOf, strategy: str
) -> None:
    world = started(world_of, tree("a", slow("b"), strategy=strategy, intensity=1, period_s=100))
    world.exit("b")
    world.advance(0.5)
    written = TreeState.model_validate_json(world.machine.state(epoch=1).model_dump_json())
    machine = TreeMachine.resumed(world.machine.root.spec, written)
    assert machine.nodes["b"].state is NodeState.RESTARTING
    (timer,) = machine.timers(now_s=1.0)
    assert timer.after_s == 1.0
    effects = machine.handle(timer.event, 2.0)
    assert [effect for effect in effects if isinstance(effect, StartChild)], (
        "its budget of one was not spent a second time"
    )
    assert machine.state(epoch=2).failures == {"b": 1}


def test_whoever_takes_over_lets_the_group_go_on_without_the_one_that_is_terminated(
    world_of: WorldOf,
) -> None:
    world = started(world_of, tree(slow("a"), "b", strategy="one_for_all"))
    world.exit("a")
    world.advance(0.5)
    machine = TreeMachine.resumed(world.machine.root.spec, world.machine.state(epoch=1))
    effects = machine.handle(TerminateChildCall(supervisor_id="root", child_id="a"), 1.0)
    assert [effect.child_id for effect in effects if isinstance(effect, StartChild)] == ["b"]


@given(
    incarnation=st.integers(1, 10**6),
    failures=st.integers(0, 1000),
    first_s=st.floats(0.01, 100),
    factor=st.floats(1, 10),
    jitter=st.floats(0, 1),
)
def test_a_wait_is_never_above_its_limit_nor_shorter_than_the_jitter_allows(
    incarnation: int, failures: int, first_s: float, factor: float, jitter: float
) -> None:
    backoff = Backoff(first_s=first_s, factor=factor, max_s=200, jitter=jitter)
    counted = 0
    for _ in range(failures):
        counted = failures_after(backoff, counted)
    full_s = wait_s(backoff.model_copy(update={"jitter": 0}), "a", incarnation, counted)
    waited_s = wait_s(backoff, "a", incarnation, counted)
    assert full_s * (1 - jitter) <= waited_s <= full_s <= 200
    assert waited_s == wait_s(backoff, "a", incarnation, counted)


def test_the_jitter_spreads_children_and_lives_over_its_whole_range() -> None:
    backoff = Backoff(first_s=10, max_s=10, jitter=0.5)
    waits = [wait_s(backoff, f"c{child}", life, 0) for child in range(20) for life in range(20)]
    assert len(set(waits)) == len(waits)
    assert min(waits) < 5.2
    assert max(waits) > 9.8


def test_a_first_wait_above_the_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match="more than max_s"):
        Backoff(first_s=31, max_s=30)
