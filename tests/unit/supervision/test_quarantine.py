"""An input that kills its reader is refused or given up on after so many deaths; nothing else is."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.events import ChildExited, ExitReason, Fact, KeepInput, TerminateChildCall
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.spec import ChildSpec
from mia_actors.supervision.suspects import QUARANTINED_MAX, SUSPECTS_MAX, Suspects
from mia_actors.supervision.tree_state import TreeState
from mia_actors.supervision.views import view_of

WorldOf = Callable[..., Any]
POISON, OTHER = "read 0123456789abcdef", "read fedcba9876543210"
SKIP = {"after": 3, "then": "skip"}
GIVE_UP = {"after": 3, "then": "give_up"}


def started(world_of: WorldOf, rule: dict[str, Any] | None, **fields: Any) -> Any:
    root = {"id": "root", "intensity": 99, **fields}
    world = world_of({**root, "children": [{"id": "a", "quarantine": rule, "armed_within_s": 9}, "b"]})
    world.start()
    return world


def die(world: Any, *inputs: str, reason: ExitReason = ExitReason.CRASH) -> None:
    exited = ChildExited(
        child_id="a", incarnation=world.living.pop("a"), reason=reason, cause="boom", inputs=inputs
    )
    world.post(exited)
    world.advance(0.01)


def refused(world: Any) -> tuple[str, ...]:
    return next(view_of(world.machine.root, {}, world.now_s).all_children()).quarantined


def kept(world: Any) -> list[tuple[int, str]]:
    return [(one.incarnation, one.name) for one in world.effects if isinstance(one, KeepInput)]


def told(world: Any, fact: Fact) -> list[str]:
    return [report.cause for report in world.reports if report.fact is fact]


@pytest.mark.parametrize("reason", [ExitReason.CRASH, ExitReason.KILLED, ExitReason.HUNG])
def test_the_death_of_too_many_with_one_input_in_hand_quarantines_it(
    world_of: WorldOf, reason: ExitReason
) -> None:
    world = started(world_of, SKIP)
    for _ in range(2):
        die(world, POISON, reason=reason)
    assert (refused(world), kept(world), told(world, Fact.INPUT_QUARANTINED)) == ((), [], [])
    die(world, POISON, reason=reason)
    assert refused(world) == (POISON,)
    assert kept(world) == [(3, POISON)]
    assert told(world, Fact.INPUT_QUARANTINED) == [f"{POISON} was in hand in 3 deaths"]
    assert world.state("a") == "up"


def test_every_input_in_hand_is_suspected_and_who_is_there_by_chance_is_not_harmed(
    world_of: WorldOf,
) -> None:
    world = started(world_of, SKIP)
    die(world, OTHER, POISON)
    die(world)
    die(world, POISON)
    die(world, POISON, "write 00")
    assert refused(world) == (POISON,)


def test_ends_that_were_asked_for_or_are_no_deaths_count_against_nobody(world_of: WorldOf) -> None:
    world = started(world_of, {"after": 1})
    die(world, POISON, reason=ExitReason.NORMAL)
    node = world.machine.nodes["a"]
    node.arm_overdue = True
    die(world, POISON)
    world.stubborn.add("a")
    world.post(TerminateChildCall(call_id=1, supervisor_id="root", child_id="a"))
    world.advance(0.1)
    die(world, POISON, reason=ExitReason.KILLED)
    assert world.state("a") == "down"
    assert refused(world) == ()


def test_a_death_over_a_call_that_came_while_it_started_counts(world_of: WorldOf) -> None:
    world = started(world_of, {"after": 2})
    die(world, POISON)
    world.hanging.add("a")
    die(world)
    world.hanging.discard("a")
    die(world, POISON)
    assert refused(world) == (POISON,)
    assert world.state("a") == "up"


def test_without_a_rule_nothing_is_counted(world_of: WorldOf) -> None:
    world = started(world_of, None)
    for _ in range(5):
        die(world, POISON)
    assert (refused(world), kept(world)) == ((), [])
    assert world.machine.state(epoch=1).suspects == {}


def test_counts_and_quarantine_outlive_the_supervisor(world_of: WorldOf) -> None:
    world = started(world_of, SKIP)
    for _ in range(3):
        die(world, POISON)
    for _ in range(2):
        die(world, OTHER)
    written = TreeState.model_validate_json(world.machine.state(epoch=1).model_dump_json())
    world.machine = TreeMachine.resumed(world.machine.root.spec, written)
    assert refused(world) == (POISON,)
    die(world, OTHER)
    assert refused(world) == (POISON, OTHER)


@pytest.mark.parametrize("early", [False, True])
def test_giving_up_follows_the_budget_of_its_supervisor_and_refuses_nothing(
    world_of: WorldOf, *, early: bool
) -> None:
    """Early: the call was waiting for the start and killed the child before it was known to be up."""
    world = started(world_of, GIVE_UP, on_budget_spent="halt")
    die(world, POISON)
    if early:
        world.hanging.add("a")
    die(world, POISON)
    assert not world.ended()
    die(world, POISON)
    assert world.ended()
    assert f"{POISON} was in hand in 3 deaths" in world.outcome.cause
    assert kept(world) == [(3, POISON)]
    assert len(told(world, Fact.PERMANENT_FAILURE)) == len(told(world, Fact.HALT_REQUESTED)) == 1
    assert (refused(world), told(world, Fact.INPUT_QUARANTINED)) == ((), [])


def test_whoever_starts_it_anew_after_it_was_given_up_counts_anew(world_of: WorldOf) -> None:
    child = {"id": "a", "quarantine": {"after": 2, "then": "give_up"}}
    world = world_of({"id": "root", "intensity": 9, "children": [{"id": "inner", "children": [child]}]})
    world.start()
    die(world, POISON)
    die(world, POISON)
    assert (world.states(), world.living["a"]) == ({"root": "up", "inner": "up", "a": "up"}, 3)
    die(world, POISON)
    assert len(told(world, Fact.PERMANENT_FAILURE)) == 1


def test_what_is_remembered_has_a_limit() -> None:
    suspects = Suspects()
    suspects.died_with(["first"], 9)
    for number in range(SUSPECTS_MAX):
        suspects.died_with([str(number)], 9)
        suspects.quarantine(f"q{number}")
    assert "first" not in suspects.counts
    assert len(suspects.counts) == SUSPECTS_MAX
    suspects.quarantine("last")
    assert len(suspects.quarantined) == QUARANTINED_MAX
    assert (suspects.quarantined[0], suspects.quarantined[-1]) == ("q1", "last")


@pytest.mark.parametrize("after", [0, 101])
def test_the_number_of_deaths_has_bounds(after: int) -> None:
    with pytest.raises(ValueError, match="after"):
        ChildSpec.model_validate({"id": "a", "run": "m:C", "quarantine": {"after": after}})
