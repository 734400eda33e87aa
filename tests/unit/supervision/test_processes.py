"""Processes are told apart by pid and start time, and their end is certain."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.processes import ProcessId, boot_id, descendants, kill_all, marked, own_process

CLOCK = SystemClock()
SLEEP = "import time; print('awake', flush=True); time.sleep(600)"


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[str]"]:
    program = subprocess.Popen(
        [sys.executable, "-c", SLEEP], stdout=subprocess.PIPE, text=True, env={**os.environ, "MARKED": "x1"}
    )
    assert program.stdout is not None
    program.stdout.readline()
    yield program
    program.kill()
    program.communicate()


def identity(program: "subprocess.Popen[str]") -> ProcessId:
    found = ProcessId.of(program.pid)
    assert found is not None
    return found


def test_a_process_is_killed_and_its_end_confirmed(sleeper: "subprocess.Popen[str]") -> None:
    process = identity(sleeper)
    assert process.alive()
    assert process.kill(10)
    assert not process.alive(), "a zombie is dead"
    assert ProcessId.of(sleeper.pid) is None
    assert not process.send(signal.SIGKILL)
    assert process.wait_gone(0)


def test_another_process_of_the_same_pid_is_left_alone(sleeper: "subprocess.Popen[str]") -> None:
    former = replace(identity(sleeper), start_time=1)
    assert not former.alive()
    assert former.kill(0), "the one meant is gone"
    assert former.wait_gone(0)
    assert sleeper.poll() is None


def test_the_end_of_a_living_process_is_waited_for_no_longer_than_said(
    sleeper: "subprocess.Popen[str]",
) -> None:
    begun_s = CLOCK.monotonic_s()
    assert not identity(sleeper).wait_gone(0.05)
    assert CLOCK.monotonic_s() - begun_s < 5


def test_a_process_that_never_was_is_gone() -> None:
    nobody = ProcessId(pid=2**22 - 1, start_time=1)
    assert not nobody.alive()
    assert not nobody.send(signal.SIGTERM)
    assert nobody.wait_gone(0)
    assert descendants(nobody) == ()


def test_children_are_found_and_ended_together(sleeper: "subprocess.Popen[str]") -> None:
    assert identity(sleeper) in descendants(own_process())
    assert marked("MARKED", "x1") == (identity(sleeper),)
    assert marked("MARKED", "x2") == ()
    assert kill_all([identity(sleeper)], timeout_s=10, clock=CLOCK) == ()
    assert sleeper.wait(10) == -signal.SIGKILL


def test_the_boot_is_the_same_all_the_time() -> None:
    assert boot_id() == boot_id()
    assert boot_id()
