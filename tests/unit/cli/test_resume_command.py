"""`mia resume` as a person types it: at a terminal it shows and asks, elsewhere it needs to be told."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from mia_actors.cli.state import open_state
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch

ROOT = Path(__file__).parents[3]
QUESTION = b"Release it"


@pytest.fixture
def halted(tmp_path: Path) -> Path:
    state = open_state(tmp_path / "state").path
    with closing(Latch.open(state)) as latch:
        latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=1)
        latch.note_outcome(is_flat=True, outcome="FLAT")
    return state


def is_halted(state: Path) -> bool:
    with closing(Latch.open(state)) as latch:
        return latch.read().state is TradingState.HALTED


PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from mia_actors.cli.main import main
main()
"""
"""As a terminal starts it: tests themselves may run where interrupts are ignored, which is inherited."""


def command(state: Path, *more: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, "resume", "--reason", "checked", "--state", str(state), *more]


@contextmanager
def at_a_terminal(state: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int, bytes]]:
    """The command, its terminal, and what it has shown by the time it asks."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(state), stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = b""
        while QUESTION not in shown:
            shown += os.read(ours, 4096)
        try:
            yield process, ours, shown
        finally:
            process.kill()  # harmless when it has ended
            os.close(ours)


@pytest.mark.parametrize(("word", "code", "stays"), [(b"y\n", 0, False), (b"n\n", 1, True), (b"\n", 1, True)])
def test_a_person_sees_what_was_halted_and_decides(
    halted: Path, word: bytes, code: int, *, stays: bool
) -> None:
    with at_a_terminal(halted) as (process, terminal, shown):
        assert b"halted since" in shown
        assert b"by guardian: day loss; FLAT" in shown
        os.write(terminal, word)
        assert process.wait(30) == code
    assert is_halted(halted) is stays


def test_an_interrupt_at_the_question_changes_nothing(halted: Path) -> None:
    with at_a_terminal(halted) as (process, _, _):
        for _ in range(100):  # the first may come just before it begins to read
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
                break
        assert process.returncode not in {None, 0}
    assert is_halted(halted)


def test_without_a_terminal_it_has_to_be_told_and_then_does_not_ask(halted: Path) -> None:
    unasked = subprocess.run(
        command(halted), cwd=ROOT, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    assert is_halted(halted)
    told = subprocess.run(command(halted, "--yes"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0
    assert not is_halted(halted)
