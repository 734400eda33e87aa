"""A halt that does not become flat is told until somebody acknowledges it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.core.clock import VirtualClock
from mia_actors.core.errors import PermanentError
from mia_actors.guardian import console
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.notify.alarm import Alarm
from mia_actors.notify.guardian_log import unflat
from mia_actors.notify.notices import Urgency

AFTER_S, EVERY_S = 10.0, 60.0
OUTCOME = "NOT FLAT: position +1, 0 working orders; offset refused 7 times (exchange closed), to be sent anew"


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        yield opened


class Ringer:
    """Looks every second and keeps when it was told what."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._alarm = Alarm(after_s=AFTER_S, every_s=EVERY_S)
        self._now_s = 0.0
        self.ids: list[str] = []

    def look(self, for_s: int) -> list[tuple[float, Urgency]]:
        told = []
        for _ in range(for_s):
            due = self._alarm.look(unflat(self._state_dir), self._now_s)
            if due is not None:
                self.ids.append(due.notice_id)
                told.append((self._now_s, due.urgency))
            self._now_s += 1
        return told


def halt(latch: Latch, state: TradingState = TradingState.HALTED) -> None:
    latch.lower(state, reason="day loss", who="guardian", at_ns=1)
    latch.note_outcome(is_flat=False, outcome=OUTCOME)


def test_it_rings_again_and_again_until_acknowledged_and_never_for_a_quick_halt(
    tmp_path: Path, latch: Latch
) -> None:
    ringer = Ringer(tmp_path)
    assert ringer.look(100) == []
    halt(latch)
    assert ringer.look(140) == [
        (110.0, Urgency.CRITICAL),
        (170.0, Urgency.CRITICAL),
        (230.0, Urgency.CRITICAL),
    ]
    console.acknowledge(tmp_path, who="ada", clock=VirtualClock())
    assert ringer.look(600) == []
    assert not latch.read().is_flat  # acknowledged, not released
    latch.note_outcome(is_flat=True, outcome="FLAT")
    assert [urgency for _, urgency in ringer.look(10)] == [Urgency.WARNING]
    assert len(set(ringer.ids)) == 4


def test_an_account_flat_in_time_is_not_told_at_all(tmp_path: Path, latch: Latch) -> None:
    ringer = Ringer(tmp_path)
    halt(latch)
    assert ringer.look(9) == []
    latch.note_outcome(is_flat=True, outcome="FLAT")
    assert ringer.look(600) == []


def test_the_next_halt_rings_although_the_one_before_was_acknowledged(tmp_path: Path, latch: Latch) -> None:
    ringer = Ringer(tmp_path)
    halt(latch, TradingState.REDUCE_ONLY)
    console.acknowledge(tmp_path, who="ada", clock=VirtualClock())
    assert ringer.look(100) == []
    halt(latch)
    assert [urgency for _, urgency in ringer.look(11)] == [Urgency.CRITICAL]


def test_the_notice_says_how_the_account_stands(tmp_path: Path, latch: Latch) -> None:
    halt(latch)
    alarm = Alarm(after_s=0, every_s=EVERY_S)
    due = alarm.look(unflat(tmp_path), 0.0)
    assert due is not None
    assert dict(due.fields)["outcome"] == OUTCOME


def test_there_is_nothing_to_acknowledge_while_nothing_is_halted(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nothing is halted"):
        console.acknowledge(tmp_path, who="ada", clock=VirtualClock())
