"""A child is up when it has started, and armed when it says so; one that never does is started anew."""

from collections.abc import Callable
from typing import Any

from mia_actors.supervision.events import (
    ArmOverdue,
    ChildArmed,
    ExitReason,
    Fact,
    KillChild,
    SetTimer,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import ChildNode, NodeState
from mia_actors.supervision.virtual_world import VirtualWorld

WorldOf = Callable[..., VirtualWorld]


def started(world_of: WorldOf, **options: Any) -> VirtualWorld:
    child = {"id": "a", "armed_within_s": 5.0, "shutdown_s": 0}
    world = world_of({"id": "root", "intensity": 3, "period_s": 100, "children": [child, "b"], **options})
    world.start()
    return world


def node(world: VirtualWorld, name: str) -> ChildNode:
    found = world.machine.nodes[name]
    assert isinstance(found, ChildNode)
    return found


def facts(world: VirtualWorld, name: str) -> list[Fact]:
    return [report.fact for report in world.reports if report.node_id == name]


def arm(world: VirtualWorld, incarnation: int) -> None:
    world.post(ChildArmed(child_id="a", incarnation=incarnation))
    world.advance(0)


def test_it_is_armed_when_it_says_so_and_told_once(world_of: WorldOf) -> None:
    world = started(world_of)
    assert not node(world, "a").armed
    arm(world, 1)
    arm(world, 1)
    assert node(world, "a").armed
    assert facts(world, "a").count(Fact.CHILD_ARMED) == 1


def test_the_next_ones_start_does_not_wait_for_it(world_of: WorldOf) -> None:
    world = started(world_of)
    assert node(world, "b").state is NodeState.UP
    assert not node(world, "a").armed


def test_one_that_is_not_armed_in_time_is_killed_and_started_anew_with_the_cause(world_of: WorldOf) -> None:
    world = started(world_of)
    world.advance(4.9)
    assert node(world, "a").incarnation == 1
    world.advance(0.2)
    assert node(world, "a").incarnation == 2
    exited = next(report for report in world.reports if report.fact is Fact.CHILD_EXITED)
    assert (exited.node_id, exited.reason) == ("a", ExitReason.KILLED)
    assert exited.cause == "was not armed within 5 s"
    assert node(world, "a").last_cause == exited.cause


def test_one_that_is_armed_in_time_is_left_alone(world_of: WorldOf) -> None:
    world = started(world_of)
    world.advance(4.9)
    arm(world, 1)
    world.advance(100)
    assert node(world, "a").incarnation == 1


def test_the_word_of_an_earlier_life_counts_for_nothing(world_of: WorldOf) -> None:
    world = started(world_of)
    arm(world, 1)
    world.crash("a")
    assert not node(world, "a").armed
    arm(world, 1)
    assert not node(world, "a").armed
    arm(world, 2)
    assert node(world, "a").armed


def test_who_needs_not_say_it_is_never_asked(world_of: WorldOf) -> None:
    world = started(world_of)
    world.advance(1000)
    assert node(world, "b").incarnation == 1


def test_whoever_takes_over_waits_only_for_those_that_are_not_armed(world_of: WorldOf) -> None:
    world = started(world_of)
    arm(world, 1)
    armed = TreeMachine.resumed(world.machine.root.spec, world.machine.state(epoch=1))
    assert armed.timers(0.0) == ()
    world.crash("a")
    unarmed = TreeMachine.resumed(world.machine.root.spec, world.machine.state(epoch=1))
    overdue = ArmOverdue(child_id="a", incarnation=2)
    assert unarmed.timers(0.0) == (SetTimer(after_s=5.0, event=overdue),)
    assert unarmed.handle(overdue, 5.0) == (KillChild(child_id="a", incarnation=2),)
