from collections.abc import Callable

import pytest

from mia_actors.core.market import Bar, Timeframe
from mia_actors.features.evaluate import evaluate
from mia_actors.features.window import WINDOW_BARS_MIN, BarWindow

Prices = tuple[int, int, int, int, int]
NEEDS_MOVEMENT = (
    "volatility_ratio",
    "volatility_regime",
    "market_regime",
    "regime_confidence",
    "battle",
    "flow",
    "momentum",
    "volume_confirmation",
    "vwap_trend",
    "volume_profile",
)
FLAT: Prices = (100, 101, 99, 100, 10)


@pytest.mark.parametrize("capacity", [60, 61, 120])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rebuilt_window_gives_the_same_bits_as_one_that_ran_on(
    make_bars: Callable[..., list[Bar]], walk: Callable[[int, int], list[Prices]], capacity: int, seed: int
) -> None:
    """At every bar, features equal those of a window that has seen only the last `capacity` bars."""
    bars = make_bars(walk(seed, 300))
    running = BarWindow(Timeframe.M5, capacity)
    for count, bar in enumerate(bars, start=1):
        running.add(bar)
        if count % 7 and count < 290:
            continue
        rebuilt = BarWindow(Timeframe.M5, capacity)
        for earlier in bars[max(0, count - capacity) : count]:
            rebuilt.add(earlier)
        assert evaluate(rebuilt) == evaluate(running)


def test_evaluating_changes_nothing(
    make_window: Callable[..., BarWindow], walk: Callable[[int, int], list[Prices]]
) -> None:
    window = make_window(walk(4, 150))
    assert evaluate(window) == evaluate(window)


def test_window_keeps_only_its_capacity(make_bars: Callable[..., list[Bar]]) -> None:
    window = BarWindow(Timeframe.M5, 60)
    bars = make_bars([FLAT] * 75)
    for bar in bars:
        window.add(bar)
    assert len(window) == 60
    columns, first, last = window.view
    assert last - first == 59
    assert columns.starts_ns[first] == bars[15].start_ns
    assert window.as_of_ns == bars[-1].end_ns


def test_next_contract_starts_the_window_anew(make_bars: Callable[..., list[Bar]]) -> None:
    """Prices of two contracts never meet in one reading."""
    window = BarWindow(Timeframe.M5)
    bars = make_bars([FLAT] * 30)
    later = make_bars([FLAT] * 31, instrument="ESH4")[-1]
    for bar in bars:
        window.add(bar)
    window.add(later)
    assert len(window) == 1
    assert window.instrument == "ESH4"


def test_bars_out_of_order_or_of_another_length_are_refused(make_bars: Callable[..., list[Bar]]) -> None:
    window = BarWindow(Timeframe.M5)
    first, second = make_bars([FLAT] * 2)
    window.add(second)
    with pytest.raises(ValueError, match="order of time"):
        window.add(first)
    with pytest.raises(ValueError, match="order of time"):
        window.add(second)
    with pytest.raises(ValueError, match="5m window was given a 1m bar"):
        window.add(make_bars([FLAT], Timeframe.M1)[0])


def test_window_shorter_than_the_look_backs_is_refused() -> None:
    with pytest.raises(ValueError, match="60 to 480"):
        BarWindow(Timeframe.M5, WINDOW_BARS_MIN - 1)


def test_empty_window_has_no_features() -> None:
    with pytest.raises(ValueError, match="no features"):
        evaluate(BarWindow(Timeframe.M5))


def test_one_bar_makes_every_reading_unavailable(make_window: Callable[..., BarWindow]) -> None:
    """Unavailable is None, never a neutral number."""
    features = evaluate(make_window([FLAT]))
    assert features.close_ticks == 100
    assert features.bars_count == 1
    for name in (*NEEDS_MOVEMENT, "atr_ticks", "pattern_strength", "support_ticks", "level_proximity"):
        assert getattr(features, name) is None, name


def test_dead_market_makes_readings_unavailable_not_neutral(make_window: Callable[..., BarWindow]) -> None:
    """No volume and no movement for hours: nothing to read, and nothing divides by zero."""
    features = evaluate(make_window([(100, 100, 100, 100, 0)] * 120))
    assert features.atr_ticks == 0
    for name in NEEDS_MOVEMENT:
        assert getattr(features, name) is None, name
