"""Market regime from the structure of the recent swings (domain section 7)."""

from math import isnan, nan
from typing import NamedTuple

from mia_actors.core.features import MarketRegime
from mia_actors.core.kernel import kernel
from mia_actors.features.columns import NO_PRICE, SWING_SIDE_BARS, Columns, IntArray

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
MARKET_REGIMES = tuple(MarketRegime)
STRONG_TREND, WEAK_TREND, RANGE, UNCLEAR = (float(number) for number in range(len(MARKET_REGIMES)))
"""Places in `MARKET_REGIMES`."""
SLOPE_SCALE = sum((2 * index - (REGIME_BARS - 1)) ** 2 for index in range(REGIME_BARS)) // 2


class Regime(NamedTuple):
    """Class, direction and confidence; NaN, 0 and NaN before there are 30 bars with a true range."""

    regime: float
    """A place in `MARKET_REGIMES`."""
    direction: int
    confidence: float


@kernel
def read_market_regime(columns: Columns, first: int, last: int, atr_ticks: float, momentum: float) -> Regime:
    """Trend, range or neither, over 30 bars.

    Strength = 0.40 · share of swings that step with the slope + 0.35 · min(|slope| / 0.4, 1)
    + 0.25 · momentum with the slope. The domain's slopes of 0.2 and 0.5 ticks a bar belong to one-minute bars
    whose true range was about 2.5 ticks; here slopes are in mean true ranges a bar (0.08, 0.2), the same for
    every timeframe. Its full slope of two ticks, four times a strong trend's, is hardly ever met: here twice
    counts as full.
    """
    if last - first + 1 < REGIME_BARS or isnan(atr_ticks) or atr_ticks == 0:
        return Regime(nan, 0, nan)
    slope = _weighed_closes(columns, last) / SLOPE_SCALE / atr_ticks
    direction = int(slope > 0) - int(slope < 0)
    begin = last - REGIME_BARS + 1 + 2 * SWING_SIDE_BARS
    high_swings, high_steps = _steps(columns.swing_highs, begin, last, direction)
    low_swings, low_steps = _steps(columns.swing_lows, begin, last, direction)
    pairs = max(high_swings - 1, 0) + max(low_swings - 1, 0)
    structure = (high_steps + low_steps) / pairs if pairs else 0.0
    pushed = 0.0 if isnan(momentum) else direction * momentum
    strength = 0.40 * structure + 0.35 * min(abs(slope) / FULL_SLOPE, 1.0) + 0.25 * max(0.0, pushed)
    swings = high_swings + low_swings
    if strength >= STRONG_STRENGTH and swings >= 4 and abs(slope) > STRONG_SLOPE:
        confidence = 0.85 + 0.15 * (strength - STRONG_STRENGTH) / (1 - STRONG_STRENGTH)
        return Regime(STRONG_TREND, direction, confidence)
    if strength >= WEAK_STRENGTH and swings >= 2 and abs(slope) > WEAK_SLOPE:
        confidence = 0.65 + min(strength - WEAK_STRENGTH, STRONG_STRENGTH - WEAK_STRENGTH)
        return Regime(WEAK_TREND, direction, confidence)
    range_confidence = _range_confidence(columns, last, atr_ticks)
    if not isnan(range_confidence):
        return Regime(RANGE, 0, range_confidence)
    return Regime(UNCLEAR, 0, min(strength, WEAK_STRENGTH))


@kernel
def read_extremes(columns: Columns, first: int, last: int) -> tuple[float, float]:
    """Lowest low and highest high of the 30 bars a regime is read from; NaN where there are fewer."""
    begin, after = last - REGIME_BARS + 1, last + 1
    if begin < first:
        return nan, nan
    return float(min(columns.lows[begin:after])), float(max(columns.highs[begin:after]))


@kernel
def _weighed_closes(columns: Columns, last: int) -> int:
    """Closes times twice their distance from the middle of the bars: a regression's numerator."""
    total = 0
    for number in range(REGIME_BARS):
        total += (2 * number - (REGIME_BARS - 1)) * columns.closes[last - REGIME_BARS + 1 + number]
    return total


@kernel
def _steps(swings: IntArray, begin: int, last: int, direction: int) -> tuple[int, int]:
    """Number of swings, and how many stepped in the direction from the one before."""
    count = steps = 0
    before = NO_PRICE
    for place in range(begin, last + 1):
        price = swings[place]
        if price == NO_PRICE:
            continue
        if before != NO_PRICE:
            steps += direction * (price - before) > 0
        count += 1
        before = price
    return count, steps


@kernel
def _range_confidence(columns: Columns, last: int, atr_ticks: float) -> float:
    """0.60 to 0.90 for a range whose edges were tested and held, else NaN.

    A test comes within 1.5 ticks (or a quarter of a mean true range) of the edge; it is respected when the
    bar closes farther away than that.
    """
    begin, after = last - REGIME_BARS + 1, last + 1
    top, bottom = max(columns.highs[begin:after]), min(columns.lows[begin:after])
    if not RANGE_TICKS_MIN <= top - bottom <= max(RANGE_TICKS_MAX, RANGE_ATR_MAX * atr_ticks):
        return nan
    near = max(1.5, 0.25 * atr_ticks)
    above = below = respected = 0
    for place in range(begin, after):
        close = columns.closes[place]
        if top - columns.highs[place] <= near:
            above += 1
            respected += top - close > near
        if columns.lows[place] - bottom <= near:
            below += 1
            respected += close - bottom > near
    tests = above + below
    if min(above, below) < RANGE_TESTS_MIN:
        return nan
    share = respected / tests
    if share < RANGE_RESPECTED_MIN:
        return nan
    return 0.60 + 0.30 * min((tests - 2 * RANGE_TESTS_MIN) / 6, 1.0) * share
