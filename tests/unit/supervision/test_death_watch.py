"""Real processes, real deaths."""

import queue
import subprocess
import sys

from mia_actors.supervision.death_watch import DeathWatch
from mia_actors.supervision.processes import ProcessId

WITHIN_S = 10.0


def sleeper() -> "tuple[subprocess.Popen[bytes], ProcessId]":
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    identity = ProcessId.of(process.pid)
    assert identity is not None
    return process, identity


def test_each_death_is_told_once_and_the_living_are_not_told() -> None:
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    watch = DeathWatch(told.put)
    (first, first_id), (second, second_id) = sleeper(), sleeper()
    try:
        watch.add("first", first_id)
        watch.add("second", second_id)
        first.kill()
        assert told.get(timeout=WITHIN_S) == "first"
        second.kill()
        assert told.get(timeout=WITHIN_S) == "second"
        assert told.empty()
    finally:
        for process in (first, second):
            process.kill()
            process.wait()


def test_one_that_is_gone_already_is_told_at_once_even_if_its_pid_lives_again() -> None:
    told: list[str] = []
    watch = DeathWatch(told.append)
    process, identity = sleeper()
    try:
        watch.add("reused", ProcessId(pid=identity.pid, start_time=identity.start_time - 1))
        assert told == ["reused"]
    finally:
        process.kill()
        process.wait()
    watch.add("gone", identity)
    assert told == ["reused", "gone"]
