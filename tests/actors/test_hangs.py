"""Children that hang are found, killed, confirmed dead and replaced; slow ones that get on are left alone."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.ref import Ref
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]

SLEEPER = {"run": "supervised_children:Sleeper", "alive_within_s": 1.0, "progress_within_s": 1.5}


@pytest.fixture
def system(start_system: StartSystem, tree_of: TreeOf) -> System:
    return start_system(tree_of({"id": "a", **SLEEPER}, {"id": "b", **SLEEPER}), hosts=2)


def how_it_ended(tmp_path: Path, child_id: str) -> LoggedEvent | None:
    found = [event for _, event in read_events(tmp_path) if event.event == "child.exited"]
    assert {event.node for event in found} <= {child_id}
    return found[0] if found else None


def replaced(a: Ref, first: ProcessId) -> bool:
    incarnation, pid = a.ask("who")
    assert (incarnation, pid != first.pid) in {(1, False), (2, True)}
    return incarnation == 2 and not first.alive()


def process_of(child: Ref) -> ProcessId:
    found = ProcessId.of(child.ask("who")[1])
    assert found is not None
    return found


def test_a_stopped_process_is_killed_and_replaced(
    system: System, tmp_path: Path, eventually: Eventually
) -> None:
    a = system.ref("a")
    first = process_of(a)
    os.kill(first.pid, signal.SIGSTOP)
    eventually(lambda: replaced(a, first))
    ended = eventually(lambda: how_it_ended(tmp_path, "a"))
    assert ended.reason == "hung"
    assert "no sign of life" in ended.cause
    assert system.ref("b").ask("who")[0] == 1


def test_a_held_interpreter_is_found_and_the_log_says_where_it_was_held(
    system: System, tmp_path: Path, eventually: Eventually
) -> None:
    a = system.ref("a")
    first = process_of(a)
    a.ask_soon("hold_the_interpreter")
    eventually(lambda: not first.alive())
    assert a.ask("who")[0] == 2
    ended = eventually(lambda: how_it_ended(tmp_path, "a"))
    assert ended.reason == "hung"
    assert "hold_the_interpreter" in ended.traceback


@pytest.mark.parametrize(("method", "said"), [("sleep", "sleep has made"), ("deadlock", "deadlock has made")])
def test_work_that_does_not_get_on_is_found_while_the_process_lives(
    method: str, said: str, system: System, tmp_path: Path, eventually: Eventually
) -> None:
    a = system.ref("a")
    first = process_of(a)
    a.ask_soon(method, *([60.0] if method == "sleep" else []), repeatable=False)
    eventually(lambda: not first.alive())
    ended = eventually(lambda: how_it_ended(tmp_path, "a"))
    assert ended.reason == "hung"
    assert said in ended.cause
    assert f"in {method}" in ended.traceback


def test_a_loop_that_stops_turning_is_found(system: System, tmp_path: Path, eventually: Eventually) -> None:
    a = system.ref("a")
    first = process_of(a)
    a.ask("loop_once")
    eventually(lambda: not first.alive())
    assert "the loop has made no progress" in eventually(lambda: how_it_ended(tmp_path, "a")).cause


def test_slow_work_that_gets_on_is_left_alone_and_so_is_who_waits_for_it(system: System) -> None:
    assert system.ref("a").ask("wait_for", "b", 3.0) == (1, 1)
