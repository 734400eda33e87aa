from collections.abc import Callable
from math import isnan, nan

import numpy as np
import pytest

from mia_actors.features.base import Base, find_base
from mia_actors.features.battle import Battle, read_battle, read_pattern_strength
from mia_actors.features.window import BarWindow

Prices = tuple[int, int, int, int, int]
MakeWindow = Callable[..., BarWindow]

# Wide bars set the scale; then a consolidation whose last four closes rise.
WIDE: list[Prices] = [(100, 112, 88, 100, 1000)] * 12
QUIET: list[Prices] = [(100, 102, 98, 101, 1000), (101, 102, 98, 100, 1000)] * 5
GREEN_END: list[Prices] = [
    (100, 101, 99, 99, 1000),
    (99, 101, 99, 100, 1000),
    (100, 102, 99, 101, 1000),
    (101, 103, 100, 102, 1000),
]
GREEN_BASE = WIDE + QUIET + GREEN_END


def _red(rows: list[Prices]) -> list[Prices]:
    return [(200 - o, 200 - low, 200 - high, 200 - c, v) for o, high, low, c, v in rows]


def _up(price: int, size: int = 3) -> Prices:
    return (price, price + size, price, price + size, 1500)


def _down(price: int, size: int = 3) -> Prices:
    return (price, price, price - size, price - size, 1500)


def test_green_base_that_holds_is_bullish(make_window: MakeWindow) -> None:
    window = make_window([*GREEN_BASE, _up(102), _up(105)])
    battle = read_battle(*window.view, nan)
    assert battle.golden_rule_holds
    assert battle.continuation > 0
    assert battle.signal > 0.25
    assert (battle.base_low_ticks, battle.base_high_ticks) == (98, 103)


def test_green_base_broken_by_a_red_close_is_bearish(make_window: MakeWindow) -> None:
    """The golden rule: a red close below the green base ends the up-trend."""
    window = make_window([*GREEN_BASE, _down(102, 5)])
    battle = read_battle(*window.view, nan)
    assert not battle.golden_rule_holds
    assert battle.continuation == -0.6
    assert battle.signal < -0.25


def test_red_base_broken_by_a_green_close_is_bullish(make_window: MakeWindow) -> None:
    """The reference called this bearish; signed by base colour it is not."""
    window = make_window([*_red(GREEN_BASE), _up(98, 5)])
    battle = read_battle(*window.view, nan)
    assert not battle.golden_rule_holds
    assert battle.continuation == 0.6
    assert battle.signal > 0.25


@pytest.mark.parametrize("turned", [list, _red])
def test_close_on_the_edge_of_the_base_does_not_break_it(
    make_window: MakeWindow, turned: Callable[[list[Prices]], list[Prices]]
) -> None:
    """Half a tick of tolerance: a close at the base's low is no violation, one tick lower is."""
    rows = GREEN_BASE + [_up(102 + 10 * i, 10) for i in range(6)]
    held = read_battle(*make_window(turned([*rows, _down(162, 162 - 98)])).view, nan)
    broken = read_battle(*make_window(turned([*rows, _down(162, 162 - 97)])).view, nan)
    assert held.golden_rule_holds
    assert not broken.golden_rule_holds


def test_most_recent_base_decides(make_window: MakeWindow) -> None:
    """A red base after a green one: the red one is the one to defend."""
    window = make_window(GREEN_BASE + QUIET + _red(GREEN_END))
    battle = read_battle(*window.view, nan)
    assert battle.golden_rule_holds
    assert battle.continuation < 0


def test_neutral_bars_count_for_neither_side(make_window: MakeWindow) -> None:
    window = make_window([(100, 104, 96, 100, 1000)] * 30)
    battle = read_battle(*window.view, nan)
    assert battle.outcome == 0


def test_bars_without_range_do_not_divide_by_zero(make_window: MakeWindow) -> None:
    window = make_window([(100, 100, 100, 100, 10)] * 30)
    battle = read_battle(*window.view, nan)
    assert battle.outcome == 0


@pytest.mark.parametrize(("step", "sign"), [(3, 1), (-3, -1)])
def test_steady_rise_and_steady_fall_give_opposite_sides(
    make_window: MakeWindow, step: int, sign: int
) -> None:
    """In the reference a steady decline was a long on most bars and a short on none."""
    rows = [_up(100 + step * i) if step > 0 else _down(100 + step * i) for i in range(40)]
    battle = read_battle(*make_window(rows).view, nan)
    assert battle.outcome == sign
    assert sign * battle.signal > 0.25


def test_volume_is_measured_against_its_own_mean(make_window: MakeWindow) -> None:
    """Ten times the volume on every bar changes nothing."""
    window = make_window([*GREEN_BASE, _up(102)])
    scaled = make_window([(o, h, low, c, 10 * v) for o, h, low, c, v in [*GREEN_BASE, _up(102)]])
    one, other = read_battle(*window.view, nan), read_battle(*scaled.view, nan)
    assert other.outcome == pytest.approx(one.outcome, abs=1e-12)


def test_too_few_bars_are_unavailable(make_window: MakeWindow) -> None:
    assert isnan(read_battle(*make_window(GREEN_BASE[:19]).view, nan).signal)
    assert isnan(read_pattern_strength(Battle(nan, nan, nan, nan, nan, nan, nan, False), 0.5))


def test_bar_pattern_raises_confidence_and_turns_pattern_strength(make_window: MakeWindow) -> None:
    window = make_window([*GREEN_BASE, _up(102)])
    plain, patterned = read_battle(*window.view, nan), read_battle(*window.view, -1.0)
    assert patterned.confidence > plain.confidence
    strength = read_pattern_strength(plain, nan)
    turned = read_pattern_strength(plain, -1.0)
    assert turned == 0.5 * (strength - 1.0)


def _base(rows: list[Prices], range_sum: int) -> Base:
    _, highs, lows, closes, volumes = np.array(rows).T
    return find_base(highs, lows, closes, volumes, len(rows) - 1, range_sum)


def test_wide_bars_are_no_base() -> None:
    assert isnan(_base(WIDE * 2, 20).quality)


def test_base_has_colour_bounds_and_quality() -> None:
    base = _base(GREEN_BASE, 20)
    assert base.colour == 1
    assert (base.low_ticks, base.high_ticks) == (98, 103)
    # 15 bars 0.30, five of ten ticks 0.20, even volume 0.25, all closes inside 0.25.
    assert base.quality == pytest.approx(1.0)


def test_uneven_volume_costs_quality() -> None:
    rows = [(o, h, low, c, 100 if i % 2 else 1900) for i, (o, h, low, c, _) in enumerate(GREEN_BASE)]
    base = _base(rows, 20)
    assert 0.75 < base.quality < 0.80


def test_flat_closes_have_no_colour() -> None:
    base = _base([(100, 101, 99, 100, 10)] * 15, 40)
    assert isnan(base.quality) or base.colour == 0


def test_tightness_scales_with_the_true_range() -> None:
    """Thirty ticks are no base where bars move four, and a base where they move twenty."""
    rows: list[Prices] = [(100, 115, 85, 100 + i % 2, 10) for i in range(15)]
    assert isnan(_base(rows, 20 * 4).quality)
    assert not isnan(_base(rows, 20 * 20).quality)
