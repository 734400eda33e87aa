from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from functools import cache

import pytest

from mia_actors.core.calendar import is_regular_hours, new_york
from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Side
from mia_actors.core.trade_date import NEW_YORK
from mia_actors.core.units import ES
from mia_actors.cycle.dataset import Sample, samples_of
from mia_actors.cycle.outcomes import LabelCosts, triple_barrier
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.features.tape_features import base_columns
from mia_actors.risk.brackets import Bracket
from tests.unit.cycle.situations import new_york_ns

M5 = Timeframe.M5
MINUTE_NS = 60 * NS_PER_S
COSTS = LabelCosts(slippage_ticks=1, commission_usd_per_side=Decimal("2.25"))
BRACKET = Bracket(stop_ticks=8, target_ticks=20)
Rows = tuple[tuple[int, int, int, int], ...]
"""Open, high, low, close relative to the close of the bar decided on."""
QUIET = (0, 2, -2, 0)


def _bars(rows: Rows, side: Side = Side.BUY) -> list[Bar]:
    """A bar decided on that closes at 6600, then the rows; upside down for a short."""
    bars = []
    for number, (opened, high, low, close) in enumerate(((0, 0, 0, 0), *rows)):
        top, bottom = (high, low) if side is Side.BUY else (low, high)
        bars.append(
            Bar(
                instrument="ESZ3",
                timeframe=M5,
                start_ns=new_york_ns("2013-10-08T10:00") + number * M5.ns,
                open_ticks=6600 + side.sign * opened,
                high_ticks=6600 + side.sign * top,
                low_ticks=6600 + side.sign * bottom,
                close_ticks=6600 + side.sign * close,
                volume=100,
            )
        )
    return bars


def _outcome(
    rows: Rows, side: Side, costs: LabelCosts = COSTS, *, minutes: int = 30
) -> tuple[int, int] | None:
    """Ticks won, and how many bars after the decision that was known."""
    bars = _bars(rows, side)
    horizon_ns = bars[0].end_ns + minutes * MINUTE_NS
    found = triple_barrier(
        base_columns(bars),
        M5.ns,
        0,
        side.sign,
        BRACKET.stop_ticks,
        BRACKET.target_ticks,
        horizon_ns,
        costs.slippage_ticks,
    )
    return None if found.end_ns < 0 else (found.ticks, (found.end_ns - bars[0].end_ns) // M5.ns)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("rows", "won"),
    [
        # Entry at the next open plus one tick; the target's limit order pays no slippage.
        ((QUIET, (0, 21, 0, 21)), (19, 2)),
        ((QUIET, (0, 20, 0, 20), (20, 20, 15, 15), (15, 15, -8, -8)), (-10, 4)),  # touched is not filled
        ((QUIET, (0, 0, -8, -8)), (-10, 2)),
        ((QUIET, (0, 0, -7, -7), (-7, -7, -9, -9)), (-10, 3)),
        ((QUIET, (0, 25, -8, 25)), (-10, 2)),  # both in one bar: the stop
        ((QUIET, (-12, -10, -14, -11)), (-14, 2)),  # opened beyond the stop: no better than the open
        (((3, 25, 0, 25),), (16, 1)),  # a gap at the entry is paid for
        (((-9, -9, -10, -9),), (-2, 1)),  # opened beyond the stop at once: in at -8, out at -10
        ((QUIET,) * 5 + ((0, 6, -2, 5),), (3, 6)),  # the time is over: close less slippage both ways
        ((QUIET,) * 5, None),  # the bars end before it is known
        ((), None),
    ],
)
def test_the_label_is_what_a_bracket_would_have_won(
    rows: Rows, won: tuple[int, int] | None, side: Side
) -> None:
    """Stop 8, target 20, thirty minutes at most; a short in the mirrored bars is worth the same."""
    assert _outcome(rows, side) == won


def test_costs_are_taken_as_they_are_given() -> None:
    dear = LabelCosts(slippage_ticks=3)
    assert _outcome((QUIET, (0, 21, 0, 21)), Side.BUY, dear) == (17, 2)
    assert _outcome((QUIET, (0, 0, -8, -8)), Side.SELL, dear) == (-14, 2)


@pytest.mark.parametrize(("net", "good"), [("0.01", True), ("0", False), ("-0.01", False)])
def test_only_a_profit_after_costs_is_good(net: str, good: bool) -> None:  # noqa: FBT001 - a table
    sample = Sample(vector=(), event_time_ns=0, label_end_ns=1, side=Side.BUY, net_usd=Decimal(net))
    assert sample.is_good is good


@cache
def _tape() -> tuple[Bar, ...]:
    """Three synthetic sessions by the minute."""
    tape = load_tape(
        TapeSelection(
            source="synthetic:19",
            from_ns=new_york_ns("2026-03-10T08:00"),
            to_ns=new_york_ns("2026-03-10T17:00"),
            history_days=2,
        )
    )
    return tape.history + tape.bars


def _samples(bars: tuple[Bar, ...], costs: LabelCosts = COSTS) -> list[Sample]:
    return samples_of(bars, settings=DecisionSettings(), product=ES, costs=costs)


@cache
def _whole() -> tuple[Sample, ...]:
    return tuple(_samples(_tape()))


def test_samples_come_in_order_of_time_from_closes_within_trading_hours() -> None:
    found = _whole()
    times = [sample.event_time_ns for sample in found]
    assert len(found) >= 20
    assert {sample.side for sample in found} == set(Side)
    assert {sample.is_good for sample in found} == {True, False}
    assert times == sorted(set(times))
    for sample in found:
        assert is_regular_hours(sample.event_time_ns, time(9, 35), time(15, 45))
        assert sample.event_time_ns % M5.ns == 0
        assert sample.label_end_ns > sample.event_time_ns
        assert len(sample.vector) == 8
        assert all(0 <= value <= 1 for value in sample.vector)


def test_commissions_of_both_sides_come_off_every_label() -> None:
    dear = _samples(_tape(), LabelCosts(slippage_ticks=1, commission_usd_per_side=Decimal("12.25")))
    assert [one.net_usd - other.net_usd for one, other in zip(_whole(), dear, strict=True)] == [
        Decimal(20)
    ] * len(dear)


@pytest.mark.parametrize("minutes_short", [61, 180, 300])
def test_a_sample_knows_nothing_of_later_bars(minutes_short: int) -> None:
    """A tape that ends early has the same samples, less those whose outcome is not known by then."""
    part = _tape()[:-minutes_short]
    known = [sample for sample in _whole() if sample.label_end_ns <= part[-1].end_ns]
    assert _samples(part) == known
    assert 0 < len(known) <= len(_whole())


def test_the_mirrored_tape_has_the_mirrored_samples() -> None:
    """Same vectors, same results, the other side: nothing in the training set prefers a direction."""
    pivot = 2 * _tape()[0].open_ticks
    turned = tuple(
        replace(
            bar,
            open_ticks=pivot - bar.open_ticks,
            high_ticks=pivot - bar.low_ticks,
            low_ticks=pivot - bar.high_ticks,
            close_ticks=pivot - bar.close_ticks,
        )
        for bar in _tape()
    )
    assert _samples(turned) == [replace(one, side=one.side.opposite) for one in _whole()]


def test_no_label_outlives_the_position_it_stands_for() -> None:
    """Live, every position is closed from 15:55 on."""
    for sample in _whole():
        day = new_york(sample.event_time_ns).date()
        last = time_ns_of(datetime.combine(day, time(15, 56), NEW_YORK))
        assert sample.label_end_ns <= last


def _half_day() -> tuple[Bar, ...]:
    """Restless five-minute bars of the day after Thanksgiving 2013, and of the two days before."""
    source = seeded_random(5)
    bars: list[Bar] = []
    price, drift = 7200, 1
    for number in range(600):
        drift = source.choice((-3, 3)) if number % 12 == 0 else drift
        close = price + drift + source.randint(-1, 1)
        bars.append(
            Bar(
                instrument="ESZ3",
                timeframe=M5,
                start_ns=new_york_ns("2013-11-29T13:15") - (600 - number) * M5.ns,
                open_ticks=price,
                high_ticks=max(price, close) + 1,
                low_ticks=min(price, close) - 1,
                close_ticks=close,
                volume=source.randint(500, 3000),
            )
        )
        price = close
    return tuple(bars)


def test_on_a_half_day_samples_end_when_entries_do() -> None:
    """Live, the last entry of a half day is before 12:45."""
    found = [
        sample for sample in _samples(_half_day()) if sample.event_time_ns >= new_york_ns("2013-11-29T00:00")
    ]
    assert found, "the day has samples"
    assert all(sample.event_time_ns < new_york_ns("2013-11-29T12:45") for sample in found)
