"""The cost of an event does not grow with the number of children; the measurement measures what it says."""

import gc
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.events import Event
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.machine_bench import calls, crashes, measure_machine, running_machine


def steps_of(work: Callable[[], object]) -> int:
    """Bytecode instructions the interpreter takes: a measure that no load disturbs."""
    steps = 0

    def trace(frame: FrameType, kind: str, _: Any) -> Callable[..., Any]:
        nonlocal steps
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        steps += kind == "opcode"
        return trace

    before = sys.gettrace()
    gc.disable()  # others are told of collections, and would be counted
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return steps


@pytest.mark.parametrize("made", [crashes, calls])
def test_an_event_costs_the_same_however_many_children_there_are(
    made: Callable[[int, int], list[Event]],
) -> None:
    def work(machine: TreeMachine, events: list[Event]) -> None:
        for number, event in enumerate(events):
            machine.handle(event, float(number))

    few, many = (steps_of(partial(work, running_machine(number), made(number, 40))) for number in (10, 2000))
    assert few > 0
    assert many == few


def test_the_measure_sees_a_scan() -> None:
    few, many = (steps_of(partial(running_machine(number).count_children, "root")) for number in (10, 2000))
    assert many > 100 * few


def test_the_measurement_counts_the_events_it_says() -> None:
    (found,) = measure_machine(SystemClock(), children=[10], events=400, rounds=1)
    assert (found.children, found.events) == (10, 400)
    assert len(crashes(10, 400)) == len(calls(10, 400)) == 400
    assert found.restarts_per_s > 0
    assert found.calls_per_s > 0
