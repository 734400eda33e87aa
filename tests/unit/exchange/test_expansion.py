"""Five-second bars add up to their base bar exactly, whatever the bar."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar, BarBuilder, Timeframe
from mia_actors.exchange.expansion import expand

MINUTE_NS = 60 * NS_PER_S


@st.composite
def base_bars(draw: st.DrawFn) -> Bar:
    low = draw(st.integers(1, 40_000))
    high = low + draw(st.one_of(st.integers(0, 3), st.integers(0, 400)))
    timeframe = draw(st.sampled_from([Timeframe.M1, Timeframe.M5]))
    return Bar(
        instrument="ESZ3",
        timeframe=timeframe,
        start_ns=draw(st.integers(0, 3_000_000)) * 5 * MINUTE_NS,
        open_ticks=draw(st.integers(low, high)),
        high_ticks=high,
        low_ticks=low,
        close_ticks=draw(st.integers(low, high)),
        volume=draw(st.one_of(st.integers(0, 20), st.integers(0, 300_000))),
    )


def mirrored(bar: Bar) -> Bar:
    return replace(
        bar,
        open_ticks=-bar.open_ticks,
        high_ticks=-bar.low_ticks,
        low_ticks=-bar.high_ticks,
        close_ticks=-bar.close_ticks,
    )


@settings(max_examples=300, deadline=None)
@given(base_bars())
def test_small_bars_add_up_to_the_base_bar(bar: Bar) -> None:
    builder = BarBuilder(bar.timeframe)
    closed = [built for small in expand(bar) for built in builder.add(small)]
    assert closed == [bar]


@settings(max_examples=300, deadline=None)
@given(base_bars())
def test_small_bars_are_sound_and_join(bar: Bar) -> None:
    small = expand(bar)
    assert len(small) == bar.timeframe.seconds // 5
    for number, one in enumerate(small):
        assert one.timeframe is Timeframe.S5
        assert one.instrument == bar.instrument
        assert one.start_ns == bar.start_ns + number * 5 * NS_PER_S
        assert one.low_ticks <= min(one.open_ticks, one.close_ticks)
        assert one.high_ticks >= max(one.open_ticks, one.close_ticks)
        assert bar.low_ticks <= one.low_ticks <= one.high_ticks <= bar.high_ticks
        assert one.volume >= 0
    for one, after in pairwise(small):
        assert after.open_ticks == one.close_ticks


@settings(max_examples=200, deadline=None)
@given(base_bars())
def test_same_bar_gives_the_same_path(bar: Bar) -> None:
    assert expand(bar) == expand(replace(bar))


@settings(max_examples=200, deadline=None)
@given(base_bars())
def test_mirrored_bar_gives_the_mirrored_path(bar: Bar) -> None:
    """Except where nothing in the bar says up or down."""
    undecided = bar.open_ticks == bar.close_ticks and (
        bar.high_ticks - bar.open_ticks == bar.open_ticks - bar.low_ticks
    )
    if not undecided:
        assert [mirrored(one) for one in expand(bar)] == list(expand(mirrored(bar)))


@pytest.mark.parametrize(("close", "low_first"), [(110, True), (90, False)])
def test_price_visits_the_far_side_first(close: int, low_first: bool) -> None:  # noqa: FBT001 - a column
    for number in range(50):
        bar = Bar(
            instrument="ESZ3",
            timeframe=Timeframe.M1,
            start_ns=number * MINUTE_NS,
            open_ticks=100,
            high_ticks=120,
            low_ticks=80,
            close_ticks=close,
            volume=100,
        )
        small = expand(bar)
        lowest = next(place for place, one in enumerate(small) if one.low_ticks == 80)
        highest = next(place for place, one in enumerate(small) if one.high_ticks == 120)
        assert (lowest < highest) is low_first


def test_paths_differ_from_bar_to_bar() -> None:
    bar = Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M5,
        start_ns=0,
        open_ticks=100,
        high_ticks=140,
        low_ticks=80,
        close_ticks=120,
        volume=10_000,
    )
    paths = {
        tuple(one.close_ticks for one in expand(replace(bar, start_ns=number * 5 * MINUTE_NS)))
        for number in range(20)
    }
    assert len(paths) == 20


def test_five_second_bar_is_its_own_expansion() -> None:
    bar = Bar(
        instrument="ESZ3",
        timeframe=Timeframe.S5,
        start_ns=0,
        open_ticks=100,
        high_ticks=101,
        low_ticks=99,
        close_ticks=100,
        volume=3,
    )
    assert expand(bar) == (bar,)
