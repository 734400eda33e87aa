from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import ES
from mia_actors.cycle.integrity import check_bar, is_stale
from tests.unit.cycle.situations import bar_ending, new_york_ns

END_NS = new_york_ns("2013-10-08T10:00")
GOOD = bar_ending(END_NS)
BEFORE = bar_ending(GOOD.start_ns)
TEN_THOUSAND = 40_000
"""Ticks."""


def _priced(ticks: int) -> Bar:
    return replace(GOOD, open_ticks=ticks, high_ticks=ticks, low_ticks=ticks, close_ticks=ticks)


@pytest.mark.parametrize(
    ("bar", "finding"),
    [
        (replace(GOOD, low_ticks=GOOD.close_ticks + 1), "low above open or close"),
        (replace(GOOD, high_ticks=GOOD.open_ticks - 1), "high below open or close"),
        (replace(GOOD, open_ticks=GOOD.high_ticks + 1), "high below open or close"),
        (replace(GOOD, low_ticks=3), "low 0.75 outside 1 to 10000"),
        (_priced(0), "close 0.00 outside 1 to 10000"),
        (_priced(-6600), "open -1650.00 outside 1 to 10000"),
        (_priced(TEN_THOUSAND + 1), "high 10000.25 outside 1 to 10000"),
    ],
)
def test_an_impossible_bar_blocks_the_cycle(bar: Bar, finding: str) -> None:
    found = check_bar(ES, bar, None)
    assert found.blocks
    assert finding in found.critical


@pytest.mark.parametrize("ticks", [4, TEN_THOUSAND])
def test_the_ends_of_the_price_range_are_allowed(ticks: int) -> None:
    assert not check_bar(ES, _priced(ticks), None).blocks


def test_a_bar_that_overlaps_the_one_before_blocks() -> None:
    late = replace(BEFORE, start_ns=BEFORE.start_ns + 1)
    assert check_bar(ES, GOOD, late).critical == ("bar overlaps the one before it",)
    assert check_bar(ES, GOOD, GOOD).blocks
    assert not check_bar(ES, GOOD, BEFORE).blocks


def test_another_contract_before_is_no_measure() -> None:
    """At the roll the old contract's last bar may be far away and overlap."""
    other = replace(_priced(9000), instrument="ESU3")
    found = check_bar(ES, GOOD, other)
    assert (found.critical, found.warnings) == ((), ())


@pytest.mark.parametrize(
    ("close", "warned"), [(10_500, False), (10_501, True), (9_500, False), (9_499, True)]
)
def test_a_jump_of_more_than_a_twentieth_is_noted_either_way(close: int, warned: bool) -> None:  # noqa: FBT001 - a table
    before = bar_ending(GOOD.start_ns, close=10_000)
    found = check_bar(ES, bar_ending(END_NS, close=close), before)
    assert bool(found.warnings) is warned
    assert not found.blocks


@pytest.mark.parametrize(
    ("volume", "warned"), [(-1, True), (0, False), (1_000_000, False), (1_000_001, True)]
)
def test_an_odd_volume_is_noted(volume: int, warned: bool) -> None:  # noqa: FBT001 - a table
    found = check_bar(ES, replace(GOOD, volume=volume), BEFORE)
    assert bool(found.warnings) is warned
    assert not found.blocks


@given(
    prices=st.lists(st.integers(4, TEN_THOUSAND), min_size=4, max_size=4).map(sorted),
    falling=st.booleans(),
    gap=st.integers(0, 10**15),
    before=st.integers(4, TEN_THOUSAND),
)
def test_no_bar_in_order_is_ever_blocked(prices: list[int], falling: bool, gap: int, before: int) -> None:  # noqa: FBT001 - drawn
    """However far it lies from the bar before it, in price or in time."""
    low, inner, outer, high = prices
    opened, closed = (outer, inner) if falling else (inner, outer)
    bar = replace(GOOD, open_ticks=opened, high_ticks=high, low_ticks=low, close_ticks=closed)
    previous = bar_ending(bar.start_ns - gap, close=before, timeframe=Timeframe.M5)
    assert not check_bar(ES, bar, previous).blocks


@pytest.mark.parametrize(
    ("bar", "before", "relative_volume", "quality"),
    [
        (GOOD, None, None, 1.0),
        (GOOD, BEFORE, 1.0, 1.0),
        (replace(GOOD, volume=1_000_001), None, None, 1 - 1 / 7),
        (replace(GOOD, low_ticks=GOOD.close_ticks + 1), None, None, 1 - 2 / 7),
        (GOOD, GOOD, None, 1 - 2 / 9),
        (GOOD, BEFORE, 10.1, 1 - 1 / 10),
        (_priced(0), None, None, 0.0),
    ],
)
def test_quality_counts_a_critical_finding_twice(
    bar: Bar, before: Bar | None, relative_volume: float | None, quality: float
) -> None:
    assert check_bar(ES, bar, before, relative_volume=relative_volume).quality == pytest.approx(quality)


def test_volume_far_above_the_mean_is_noted_and_blocks_nothing() -> None:
    found = check_bar(ES, GOOD, BEFORE, relative_volume=10.5)
    assert found.warnings == ("volume 10.5 times the mean of ten bars, more than 10",)
    assert not found.blocks
    assert not check_bar(ES, GOOD, BEFORE, relative_volume=10.0).warnings


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.H1])
def test_readings_are_stale_when_the_next_ones_are_five_minutes_late(timeframe: Timeframe) -> None:
    last_ns = END_NS + timeframe.ns + 300 * 10**9
    assert not is_stale(timeframe, END_NS, last_ns)
    assert is_stale(timeframe, END_NS, last_ns + 1)
