"""The latch against real files: never raised by itself, whole or absent after any death, damaged means halted."""

import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import GUARDIAN_FILE, Latch, Latched
from tests.unit.guardian import dying_writer

ROOT = Path(__file__).parents[3]
ACTIVE, REDUCE_ONLY, HALTED = TradingState.ACTIVE, TradingState.REDUCE_ONLY, TradingState.HALTED
SYNCHRONOUS_FULL = 2
"""SQLite's number for a commit that waits for the disk."""


def lower(latch: Latch, state: TradingState = HALTED, reason: str = "day loss") -> bool:
    return latch.lower(state, reason=reason, who="guardian", at_ns=1)


def found_in(directory: Path) -> tuple[str, int, int]:
    """State, epoch and entries of the history, as the next process finds them."""
    with closing(Latch.open(directory)) as latch:
        (entries,) = latch._connection.execute("SELECT count(*) FROM history").fetchone()
        return latch.read().state.value, latch.epoch(), entries


OLD = ("active", 0, 0)
NEW = ("halted", 1, 1)


@pytest.mark.parametrize(("held", "asked"), list(itertools.product(TradingState, TradingState)))
def test_lowering_never_raises_the_state_in_this_life_or_the_next(
    tmp_path: Path, held: TradingState, asked: TradingState
) -> None:
    order = [ACTIVE, REDUCE_ONLY, HALTED]
    lowest = max(held, asked, key=order.index)
    with closing(Latch.open(tmp_path)) as latch:
        lower(latch, held, "first")
        changed = lower(latch, asked, "second")
        assert changed == (order.index(asked) > order.index(held))
        assert latch.read().state is lowest
    with closing(Latch.open(tmp_path)) as restarted:
        restarted.next_epoch()
        assert restarted.read().state is lowest
        if held is not ACTIVE and not changed:
            assert restarted.read().reason == "first"


def test_a_halt_says_why_who_and_when_to_every_process_as_soon_as_it_is_announced(tmp_path: Path) -> None:
    with closing(Latch.open(tmp_path)) as latch, closing(Latch.open(tmp_path)) as elsewhere:
        assert latch.lower(HALTED, reason="day loss", who="guardian", at_ns=7)
        assert elsewhere.read() == Latched(
            state=HALTED, reason="day loss", who="guardian", at_ns=7, is_flat=False, outcome="acting"
        )


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    with closing(Latch.open(tmp_path)) as latch:
        assert latch._connection.execute("PRAGMA synchronous").fetchone() == (SYNCHRONOUS_FULL,)


@pytest.mark.parametrize(("store", "stride"), [("existing", 1), ("new", 9)])
def test_a_kill_at_any_instruction_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, store: str, stride: int
) -> None:
    """Each life of the writer is a process that dies by SIGKILL a little later than the one before."""
    if store == "existing":
        Latch.open(tmp_path).close()
    subprocess.run(
        [sys.executable, dying_writer.__file__, str(tmp_path), str(stride)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=120,
    )
    lives = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    after = [found_in(life) for life in lives]
    assert len(lives) > 20
    assert after[0] == OLD
    assert set(after) == {OLD, NEW}
    assert after == sorted(after), "once a life got as far as the new state, no longer one falls back"
    assert after[-1] == NEW
    assert (lives[-1] / dying_writer.ANNOUNCED).exists()


def test_a_log_torn_at_any_place_holds_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    """A power cut: the journal's tail never reached the disk, or reached it as zeros."""
    source, wal = tmp_path / "source", GUARDIAN_FILE + "-wal"
    source.mkdir()
    with closing(Latch.open(source)) as latch:
        before = (source / wal).stat().st_size
        lower(latch)
        whole = (source / wal).read_bytes()
        assert len(whole) > before + 4096
        for number, cut in enumerate((*range(before, len(whole), 509), len(whole) - 1, len(whole))):
            for tail in (b"", bytes(len(whole) - cut)):
                torn = tmp_path / f"{number}-{len(tail)}"
                torn.mkdir(exist_ok=True)
                shutil.copy(source / GUARDIAN_FILE, torn)
                (torn / wal).write_bytes(whole[:cut] + tail)
                assert found_in(torn) == (NEW if cut == len(whole) else OLD)


def test_a_restart_keeps_the_halt_and_takes_a_higher_epoch(tmp_path: Path) -> None:
    epochs = []
    for _ in range(3):
        with closing(Latch.open(tmp_path)) as latch:
            epochs.append(latch.next_epoch())
            lower(latch)
            assert latch.read().state is HALTED
            epochs.append(latch.epoch())
    assert epochs == [1, 2, 3, 3, 4, 4]  # an incarnation takes one, the halt itself takes one


def halted_and_closed(directory: Path) -> Path:
    with closing(Latch.open(directory)) as latch:
        lower(latch)
    return directory / GUARDIAN_FILE


@pytest.mark.parametrize("length", [None, 0, 1, 99, 100, 1024, 4096, 4097, 8192, 12288])
def test_a_halted_store_cut_short_is_refused_or_still_halted_but_never_active(
    tmp_path: Path, length: int | None
) -> None:
    """None: the file is gone."""
    path = halted_and_closed(tmp_path)
    content = path.read_bytes()
    path.unlink()
    if length is not None:
        assert length < len(content)
        path.write_bytes(content[:length])
    try:
        with closing(Latch.open(tmp_path)) as latch:
            state = latch.read().state
    except ConfigError as error:
        assert GUARDIAN_FILE in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert state is HALTED


@pytest.mark.parametrize(
    "spoiled", ["garbage", "row removed", "unknown state", "page overwritten", "version"]
)
def test_a_damaged_store_is_refused_by_name(tmp_path: Path, spoiled: str) -> None:
    path = halted_and_closed(tmp_path)
    with closing(sqlite3.connect(path)) as connection, connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'latch'").fetchone()
        if spoiled == "row removed":
            connection.execute("DELETE FROM latch")
        elif spoiled == "unknown state":
            connection.execute("UPDATE latch SET state = 'actve'")
        elif spoiled == "version":
            connection.execute("PRAGMA user_version = 99")
    content = bytearray(path.read_bytes())
    if spoiled == "garbage":
        content = bytearray(b"\xa5" * len(content))
    elif spoiled == "page overwritten":
        content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=GUARDIAN_FILE), closing(Latch.open(tmp_path)) as latch:
        latch.read()


def test_a_state_directory_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(ConfigError, match=GUARDIAN_FILE):
        Latch.open(tmp_path / "state")


@pytest.mark.parametrize("obstacle", ["PRAGMA query_only = ON", "PRAGMA max_page_count = 1"])
def test_a_halt_that_cannot_be_written_raises_and_changes_nothing(tmp_path: Path, obstacle: str) -> None:
    """A file that became read-only, and a disk that is full in the middle of the transaction."""
    with closing(Latch.open(tmp_path)) as latch:
        latch._connection.execute(obstacle)
        with pytest.raises(PermanentError, match=GUARDIAN_FILE):
            lower(latch, reason="x" * 100_000)
    assert found_in(tmp_path) == OLD


class OvertakenLatch(Latch):
    """Another process halts just after this one has read the state."""

    overtaken_by: Latch | None = None

    def read(self) -> Latched:
        seen = super().read()
        other, self.overtaken_by = self.overtaken_by, None
        if other is not None:
            lower(other, HALTED, "a person")
        return seen


def test_lowering_to_reduce_only_does_not_lift_a_halt_of_another_process(tmp_path: Path) -> None:
    with closing(Latch.open(tmp_path)) as other, closing(OvertakenLatch.open(tmp_path)) as latch:
        assert isinstance(latch, OvertakenLatch)
        latch.overtaken_by = other
        lower(latch, REDUCE_ONLY, "position")
        assert other.read().state is HALTED
        assert other.read().reason == "a person"


def test_requests_of_people_outlive_processes_and_are_taken_once(tmp_path: Path) -> None:
    with closing(Latch.open(tmp_path)) as console:
        first = console.ask("flatten", reason="lunch", who="ada", at_ns=1)
        second = console.ask("halt", reason="fire", who="bob", at_ns=2)
    with closing(Latch.open(tmp_path)) as guardian:
        seen = [(found.request_id, found.kind, found.reason, found.who) for found in guardian.open_requests()]
        assert seen == [(first, "flatten", "lunch", "ada"), (second, "halt", "fire", "bob")]
        guardian.handled(first)
    with closing(Latch.open(tmp_path)) as restarted:
        assert [found.request_id for found in restarted.open_requests()] == [second]


def test_the_starting_equity_of_a_session_is_kept_as_it_was_told_first(tmp_path: Path) -> None:
    """A guardian that restarts in the middle of a loss must not take the smaller equity for the start."""
    for told in ("10000.00", "9800.00"):
        with closing(Latch.open(tmp_path)) as latch:
            latch.note_fact("equity.s1", told, once=True)
            latch.note_fact("level", told)
            assert (latch.fact("equity.s1"), latch.fact("level")) == ("10000.00", told)
