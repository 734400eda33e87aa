"""What children died of is counted, and some causes are not answered by a restart."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.deaths import LAST_CAUSES_MAX, Deaths
from mia_actors.supervision.events import CallHalt, ChildExited, ExitReason, Fact, TerminateChildCall
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.tree_state import TreeState
from mia_actors.supervision.views import view_of

WorldOf = Callable[..., Any]
PERMANENT = "errors.ConfigError: no such account"


def started(world_of: WorldOf, *children: Any, **fields: Any) -> Any:
    world = world_of({"id": "root", "intensity": 9, **fields, "children": list(children)})
    world.start()
    return world


def die(world: Any, name: str, cause: str, reason: ExitReason = ExitReason.CRASH) -> None:
    incarnation = world.living.pop(name)
    world.post(ChildExited(child_id=name, incarnation=incarnation, reason=reason, cause=cause))
    world.settle()


def deaths(world: Any, name: str) -> tuple[dict[str, int], tuple[str, ...]]:
    views = {child.id: child for child in view_of(world.machine.root, {}, world.now_s).all_children()}
    return views[name].deaths, views[name].last_causes


def test_ends_are_counted_by_reason_and_those_that_were_asked_for_are_not(world_of: WorldOf) -> None:
    world = started(world_of, "a", "b", strategy="one_for_all")
    die(world, "a", "disk full")
    die(world, "a", "no sign of life", ExitReason.HUNG)
    world.fail_next["a"] = 1
    die(world, "a", "", ExitReason.NORMAL)
    world.ask(TerminateChildCall(supervisor_id="root", child_id="a"))
    expected = {"crash": 2, "hung": 1, "normal": 1}, ("disk full", "no sign of life", "normal", "no")
    assert deaths(world, "a") == expected
    assert deaths(world, "b") == ({}, ()), "it was taken along"
    written = TreeState.model_validate_json(world.machine.state(epoch=1).model_dump_json())
    world.machine = TreeMachine.resumed(world.machine.root.spec, written)
    assert deaths(world, "a") == expected


def test_only_the_last_causes_are_kept_and_not_all_of_a_long_one() -> None:
    tally = Deaths()
    for number in range(LAST_CAUSES_MAX + 3):
        tally.add(ExitReason.CRASH, f"{number} " + "x" * 10_000)
    assert [cause.split()[0] for cause in tally.last_causes] == ["3", "4", "5", "6", "7"]
    assert max(map(len, tally.last_causes)) == 200
    assert tally.counts == {ExitReason.CRASH: 8}


@pytest.mark.parametrize(
    ("patterns", "gives_up"),
    [
        (["*ConfigError: *"], True),
        (["nothing of it", "errors.ConfigError: no such a?count"], True),
        (["ConfigError"], False),
        (["*configerror*"], False),
        ([], False),
    ],
)
def test_a_cause_that_matches_is_not_answered_by_a_restart(
    world_of: WorldOf, patterns: list[str], *, gives_up: bool
) -> None:
    world = started(world_of, {"id": "a", "give_up_on": patterns}, "b")
    die(world, "a", PERMANENT)
    assert world.ended() == gives_up
    if gives_up:
        assert world.outcome.gave_up
        assert PERMANENT in world.outcome.cause
        assert Fact.PERMANENT_FAILURE in {report.fact for report in world.reports}
        assert Fact.BUDGET_SPENT not in {report.fact for report in world.reports}


def test_what_follows_is_what_the_supervisor_says_of_a_spent_budget(world_of: WorldOf) -> None:
    fatal = {"id": "x", "give_up_on": ["*ConfigError*"], "backoff": {"first_s": 5}}
    inner = {"id": "inner", "on_budget_spent": "leave_down", "intensity": 9, "children": [fatal, "y"]}
    world = started(world_of, "a", inner, on_budget_spent="halt")
    die(world, "x", PERMANENT)
    assert world.states() == {"root": "up", "a": "up", "inner": "left_down", "x": "down", "y": "down"}
    halting = started(world_of, {"id": "a", "give_up_on": ["*"]}, on_budget_spent="halt")
    die(halting, "a", PERMANENT)
    assert any(isinstance(effect, CallHalt) for effect in halting.effects)


def test_a_restart_that_fails_of_such_a_cause_is_not_tried_again(world_of: WorldOf) -> None:
    world = started(world_of, {"id": "a", "give_up_on": ["no"]})
    world.fail_next["a"] = 1
    die(world, "a", "something else")
    assert world.ended()
    assert deaths(world, "a") == ({"crash": 2}, ("something else", "no"))


def test_an_end_after_which_nothing_would_be_restarted_is_no_failure(world_of: WorldOf) -> None:
    world = started(
        world_of,
        {"id": "a", "restart": "temporary", "give_up_on": ["*"]},
        {"id": "b", "restart": "transient", "give_up_on": ["*"]},
    )
    die(world, "a", PERMANENT)
    die(world, "b", PERMANENT, ExitReason.NORMAL)
    assert not world.ended()
