"""Who waits for a process learns of its end."""

import subprocess
import sys
import threading

from mia_actors.supervision.lifetimes import Lifetimes
from mia_actors.supervision.processes import ProcessId

TOLD_WITHIN_S = 10.0


def living() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def identity(process: subprocess.Popen[bytes]) -> ProcessId:
    found = ProcessId.of(process.pid)
    assert found is not None
    return found


def test_everybody_who_waits_is_told_and_whoever_comes_later_at_once() -> None:
    lifetimes, process = Lifetimes(), living()
    lifetime = lifetimes.of(identity(process))
    first, second, third = threading.Event(), threading.Event(), threading.Event()
    with lifetime.sets(first), lifetime.sets(second):
        assert not lifetime.ended
        process.kill()
        assert first.wait(TOLD_WITHIN_S)
        assert second.wait(TOLD_WITHIN_S)
    process.wait()
    with lifetime.sets(third):
        assert third.is_set()
    assert lifetime.ended


def test_who_no_longer_waits_is_not_told() -> None:
    lifetimes, process = Lifetimes(), living()
    lifetime = lifetimes.of(identity(process))
    gone, waiting = threading.Event(), threading.Event()
    with lifetime.sets(gone):
        pass
    with lifetime.sets(waiting):
        process.kill()
        assert waiting.wait(TOLD_WITHIN_S)
    process.wait()
    assert not gone.is_set()


def test_one_that_was_dead_already_has_ended() -> None:
    lifetimes, process = Lifetimes(), living()
    dead = identity(process)
    process.kill()
    process.wait()
    assert lifetimes.of(dead).ended


def test_a_process_is_watched_once_however_many_ask() -> None:
    lifetimes, process = Lifetimes(), living()
    try:
        assert lifetimes.of(identity(process)) is lifetimes.of(identity(process))
    finally:
        process.kill()
        process.wait()
