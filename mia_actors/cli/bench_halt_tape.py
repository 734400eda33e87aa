"""The tape of `mia bench halt`: one short trade date for each trial, with one fall inside one 5-second bar. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mia_actors.core.clock import time_ns_of, utc_datetime
from mia_actors.core.errors import InvariantViolated
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import Product
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.orders import Costs

CONTRACT = "ESZ25"
FIRST_DATE = date(2025, 1, 6)
HOUR_UTC = 8
"""Night in Chicago: the strategies may not enter anything of their own."""
SATURDAY = 5
LEVEL_TICKS = 20_000
FALL_TICKS = 5
DAILY_LOSS_LIMIT_USD = Decimal(50)
"""Small, so that the simulated account lasts for all trials."""
TRIALS_MAX = 150
VOLUME = 600
OPEN_AT_BAR = 2
"""The position is opened after so many 5-second bars of the date: no cycle comes between it and the halt."""
BREAKING_PLACES = range(4, 9)
"""Where in its minute the limit may break: after the position was opened, with bars behind it for the offset."""
MINUTES_TRIED = 600
BEFORE_TICKS = 1
"""So much of the fall may have come before the bar that breaks the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One trade date; moments are market times, ns, at which the market is held."""

    bars: tuple[Bar, ...]
    """Base bars: the one that falls, a quiet one."""
    open_at_ns: int
    """The position is opened here and has filled a 5-second bar later."""
    breaks_from_ns: int
    """Start of the 5-second bar that breaks the limit: it leaves once this time is acknowledged."""
    ends_at_ns: int

    @property
    def breaks_at_ns(self) -> int:
        """End of the bar that breaks the limit."""
        return self.breaks_from_ns + Timeframe.S5.ns


def trial_plans(count: int, product: Product) -> tuple[TrialPlan, ...]:
    """So many trade dates in a row; the same ones every time."""
    dates = _weekdays(FIRST_DATE)
    return tuple(_plan(next(dates), product) for _ in range(count))


def write_tape(path: Path, plans: tuple[TrialPlan, ...], product: Product) -> None:
    """The base bars of all trials as a Parquet tape."""
    bars = [bar for plan in plans for bar in plan.bars]

    def prices(ticks: list[int]) -> list[float]:
        return [float(product.price_of(one)) for one in ticks]

    columns = {
        "ts": pa.array([utc_datetime(bar.start_ns) for bar in bars], type=pa.timestamp("ns", tz="UTC")),
        "contract": [CONTRACT] * len(bars),
        "open": prices([bar.open_ticks for bar in bars]),
        "high": prices([bar.high_ticks for bar in bars]),
        "low": prices([bar.low_ticks for bar in bars]),
        "close": prices([bar.close_ticks for bar in bars]),
        "volume": [bar.volume for bar in bars],
    }
    pq.write_table(pa.table(columns), path)


def breaking_place(bar: Bar, product: Product) -> int | None:
    """Which 5-second bar of a falling base bar breaks the limit of one contract; None: not sharply enough."""
    costs = Costs()
    path = expand(bar)
    bought_ticks = path[OPEN_AT_BAR].open_ticks + costs.slippage_ticks
    before_ticks = bar.open_ticks
    for place, small in enumerate(path):
        loss_usd = product.usd_of(bought_ticks - small.close_ticks) + costs.commission_usd_per_side
        if loss_usd >= DAILY_LOSS_LIMIT_USD:
            is_sharp = bar.open_ticks - before_ticks <= BEFORE_TICKS and place in BREAKING_PLACES
            return place if is_sharp else None
        before_ticks = small.close_ticks
    return None


def _plan(day: date, product: Product) -> TrialPlan:
    """Tries one minute after the other: the path within a base bar follows from its time."""
    first_ns = time_ns_of(datetime(day.year, day.month, day.day, HOUR_UTC, tzinfo=UTC))
    for minute in range(MINUTES_TRIED):
        start_ns = first_ns + minute * Timeframe.M1.ns
        fall = _bar(start_ns, LEVEL_TICKS, LEVEL_TICKS - FALL_TICKS)
        place = breaking_place(fall, product)
        if place is not None:
            after = _bar(fall.end_ns, fall.close_ticks, fall.close_ticks)
            return TrialPlan(
                bars=(fall, after),
                open_at_ns=start_ns + OPEN_AT_BAR * Timeframe.S5.ns,
                breaks_from_ns=start_ns + place * Timeframe.S5.ns,
                ends_at_ns=after.end_ns,
            )
    raise InvariantViolated(f"no sharp fall on {day} within {MINUTES_TRIED} minutes")


def _bar(start_ns: int, opens: int, closes: int) -> Bar:
    return Bar(
        instrument=CONTRACT,
        timeframe=Timeframe.M1,
        start_ns=start_ns,
        open_ticks=opens,
        high_ticks=opens,
        low_ticks=closes,
        close_ticks=closes,
        volume=VOLUME,
    )


def _weekdays(first: date) -> Iterator[date]:
    day = first
    while True:
        if day.weekday() < SATURDAY:
            yield day
        day += timedelta(days=1)
