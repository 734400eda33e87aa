from collections.abc import Callable
from itertools import pairwise
from math import isnan, nan

import pytest

from mia_actors.core.features import MarketRegime
from mia_actors.core.market import Timeframe
from mia_actors.features.levels import find_levels
from mia_actors.features.momentum import read_momentum
from mia_actors.features.patterns import read_bar_patterns
from mia_actors.features.profile import build_profile, read_volume_profile
from mia_actors.features.regime import MARKET_REGIMES, read_market_regime
from mia_actors.features.volume import read_volume_confirmation
from mia_actors.features.vwap import read_vwap_trend
from mia_actors.features.window import BarWindow

Prices = tuple[int, int, int, int, int]
MakeWindow = Callable[..., BarWindow]


def _trend(step: int, count: int) -> list[Prices]:
    rows: list[Prices] = []
    for i in range(count):
        opened, close = 1000 + step * i, 1000 + step * (i + 1)
        rows.append((opened, max(opened, close) + 1, min(opened, close) - 1, close, 100))
    return rows


def _zigzag(slope: float, swing: int, count: int) -> list[Prices]:
    """Swings of six bars around a line."""
    shape = (0, 1, 2, 3, 2, 1)
    closes = [1000 + round(slope * i) + swing * shape[i % 6] for i in range(count + 1)]
    return [
        (earlier, max(earlier, close) + 1, min(earlier, close) - 1, close, 100)
        for earlier, close in pairwise(closes)
    ]


def test_momentum_of_a_straight_rise_is_one(make_window: MakeWindow) -> None:
    assert read_momentum(*make_window(_trend(2, 21)).view) == pytest.approx(1)
    assert read_momentum(*make_window(_trend(-2, 21)).view) == pytest.approx(-1)
    assert isnan(read_momentum(*make_window(_trend(2, 20)).view))


def test_momentum_weighs_volume_over_count(make_window: MakeWindow) -> None:
    """More falling bars, but the volume rose: 0.4 · -0.5 + 0.6 · 0.5."""
    rows: list[Prices] = [(100, 100, 100, 100, 100)]
    rows += [(100, 100, 99, 99, 100)]
    for i in range(19):
        up = i % 4 == 0
        price = 500 + (i // 4) * 2 if up else 400 - i
        rows.append((price, price, price, price, 900 if up else 100))
    window = make_window(rows)
    columns, _, last = window.view
    signs = columns.direction_signs[last - 19 : last + 1]
    volume = sum(columns.volumes[last - 19 : last + 1])
    expected = 0.4 * sum(signs) / 20 + 0.6 * (5 * 900 - 15 * 100) / volume
    assert sum(signs) == -10
    assert read_momentum(*window.view) == pytest.approx(expected)
    assert expected > 0


def test_volume_confirmation_spans_its_range(make_window: MakeWindow) -> None:
    """A one-sided bar of high volume after price and volume rose together is full confirmation."""
    rows: list[Prices] = [(100, 101, 99, 100, 100)] * 10
    rows += [(100 + i, 101 + i, 100 + i, 101 + i, 1000 * (i + 1)) for i in range(5)]
    assert read_volume_confirmation(*make_window(rows).view) == pytest.approx(1, abs=0.01)
    dull: list[Prices] = [(100, 101, 99, 100, 100)] * 14 + [(100, 101, 99, 100, 0)]
    assert read_volume_confirmation(*make_window(dull).view) == pytest.approx(0.1 / 0.9)
    assert isnan(read_volume_confirmation(*make_window(rows[:9]).view))


def test_vwap_trend_has_the_sign_of_the_trend(make_window: MakeWindow) -> None:
    rising = read_vwap_trend(*make_window(_trend(3, 40)).view, 5.0)
    falling = read_vwap_trend(*make_window(_trend(-3, 40)).view, 5.0)
    assert rising > 0.8
    assert falling < -0.8


def test_vwap_needs_fifteen_bars_of_the_trade_date(make_window: MakeWindow) -> None:
    """The first bar is at 14:00 UTC; 17:00 Chicago is 22:00 UTC, 96 five-minute bars later."""
    assert isnan(read_vwap_trend(*make_window(_trend(1, 19)).view, 3.0))
    assert not isnan(read_vwap_trend(*make_window(_trend(1, 96)).view, 3.0))
    assert isnan(read_vwap_trend(*make_window(_trend(1, 96 + 14)).view, 3.0))
    assert not isnan(read_vwap_trend(*make_window(_trend(1, 96 + 15)).view, 3.0))
    assert isnan(read_vwap_trend(*make_window(_trend(1, 96 + 15), Timeframe.H4).view, 3.0))


def test_profile_finds_control_and_value_area(make_window: MakeWindow) -> None:
    """Ten one-price bars: 10 contracts at 100, 60 at 101, 20 at 102, 10 at 105."""
    at = [(100, 10), (101, 20), (101, 20), (101, 20), (102, 20), (105, 10)] + [(101, 0)] * 4
    window = make_window([(price, price, price, price, volume) for price, volume in at])
    profile = build_profile(*window.view)
    assert profile.control_half_ticks == 202
    assert (profile.value_low_ticks, profile.value_high_ticks) == (101, 102)
    # 100 to 105: 90 of 100 contracts in the lower half.
    assert profile.migration == pytest.approx(-0.8)


def test_prices_that_tie_for_control_count_by_their_middle(make_window: MakeWindow) -> None:
    at = [(100, 30), (104, 30), (102, 20)] + [(102, 0)] * 7
    window = make_window([(price, price, price, price, volume) for price, volume in at])
    profile = build_profile(*window.view)
    assert profile.control_half_ticks == 204
    assert profile.migration == 0


def test_value_migrates_with_an_accepted_close(make_window: MakeWindow) -> None:
    base: list[Prices] = [(100, 103, 97, 100, 100)] * 12
    up = read_volume_profile(*make_window([*base, (103, 110, 103, 110, 100)]).view)
    down = read_volume_profile(*make_window([*base, (97, 97, 90, 90, 100)]).view)
    assert up == -down
    # The close is beyond the value (+0.5), most volume still in the lower half of the range.
    assert 0 < up < 0.5
    assert isnan(read_volume_profile(*make_window(base[:9]).view))


def test_levels_are_swings_around_the_close(make_window: MakeWindow) -> None:
    window = make_window(_zigzag(0, 4, 40))
    levels = find_levels(*window.view, 6.0)
    assert levels.support_ticks == 999
    assert levels.resistance_ticks == 1013
    close = window.view[0].closes[window.view[2]]
    nearest = min(close - 999, 1013 - close)
    assert levels.proximity == pytest.approx(max(0.0, 1 - nearest / 6.0))


def test_straight_line_has_no_levels(make_window: MakeWindow) -> None:
    levels = find_levels(*make_window(_trend(2, 40)).view, 4.0)
    assert isnan(levels.support_ticks)
    assert isnan(levels.resistance_ticks)
    assert isnan(levels.proximity)


@pytest.mark.parametrize(("slope", "direction"), [(3.0, 1), (-3.0, -1)])
def test_trending_swings_are_a_trend(make_window: MakeWindow, slope: float, direction: int) -> None:
    reading = read_market_regime(*make_window(_zigzag(slope, 4, 60)).view, 7.0, 0.5 * direction)
    assert reading.regime == MARKET_REGIMES.index(MarketRegime.STRONG_TREND)
    assert reading.direction == direction
    assert reading.confidence >= 0.85


def test_level_swings_are_a_range(make_window: MakeWindow) -> None:
    """Both edges are tested every six bars, and every test closes back inside."""
    cycle: list[Prices] = [
        (1000, 1006, 999, 1005, 100),
        (1005, 1015, 1004, 1006, 100),
        (1006, 1007, 999, 1000, 100),
        (1000, 1001, 994, 995, 100),
        (995, 996, 985, 994, 100),
        (994, 1001, 993, 1000, 100),
    ]
    reading = read_market_regime(*make_window(cycle * 6).view, 8.0, 0.0)
    assert reading.regime == MARKET_REGIMES.index(MarketRegime.RANGE)
    assert reading.direction == 0
    assert 0.60 <= reading.confidence <= 0.90


def test_regime_without_bars_or_movement_is_unavailable(make_window: MakeWindow) -> None:
    assert isnan(read_market_regime(*make_window(_trend(1, 29)).view, 3.0, 0.5).regime)
    assert isnan(read_market_regime(*make_window(_trend(1, 60)).view, nan, nan).regime)


LEAD: list[Prices] = [(100, 102, 98, 100, 1000)] * 18
LONG_DOWN_UP: list[Prices] = [
    (100, 112, 99, 100, 1000),
    (98, 99, 90, 95, 1000),
    (96, 114, 96, 113, 1000),
]


def test_long_down_up_is_bullish_and_its_mirror_bearish(make_window: MakeWindow) -> None:
    """Strength 0.7 · min(22 / 16, 1) + 0.3 · min(V / mean, 1)."""
    mirrored = [(200 - o, 200 - low, 200 - high, 200 - c, v) for o, high, low, c, v in LEAD + LONG_DOWN_UP]
    assert read_bar_patterns(*make_window(LEAD + LONG_DOWN_UP).view) == pytest.approx(1.0)
    assert read_bar_patterns(*make_window(mirrored).view) == pytest.approx(-1.0)


def test_pattern_waits_for_its_last_bar(make_window: MakeWindow) -> None:
    """The reference invented the next bar; here the pattern is there once that bar has closed."""
    assert read_bar_patterns(*make_window(LEAD + LONG_DOWN_UP[:2]).view) == 0
    assert read_bar_patterns(*make_window([*LEAD, *LONG_DOWN_UP, (113, 114, 112, 113, 1000)]).view) == 0


def test_colour_up_setting_needs_a_higher_second_low(make_window: MakeWindow) -> None:
    setting: list[Prices] = [
        (100, 101, 90, 95, 1000),
        (96, 108, 92, 107, 1000),
        (107, 109, 97, 98, 1000),
        (99, 116, 99, 115, 1000),
    ]
    lower = [*setting[:2], (107, 109, 91, 98, 1000), setting[3]]
    assert read_bar_patterns(*make_window(LEAD + setting).view) == pytest.approx(0.8 * 18 / 24)
    assert read_bar_patterns(*make_window(LEAD + lower).view) == 0


def test_patterns_need_twenty_bars(make_window: MakeWindow) -> None:
    assert isnan(read_bar_patterns(*make_window(LEAD[:19]).view))
