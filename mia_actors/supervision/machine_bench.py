"""How many events the pure state machine takes in a second, by the number of children.

Two kinds of work on one flat one_for_one tree: children that crash and come up again, each in turn, and calls
that terminate and restart children. Events are made beforehand; what is measured is the machine alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mia_actors.core.clock import Clock
from mia_actors.core.errors import InvariantViolated
from mia_actors.supervision.events import (
    ChildExited,
    ChildStarted,
    Event,
    ExitReason,
    RestartChildCall,
    StartChild,
    StartTree,
    TerminateChildCall,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.spec import ChildSpec, Strategy, SupervisorSpec

CHILDREN = (10, 1_000, 10_000)
EVENTS = 100_000
ROUNDS = 3
STRIDE = 7_919
"""A prime: children crash in an order that is not that of the list."""
STEP_S = 0.01
"""Between two events of virtual time: the restart window holds a hundred stamps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpeed:
    """Events of each kind per second, in the best of several rounds."""

    children: int
    events: int
    """In each round of each kind."""
    restarts_per_s: float
    """Events while children crash and come up again."""
    calls_per_s: float
    """Events while children are terminated and restarted by calls."""


def measure_machine(
    clock: Clock, *, children: Sequence[int] = CHILDREN, events: int = EVENTS, rounds: int = ROUNDS
) -> tuple[MachineSpeed, ...]:
    """One figure for each number of children."""
    return tuple(
        MachineSpeed(
            children=number,
            events=events,
            restarts_per_s=max(_rate(clock, number, crashes(number, events)) for _ in range(rounds)),
            calls_per_s=max(_rate(clock, number, calls(number, events)) for _ in range(rounds)),
        )
        for number in children
    )


def running_machine(children: int) -> TreeMachine:
    """A flat one_for_one tree, all of it up."""
    machine = TreeMachine(
        SupervisorSpec(
            id="root",
            strategy=Strategy.ONE_FOR_ONE,
            intensity=1000,
            period_s=1,
            children=tuple(ChildSpec(id=_name(number), run="bench:Nothing") for number in range(children)),
        )
    )
    waiting: list[Event] = [StartTree()]
    while waiting:
        waiting += [
            ChildStarted(child_id=effect.child_id, incarnation=effect.incarnation)
            for effect in machine.handle(waiting.pop(), 0.0)
            if isinstance(effect, StartChild)
        ]
    return machine


def crashes(children: int, events: int) -> list[Event]:
    """One child after the other crashes and comes up again."""
    made: list[Event] = []
    lives = [1] * children
    for number in range(events // 2):
        child = number * STRIDE % children
        made.append(
            ChildExited(
                child_id=_name(child), incarnation=lives[child], reason=ExitReason.CRASH, cause="bench"
            )
        )
        lives[child] += 1
        made.append(ChildStarted(child_id=_name(child), incarnation=lives[child]))
    return made


def calls(children: int, events: int) -> list[Event]:
    """One child after the other is terminated and restarted by a call; each takes two events more."""
    made: list[Event] = []
    lives = [1] * children
    for number in range(events // 4):
        child = number * STRIDE % children
        name, number_of_call = _name(child), 2 * number
        made.append(TerminateChildCall(call_id=number_of_call, supervisor_id="root", child_id=name))
        made.append(
            ChildExited(child_id=name, incarnation=lives[child], reason=ExitReason.SHUTDOWN, cause="")
        )
        lives[child] += 1
        made.append(RestartChildCall(call_id=number_of_call + 1, supervisor_id="root", child_id=name))
        made.append(ChildStarted(child_id=name, incarnation=lives[child]))
    return made


def _rate(clock: Clock, children: int, events: Sequence[Event]) -> float:
    machine = running_machine(children)
    began_s = clock.monotonic_s()
    now_s = 0.0
    for event in events:
        now_s += STEP_S
        machine.handle(event, now_s)
    took_s = clock.monotonic_s() - began_s
    counts = machine.count_children("root")
    if counts is None or counts.active != children:
        raise InvariantViolated("the tree did not live through the measurement")
    return len(events) / took_s


def _name(number: int) -> str:
    return f"c{number}"
