"""Asking children by name, across their deaths."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import (
    ConfigError,
    OrderRejected,
    PermanentError,
    TargetUnavailable,
    TransientError,
)
from mia_actors.supervision.event_log import read_events
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]
CLOCK = SystemClock()


def test_errors_of_ours_arrive_as_themselves_with_the_traceback(
    start_system: StartSystem, tree_of: TreeOf
) -> None:
    a = start_system(tree_of("a", "b"), session={"id": 7}).ref("a")
    assert a.ask("echo", {"x": (1, 2)}) == {"x": (1, 2)}
    assert a.ask("session") == {"id": 7}
    with pytest.raises(OrderRejected, match="too large") as caught:
        a.ask("reject")
    assert type(caught.value) is OrderRejected
    assert "supervised_children.py" in caught.value.__notes__[0]
    with pytest.raises(TransientError, match="UnpicklableError: seven") as plain:
        a.ask("raise_unpicklable")
    assert type(plain.value) is TransientError
    with pytest.raises(ray.exceptions.RayTaskError, match="division by zero"):
        a.ask("divide_by_zero")
    for method in ("_note", "start", "stop", "nothing_like_it"):
        with pytest.raises(PermanentError, match="can be asked"):
            a.ask(method)
    assert a.ask("ask_other", "b", 5) == 5
    assert a.ask("who")[0] == 1


def test_who_is_not_in_the_tree_cannot_be_asked(start_system: StartSystem, tree_of: TreeOf) -> None:
    system = start_system(tree_of("a"))
    for name in ("nobody", "root"):
        with pytest.raises(ConfigError, match="has no child"):
            system.ref(name).ask("echo", 1)


def test_an_ask_survives_the_death_of_its_target(start_system: StartSystem, tree_of: TreeOf) -> None:
    a = start_system(tree_of("a")).ref("a")
    incarnation, pid = a.ask("who")
    answer = a.ask_soon("nap", 0.3)
    os.kill(pid, signal.SIGKILL)
    assert answer.result() == incarnation + 1
    assert a.ask("who")[0] == incarnation + 1


def test_what_must_not_be_repeated_is_made_at_most_once(start_system: StartSystem, tree_of: TreeOf) -> None:
    a = start_system(tree_of("a")).ref("a")
    _, pid = a.ask("who")
    answer = a.ask_soon("nap", 30.0, repeatable=False)
    killer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(TargetUnavailable, match="not known whether it was carried out"):
        answer.result()
    killer.join()
    assert a.ask("nap", 0.0, repeatable=False) == 2


def test_a_call_not_to_be_repeated_does_not_stumble_over_a_death_long_past(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a"))
    a = system.ref("a")
    os.kill(a.ask("who")[1], signal.SIGKILL)
    eventually(
        lambda: system.tree().children[0].incarnation == 2 and system.tree().root.children[0].state == "up"
    )
    assert a.ask("nap", 0.0, repeatable=False) == 2


def test_no_answer_in_time_is_said_so(start_system: StartSystem, tree_of: TreeOf) -> None:
    a = start_system(tree_of("a")).ref("a")
    begun_s = CLOCK.monotonic_s()
    with pytest.raises(TargetUnavailable, match=r"a\.nap gave no answer within 0\.3 s"):
        a.ask("nap", 5.0, timeout_s=0.3)
    assert CLOCK.monotonic_s() - begun_s < 3


def test_answers_asked_for_soon_are_worked_on_side_by_side(
    start_system: StartSystem, tree_of: TreeOf
) -> None:
    system = start_system(tree_of("a", "b"))
    system.ref("a").ask("who")
    begun_s = CLOCK.monotonic_s()
    answers = [system.ref(name).ask_soon("nap", 0.5) for name in ("a", "b")]
    assert [answer.result() for answer in answers] == [1, 1]
    assert CLOCK.monotonic_s() - begun_s < 0.95


def test_a_child_serves_as_many_calls_at_a_time_as_it_says(
    start_system: StartSystem, tree_of: TreeOf
) -> None:
    crowd = start_system(tree_of({"id": "crowd", "run": "supervised_children:Crowd"})).ref("crowd")
    seen = [answer.result() for answer in [crowd.ask_soon("together") for _ in range(4)]]
    assert max(seen) == 2


def test_a_violated_invariant_ends_the_process_and_leaves_its_last_words(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    a = start_system(tree_of("a")).ref("a")
    assert a.ask("violate_once") == 2
    exited = eventually(
        lambda: [event for _, event in read_events(tmp_path) if event.event == "child.exited"]
    )
    assert exited[0].cause == "mia_actors.core.errors.InvariantViolated: only once"
    assert "supervised_children.py" in exited[0].traceback
    assert exited[0].reason == "crash"


def test_a_thread_that_dies_takes_its_process_along(start_system: StartSystem, tree_of: TreeOf) -> None:
    a = start_system(tree_of("a")).ref("a")
    with pytest.raises(TargetUnavailable):
        a.ask("crash_from_thread", repeatable=False)
    assert a.ask("who")[0] == 2


def test_a_traced_call_is_a_span_of_the_callers_trace(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path
) -> None:
    import sqlite3

    system = start_system(tree_of("a"))
    context = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        system.ref("a").ask("echo", 1)
    system.ref("a").ask("echo", 2)
    system.stop()
    connection = sqlite3.connect(tmp_path / "traces.db")
    rows = connection.execute(
        "SELECT trace_id, parent_id, name, kind, service, attributes FROM spans"
    ).fetchall()
    connection.close()
    assert [row[:5] for row in rows] == [(f"{0xABC:032x}", f"{0xDEF:016x}", "serve echo", "CONSUMER", "a")]
    assert "mia.queue_ms" in rows[0][5]
