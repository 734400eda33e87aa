from collections.abc import Callable
from math import isnan

import pytest

from mia_actors.core.features import VolatilityRegime
from mia_actors.features.volatility import VOLATILITY_REGIMES, read_volatility
from mia_actors.features.window import BarWindow

Prices = tuple[int, int, int, int, int]
MakeWindow = Callable[..., BarWindow]


def _bars(*heights: int) -> list[Prices]:
    return [(100, 100 + height, 100, 100, 10) for height in heights]


USUAL = _bars(*[10, 11, 9, 10, 12, 8] * 12)


def test_mean_true_range_is_of_twenty_bars_with_gaps(make_window: MakeWindow) -> None:
    rows = [*_bars(*[4] * 25), (110, 112, 110, 112, 10)]
    assert read_volatility(*make_window(rows).view).atr_ticks == (19 * 4 + 12) / 20


@pytest.mark.parametrize(
    ("last", "regime"),
    [
        ([10, 10, 10], VolatilityRegime.NORMAL),
        ([40, 40, 40, 40, 40], VolatilityRegime.EXTREME),
        ([22, 22, 22, 22, 22], VolatilityRegime.HIGH),
        ([5, 5, 5, 5, 5], VolatilityRegime.LOW),
        ([5, 5, 5, 5, 5, 22], VolatilityRegime.TRANSITIONING),
    ],
)
def test_regime_follows_the_ratio(make_window: MakeWindow, last: list[int], regime: VolatilityRegime) -> None:
    assert read_volatility(*make_window(USUAL + _bars(*last)).view).regime == VOLATILITY_REGIMES.index(regime)


def test_ratio_that_was_common_lately_is_no_news(make_window: MakeWindow) -> None:
    """Bursts all day long: the same ratio that was extreme after a calm day is not ranked so high."""
    bursts = _bars(*([10] * 15 + [200] * 5) * 6)
    lone = read_volatility(*make_window(USUAL + _bars(40, 40, 40, 40, 40)).view)
    usual = read_volatility(*make_window(bursts[:-2]).view)
    assert lone.regime == VOLATILITY_REGIMES.index(VolatilityRegime.EXTREME)
    assert usual.ratio > 2.0
    assert usual.regime != VOLATILITY_REGIMES.index(VolatilityRegime.EXTREME)


def test_regime_needs_history_and_a_ratio_needs_movement(make_window: MakeWindow) -> None:
    assert isnan(read_volatility(*make_window(USUAL[:20]).view).atr_ticks)
    short = read_volatility(*make_window(USUAL[:32]).view)
    assert not isnan(short.ratio)
    assert isnan(short.regime)
    assert not isnan(read_volatility(*make_window(USUAL[:33]).view).regime)
    assert isnan(read_volatility(*make_window(_bars(*[0] * 60)).view).ratio)
