"""The guardian's store as the notifier reads it: each halt, resume and change of the level once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.guardian.core import Level, TradingState
from mia_actors.guardian.latch import GUARDIAN_FILE, Latch
from mia_actors.notify.guardian_log import Told, told_from, untold
from mia_actors.notify.notices import Urgency


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        yield opened


class Reader:
    """A notifier that delivers everything and is another process each time."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._kept = Told().text
        self.ids: list[str] = []

    def look(self) -> list[tuple[str, Urgency]]:
        """Title and urgency of what is told now."""
        due = untold(self._state_dir, told_from(self._kept))
        for told, then in due:
            self._kept = then.text
            self.ids.append(told.notice_id)
        return [(told.title.removeprefix("guardian: "), told.urgency) for told, _ in due]


def halt(latch: Latch, state: TradingState = TradingState.HALTED) -> None:
    latch.lower(state, reason="day loss", who="guardian", at_ns=1)


def resume(latch: Latch) -> None:
    latch.note_outcome(is_flat=True, outcome="FLAT")
    assert latch.release(latch.read(), reason="checked", who="ada", at_ns=2)


def test_every_lowering_and_every_resume_is_told_once_even_when_several_came_between_two_looks(
    tmp_path: Path, latch: Latch
) -> None:
    reader = Reader(tmp_path)
    assert reader.look() == []
    halt(latch, TradingState.REDUCE_ONLY)
    halt(latch)
    halt(latch)
    resume(latch)
    lowered = [("reduce_only", Urgency.CRITICAL), ("halted", Urgency.CRITICAL)]
    assert reader.look() == [*lowered, ("resume", Urgency.WARNING)]
    assert reader.look() == []
    halt(latch)
    assert reader.look() == [("halted", Urgency.CRITICAL)]
    assert len(set(reader.ids)) == 4


def test_a_notice_of_a_halt_says_why_and_who(tmp_path: Path, latch: Latch) -> None:
    halt(latch)
    ((told, _),) = untold(tmp_path, Told())
    assert dict(told.fields) == {"reason": "day loss", "who": "guardian", "time": "1970-01-01T00:00:00Z"}


def test_a_change_of_the_level_is_told_once_up_and_down(tmp_path: Path, latch: Latch) -> None:
    reader = Reader(tmp_path)
    told = []
    for level in (Level.INFO, Level.WARNING, Level.WARNING, Level.CRITICAL, Level.INFO, Level.WARNING):
        latch.note_fact("level", level.name)
        told += reader.look()
    assert told == [
        ("level WARNING", Urgency.WARNING),
        ("level CRITICAL", Urgency.CRITICAL),
        ("level INFO", Urgency.INFO),
        ("level WARNING", Urgency.WARNING),
    ]
    assert len(set(reader.ids)) == 4


def test_reading_changes_nothing_and_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert untold(tmp_path, Told()) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_store_is_an_error_and_not_silence(tmp_path: Path) -> None:
    Latch.open(tmp_path).close()
    (tmp_path / GUARDIAN_FILE).write_bytes(b"\xa5" * 8192)
    with pytest.raises((ConfigError, sqlite3.Error)):
        untold(tmp_path, Told())


@pytest.mark.parametrize("text", ["", "7", "x 0 INFO", "1 2"])
def test_a_damaged_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever part it is
        told_from(text)
