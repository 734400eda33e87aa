"""Losses of the week, falls from a peak, the balance: at, just below and just above every threshold."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.orders import Fill, Side
from mia_actors.guardian.core import Demand, GuardianCore
from tests.unit.guardian.account import ENTRY, fill, round_trips
from tests.unit.guardian.judging import (
    HALT,
    NO_ENTRIES,
    NOTHING,
    TOLD,
    Words,
    core_with,
    judged,
    thresholds,
    words,
)

DAY_S = 86_400.0


def scratch(cost_usd: str, at_s: float = 1, first: int = 500) -> list[Fill]:
    """A trade that loses its commission alone."""
    opened = fill(first, Side.BUY, ENTRY, at_s=at_s)
    return [opened, fill(first + 1, Side.SELL, ENTRY, at_s=at_s + 1, commission_usd=Decimal(cost_usd))]


@pytest.mark.parametrize(
    ("lost_today", "expected"),
    [
        ("99.99", NOTHING),
        ("100", (TOLD,)),
        ("199.99", (TOLD,)),
        ("200", (NO_ENTRIES,)),
        ("299.99", (NO_ENTRIES,)),
        ("300", (HALT,)),
    ],
)
def test_the_weeks_loss_counts_the_days_before(lost_today: str, expected: tuple[Words, ...]) -> None:
    """400 USD were lost on Monday, before the Tuesday that is judged; those of last Friday do not count."""
    core = core_with(weekly_loss_usd=thresholds("500", "600", "700"))
    core.add_fills(scratch("400", at_s=-DAY_S, first=300))
    core.add_fills(scratch("499", at_s=-4 * DAY_S, first=100))
    core.add_fills(scratch(lost_today))
    assert words(judged(core, 5), "weekly_loss") == expected


def test_a_new_trade_week_begins_at_zero() -> None:
    core = core_with(weekly_loss_usd=thresholds(None, None, "500"))
    core.add_fills(scratch("600", at_s=-DAY_S))
    assert words(judged(core, 5), "weekly_loss") == (HALT,)
    assert words(judged(core, 6 * DAY_S), "weekly_loss") == NOTHING


@pytest.mark.parametrize(
    ("which", "unit", "limits"),
    [
        ("session_drawdown", "usd", thresholds("100", "200", "300")),
        ("peak_drawdown", "usd", thresholds("100", "200", "300")),
        ("session_drawdown", "percent", thresholds("1", "2", "3")),
        ("peak_drawdown", "percent", thresholds("1", "2", "3")),
    ],
)
@pytest.mark.parametrize(
    ("fallen", "expected"),
    [
        ("99.99", NOTHING),
        ("100", (TOLD,)),
        ("199.99", (TOLD,)),
        ("200", (NO_ENTRIES,)),
        ("299.99", (NO_ENTRIES,)),
        ("300", (HALT,)),
    ],
)
def test_a_fall_from_the_highest_realised_profit(
    which: str, unit: str, limits: dict[str, str], fallen: str, expected: tuple[Words, ...]
) -> None:
    """Equity is 9 500 USD, a profit of 500 USD comes first: 100 USD are one percent of the peak."""
    given: dict[str, Any] = {f"{which}_{unit}": limits}
    core = core_with(equity_usd=Decimal(9500), **given)
    core.add_fills(round_trips([40]))
    core.add_fills(scratch(fallen, at_s=10))
    name = which if unit == "usd" else f"{which}_percent"
    assert words(judged(core, 15), name) == expected


def test_the_sessions_peak_is_that_of_the_trade_date_and_the_other_one_stays() -> None:
    limit = thresholds(None, None, "450")
    core = core_with(session_drawdown_usd=limit, peak_drawdown_usd=limit)
    core.add_fills(round_trips([40]))
    core.add_fills(scratch("400", at_s=10))
    core.add_fills(scratch("100", at_s=DAY_S, first=700))
    assessment = judged(core, DAY_S + 10)
    assert words(assessment, "session_drawdown") == NOTHING
    assert words(assessment, "peak_drawdown") == (HALT,)


def test_a_paper_profit_that_melts_is_no_drawdown_and_a_paper_loss_is_one() -> None:
    core = core_with(session_drawdown_usd=thresholds(None, None, "100"))
    core.add_fills([fill(1, Side.BUY, ENTRY)])
    assert words(judged(core, 5, ENTRY + 1000), "session_drawdown") == NOTHING
    assert words(judged(core, 10, ENTRY - 7), "session_drawdown") == NOTHING
    assert words(judged(core, 15, ENTRY - 8), "session_drawdown") == (HALT,)


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ("3000.01", NOTHING),
        ("3000", (TOLD,)),
        ("2000", (NO_ENTRIES,)),
        ("1000", (NO_ENTRIES,)),
        ("999.99", (HALT,)),
    ],
)
def test_the_balance_warns_ends_entries_and_halts(equity: str, expected: tuple[Words, ...]) -> None:
    core = core_with(
        equity_usd=Decimal(equity),
        account_balance_warning_usd=3000,
        account_balance_critical_usd=2000,
        account_balance_min_usd=1000,
    )
    assert words(judged(core, 5), "account_balance") == expected


EVERY_LIMIT: dict[str, Any] = {
    "weekly_loss_usd": thresholds("500", "600", "700"),
    "session_drawdown_usd": thresholds("50", "100", "200"),
    "session_drawdown_percent": thresholds("1", "2", "3"),
    "peak_drawdown_usd": thresholds("60", "150", "250"),
    "peak_drawdown_percent": thresholds("1", "2", "3"),
    "account_balance_warning_usd": 9900,
    "account_balance_critical_usd": 9800,
    "consecutive_losses_max": 3,
    "consecutive_losses_catastrophe": 4,
    "position_contracts_catastrophe": 4,
    "trades_per_hour_warning": None,
}
"""But for the count of trades, which is the same whether they won or lost."""
results = st.lists(st.integers(-20, 20), max_size=10)


def with_every_limit(*fills: Fill) -> GuardianCore:
    core = core_with(**EVERY_LIMIT)
    core.add_fills(fills)
    return core


@settings(deadline=None)
@given(results=results, place=st.integers(0, 10), profit=st.integers(0, 10**6), mark=st.integers(-30, 30))
def test_a_profit_put_in_anywhere_never_gives_a_higher_level(
    results: list[int], place: int, profit: int, mark: int
) -> None:
    """At no moment after it, whatever was lost before or is lost later."""
    better = [*results[:place], profit, *results[place:]]
    open_at = [fill(900, Side.BUY, ENTRY, at_s=100)]
    without = judged(with_every_limit(*round_trips(results), *open_at), 200, ENTRY + mark)
    with_it = judged(with_every_limit(*round_trips(better), *open_at), 200, ENTRY + mark)
    assert (with_it.level, with_it.demand) <= (without.level, without.demand)


@settings(deadline=None)
@given(results=results, gains=st.lists(st.integers(0, 50), min_size=10, max_size=10))
def test_better_prices_never_give_a_higher_level(results: list[int], gains: list[int]) -> None:
    improved = [one + gain for one, gain in zip(results, gains, strict=False)]
    worse, better = (judged(with_every_limit(*round_trips(each)), 200) for each in (results, improved))
    assert (better.level, better.demand) <= (worse.level, worse.demand)


@settings(deadline=None)
@given(marks=st.lists(st.integers(0, 10**6), min_size=1, max_size=8), last=st.integers(-30, 30))
def test_prices_in_favour_on_the_way_change_nothing_of_what_comes_after(marks: list[int], last: int) -> None:
    core = with_every_limit(fill(1, Side.BUY, ENTRY))
    for number, mark in enumerate(marks):
        assert judged(core, 10 + 5 * number, ENTRY + mark).demand is Demand.NONE
    fresh = with_every_limit(fill(1, Side.BUY, ENTRY))
    assert judged(core, 500, ENTRY + last) == judged(fresh, 500, ENTRY + last)
