"""A backtest reads a whole tape at once, a live worker bar by bar: to the bit the same."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mia_actors.core.market import FEATURE_TIMEFRAMES, Bar, Timeframe
from mia_actors.features.stream import FeatureStream
from mia_actors.features.tape_features import TapeFeatures

Prices = tuple[int, int, int, int, int]


def _with_gaps(bars: list[Bar]) -> list[Bar]:
    """Bars missing one by one, by the hour and by the night."""
    gone = {5, 17, 18, 19, *range(40, 60), *range(200, 420)}
    return [bar for place, bar in enumerate(bars) if place not in gone]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("base", "count"), [(Timeframe.M1, 1500), (Timeframe.M5, 1500)])
def test_every_reading_at_every_bar_is_that_of_a_worker(
    make_bars: Callable[..., list[Bar]],
    walk: Callable[[int, int], list[Prices]],
    base: Timeframe,
    count: int,
    seed: int,
) -> None:
    bars = _with_gaps(make_bars(walk(seed, count), base))
    tape = TapeFeatures(bars)
    frames = [frame for frame in FEATURE_TIMEFRAMES if frame.ns >= base.ns]
    assert list(tape.by_timeframe) == frames
    streams = {frame: FeatureStream(frame) for frame in frames}
    read = 0
    for place, bar in enumerate(bars):
        for frame, stream in streams.items():
            before = stream.current()
            if stream.feed(bar) or before is None:
                assert tape.by_timeframe[frame].features_at(place) == stream.current(), (frame, place)
                read += stream.current() is not None
    assert read > count


def test_a_tape_of_two_contracts_is_refused(make_bars: Callable[..., list[Bar]]) -> None:
    bars = make_bars([(100, 101, 99, 100, 10)] * 2)
    with pytest.raises(ValueError, match="one instrument"):
        TapeFeatures([bars[0], replace(bars[1], instrument="ESH4")])
