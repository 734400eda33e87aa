"""Whether a limit is broken still, by the store alone, and what the store tells of the past."""

from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.units import ES
from mia_actors.guardian import console
from mia_actors.guardian.account_book import AccountBook
from mia_actors.guardian.actor import equity_fact
from mia_actors.guardian.causes import standing_causes
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import Memory, memory_fact
from mia_actors.guardian.records import account_memories, history
from tests.unit.guardian.account import NOON_NS, round_trips

DAY = date(2013, 10, 8)
HOUR_NS = 3600 * NS_PER_S
LIMITS = GuardianSettings(daily_loss_limit_usd=Decimal(200))


def memory(*ticks: int) -> Memory:
    book = AccountBook(ES, Memory())
    book.add(round_trips(ticks))
    return book.fold_before(DAY)


@pytest.mark.parametrize(
    ("ticks", "hours", "broken"),
    [((-16,), 1, True), ((-15,), 1, False), ((16,), 1, False), ((-16,), 4.9, True), ((-16,), 5, False)],
    ids=["at the limit", "below it", "a profit", "just before the day ends", "on the next day"],
)
def test_a_days_loss_is_broken_until_its_trade_date_ends(
    ticks: tuple[int, ...], hours: float, *, broken: bool
) -> None:
    """16 ticks of one contract are 200 USD; the trade date ends five hours after noon."""
    found = standing_causes(memory(*ticks), LIMITS, ES, now_ns=NOON_NS + round(hours * HOUR_NS))
    assert bool(found) is broken
    if broken:
        assert found == (
            "day P&L -200.00 USD, limit -200.00 USD; the trade date ends at 2013-10-08T22:00:00Z",
        )


def test_a_run_of_losses_that_halts_is_broken_and_one_that_pauses_is_not() -> None:
    losses = memory(-1, -1, -1)
    now_ns = NOON_NS + HOUR_NS
    pausing = LIMITS.model_copy(update={"consecutive_losses_max": 3})
    halting = LIMITS.model_copy(update={"consecutive_losses_max": 2, "consecutive_losses_catastrophe": 3})
    assert standing_causes(losses, pausing, ES, now_ns=now_ns) == ()
    assert "3 losses in a row" in standing_causes(losses, halting, ES, now_ns=now_ns)[0]


def test_only_accounts_have_a_memory_that_outlives_their_market(tmp_path: Path) -> None:
    assert account_memories(tmp_path) == ()
    with closing(Latch.open(tmp_path)) as latch:
        latch.note_fact(equity_fact("s1"), "50000")
        latch.note_fact(memory_fact("s1"), memory(-16).text)
        latch.note_fact(memory_fact("DU1"), memory(-15).text)
    assert account_memories(tmp_path) == (("DU1", memory(-15)),)


def halted(directory: Path) -> None:
    with closing(Latch.open(directory)) as latch:
        latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=NOON_NS)
        latch.note_outcome(is_flat=True, outcome="FLAT")


def test_the_history_has_the_newest_entries_oldest_first(tmp_path: Path) -> None:
    assert history(tmp_path, newest=2) == ()
    for _ in range(2):
        halted(tmp_path)
        clock = VirtualClock(NOON_NS)
        seen = console.resumable(tmp_path, reason="checked", clock=clock)
        console.resume(tmp_path, of=seen, reason="checked", who="ada", clock=clock)
    found = [(entry.what, entry.who, entry.reason) for entry in history(tmp_path, newest=3)]
    assert found == [
        ("resume", "ada", "checked"),
        ("halted", "guardian", "day loss"),
        ("resume", "ada", "checked"),
    ]
