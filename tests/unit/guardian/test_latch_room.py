"""The latch's log has a length that it keeps, whatever is written: no commit of a halt has to lengthen a file."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import GUARDIAN_FILE, LOG_PAGES_MAX, ROOM_BYTES, Latch

COMMITS = 3 * LOG_PAGES_MAX
"""Several times around."""


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    opened = Latch.open(tmp_path)
    opened.make_room()
    yield opened
    opened.close()


def log_bytes(directory: Path) -> int:
    return (directory / f"{GUARDIAN_FILE}-wal").stat().st_size


def halt_and_release(latch: Latch) -> None:
    latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=0)
    latch.release(latch.read(), reason="go on", who="test", at_ns=0)


def test_the_log_neither_grows_nor_shrinks(latch: Latch, tmp_path: Path) -> None:
    halt_and_release(latch)
    before = log_bytes(tmp_path)
    assert before >= ROOM_BYTES
    for _ in range(COMMITS // 2):
        halt_and_release(latch)
    assert log_bytes(tmp_path) == before


def test_a_guardian_that_follows_a_killed_one_finds_the_room_made(latch: Latch, tmp_path: Path) -> None:
    """It writes nothing but its epoch: its start must not take longer."""
    halt_and_release(latch)
    written = (tmp_path / f"{GUARDIAN_FILE}-wal").read_bytes()
    with closing(Latch.open(tmp_path)) as successor:
        successor.make_room()
        assert (tmp_path / f"{GUARDIAN_FILE}-wal").read_bytes() == written


def test_what_was_latched_in_the_room_is_there_in_the_next_life(latch: Latch, tmp_path: Path) -> None:
    for _ in range(COMMITS // 2):
        halt_and_release(latch)
    latch.lower(TradingState.HALTED, reason="the last one", who="guardian", at_ns=0)
    for name in (GUARDIAN_FILE, f"{GUARDIAN_FILE}-wal"):  # as the disk has it while the writer is killed
        (tmp_path / "copy").mkdir(exist_ok=True)
        (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
    with closing(Latch.open(tmp_path / "copy")) as copied:
        found = copied.read()
        assert (found.state, found.reason) == (TradingState.HALTED, "the last one")
        assert copied.epoch() == COMMITS // 2 + 1
