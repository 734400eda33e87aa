"""Bars for the readings' tests."""

from collections.abc import Callable, Sequence

import pytest

from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, Timeframe
from mia_actors.features.window import BarWindow

Prices = tuple[int, int, int, int, int]
MakeBars = Callable[..., list[Bar]]
MakeWindow = Callable[..., BarWindow]

START_NS = 1_381_240_800_000_000_000  # 2013-10-08 14:00 UTC, on a bin of every timeframe but 4h


def _bars(rows: Sequence[Prices], timeframe: Timeframe = Timeframe.M5, instrument: str = "ESZ3") -> list[Bar]:
    return [
        Bar(
            instrument=instrument,
            timeframe=timeframe,
            start_ns=START_NS + index * timeframe.ns,
            open_ticks=opened,
            high_ticks=high,
            low_ticks=low,
            close_ticks=close,
            volume=volume,
        )
        for index, (opened, high, low, close, volume) in enumerate(rows)
    ]


@pytest.fixture
def make_bars() -> MakeBars:
    """Consecutive bars from (open, high, low, close, volume) rows."""
    return _bars


@pytest.fixture
def make_window() -> MakeWindow:
    """A window that has taken such rows."""

    def make(rows: Sequence[Prices], timeframe: Timeframe = Timeframe.M5) -> BarWindow:
        window = BarWindow(timeframe)
        for bar in _bars(rows, timeframe):
            window.add(bar)
        return window

    return make


@pytest.fixture
def walk() -> Callable[[int, int], list[Prices]]:
    """A seeded random walk of `count` rows with gaps, flat bars, dead bars and bursts."""

    def make(seed: int, count: int) -> list[Prices]:
        source = seeded_random(seed)
        rows: list[Prices] = []
        price = 6600
        for _ in range(count):
            size = source.choice((1, 3, 3, 3, 8, 20))
            opened = price + source.choice((0, 0, 0, -1, 1, 3, -3))
            close = opened + source.randint(-size, size)
            high = max(opened, close) + source.randint(0, size)
            low = min(opened, close) - source.randint(0, size)
            volume = source.choice((0, 1, 40, 900, 1500, 1500, 4000))
            rows.append((opened, high, low, close, volume))
            price = close
        return rows

    return make
