"""Market regime from the structure of the recent swings (domain section 7)."""

from dataclasses import dataclass
from itertools import pairwise
from operator import mul

from mia_actors.core.features import MarketRegime
from mia_actors.features.window import SWING_SIDE_BARS, BarWindow

REGIME_BARS = 30
STRONG_STRENGTH = 0.70
WEAK_STRENGTH = 0.50
STRONG_SLOPE = 0.20
WEAK_SLOPE = 0.08
FULL_SLOPE = 0.40
RANGE_TICKS_MIN = 12
RANGE_TICKS_MAX = 50
RANGE_ATR_MAX = 8
RANGE_TESTS_MIN = 3
RANGE_RESPECTED_MIN = 0.75

_CENTRED = tuple(2 * index - (REGIME_BARS - 1) for index in range(REGIME_BARS))
_SLOPE_SCALE = sum(weight * weight for weight in _CENTRED) // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeReading:
    """Class, direction and confidence; all unset before there are 30 bars with a true range."""

    regime: MarketRegime | None = None
    direction: int = 0
    confidence: float | None = None


def read_market_regime(
    window: BarWindow, *, atr_ticks: float | None, momentum: float | None
) -> RegimeReading:
    """Trend, range or neither, over 30 bars.

    Strength = 0.40 · share of swings that step with the slope + 0.35 · min(|slope| / 0.4, 1)
    + 0.25 · momentum with the slope. The domain's slopes of 0.2 and 0.5 ticks a bar belong to one-minute bars
    whose true range was about 2.5 ticks; here slopes are in mean true ranges a bar (0.08, 0.2), the same for
    every timeframe. Its full slope of two ticks, four times a strong trend's, is hardly ever met: here twice
    counts as full.
    """
    if len(window) < REGIME_BARS or not atr_ticks:
        return RegimeReading()
    slope = sum(map(mul, _CENTRED, window.closes[-REGIME_BARS:])) / _SLOPE_SCALE / atr_ticks
    direction = (slope > 0) - (slope < 0)
    first_swing = len(window) - REGIME_BARS + 2 * SWING_SIDE_BARS
    highs = [price for price in window.swing_highs[first_swing:] if price is not None]
    lows = [price for price in window.swing_lows[first_swing:] if price is not None]
    strength = (
        0.40 * _structure_share(highs, lows, direction)
        + 0.35 * min(abs(slope) / FULL_SLOPE, 1.0)
        + 0.25 * max(0.0, direction * (momentum or 0.0))
    )
    swings = len(highs) + len(lows)
    if strength >= STRONG_STRENGTH and swings >= 4 and abs(slope) > STRONG_SLOPE:
        confidence = 0.85 + 0.15 * (strength - STRONG_STRENGTH) / (1 - STRONG_STRENGTH)
        return RegimeReading(regime=MarketRegime.STRONG_TREND, direction=direction, confidence=confidence)
    if strength >= WEAK_STRENGTH and swings >= 2 and abs(slope) > WEAK_SLOPE:
        confidence = 0.65 + min(strength - WEAK_STRENGTH, STRONG_STRENGTH - WEAK_STRENGTH)
        return RegimeReading(regime=MarketRegime.WEAK_TREND, direction=direction, confidence=confidence)
    range_confidence = _range_confidence(window, atr_ticks)
    if range_confidence is not None:
        return RegimeReading(regime=MarketRegime.RANGE, confidence=range_confidence)
    return RegimeReading(regime=MarketRegime.UNCLEAR, confidence=min(strength, WEAK_STRENGTH))


def _structure_share(highs: list[int], lows: list[int], direction: int) -> float:
    """Share of consecutive swings of the same kind that stepped in the direction."""
    steps = [later - earlier for prices in (highs, lows) for earlier, later in pairwise(prices)]
    if not steps:
        return 0.0
    return sum([direction * step > 0 for step in steps]) / len(steps)


def _range_confidence(window: BarWindow, atr_ticks: float) -> float | None:
    """0.60 to 0.90 for a range whose edges were tested and held, else None.

    A test comes within 1.5 ticks (or a quarter of a mean true range) of the edge; it is respected when the
    bar closes farther away than that.
    """
    highs = window.highs[-REGIME_BARS:]
    lows = window.lows[-REGIME_BARS:]
    closes = window.closes[-REGIME_BARS:]
    top, bottom = max(highs), min(lows)
    if not RANGE_TICKS_MIN <= top - bottom <= max(RANGE_TICKS_MAX, RANGE_ATR_MAX * atr_ticks):
        return None
    near = max(1.5, 0.25 * atr_ticks)
    above = [top - close > near for high, close in zip(highs, closes, strict=True) if top - high <= near]
    below = [close - bottom > near for low, close in zip(lows, closes, strict=True) if low - bottom <= near]
    tests = len(above) + len(below)
    if min(len(above), len(below)) < RANGE_TESTS_MIN:
        return None
    respected = (sum(above) + sum(below)) / tests
    if respected < RANGE_RESPECTED_MIN:
        return None
    return 0.60 + 0.30 * min((tests - 2 * RANGE_TESTS_MIN) / 6, 1.0) * respected
