"""True range against its past, and the regime it makes (domain section 6, without VIX)."""

from math import nan
from typing import NamedTuple

from mia_actors.core.features import VolatilityRegime
from mia_actors.core.kernel import kernel
from mia_actors.features.base import RANGE_BARS
from mia_actors.features.columns import Columns

HISTORY_MIN = 10
RECENT_REGIMES = 3
VOLATILITY_REGIMES = tuple(VolatilityRegime)
LOW, NORMAL, TRANSITIONING, HIGH, EXTREME = (float(number) for number in range(len(VOLATILITY_REGIMES)))
"""Places in `VOLATILITY_REGIMES`."""


class Volatility(NamedTuple):
    """How much the market moves; a field is NaN until there are bars enough."""

    atr_ticks: float
    ratio: float
    regime: float
    """A place in `VOLATILITY_REGIMES`."""


@kernel
def read_volatility(columns: Columns, first: int, last: int) -> Volatility:
    """Mean true range of 20 bars, its recent ratio, and the regime.

    The feed has no VIX. The domain's VIX conditions are replaced by the rank of the ratio among those of the
    window: a ratio beyond a threshold that was common lately is no news. Extreme: ratio > 2.0 and rank
    >= 0.95; high: > 1.5 and >= 0.80; low: < 0.8 and <= 0.35; transitioning: otherwise, when one of the last
    three bars was in another regime; else normal. Where no price moved in 20 bars the ratio does not exist.
    """
    if last - first < RANGE_BARS:
        return Volatility(nan, nan, nan)
    atr_ticks = columns.range_sums[last] / RANGE_BARS
    if columns.range_sums[last] == 0:
        return Volatility(atr_ticks, nan, nan)
    begin = first + RANGE_BARS
    ratio = columns.volatility_ratios[last]
    if last - begin + 1 < HISTORY_MIN + RECENT_REGIMES:
        return Volatility(atr_ticks, ratio, nan)
    regime = _regime(columns, begin, last, last)
    if regime == NORMAL:
        for earlier in range(last - RECENT_REGIMES + 1, last):
            if _regime(columns, begin, last, earlier) != NORMAL:
                regime = TRANSITIONING
    return Volatility(atr_ticks, ratio, regime)


@kernel
def _regime(columns: Columns, begin: int, last: int, place: int) -> float:
    ratio = columns.volatility_ratios[place]
    if 0.8 <= ratio <= 1.5:
        return NORMAL
    below = equal = 0
    for other in range(begin, last + 1):
        below += columns.volatility_ratios[other] < ratio
        equal += columns.volatility_ratios[other] == ratio
    rank = (2 * below + equal) / (2 * (last - begin + 1))
    if ratio > 2.0 and rank >= 0.95:
        return EXTREME
    if ratio > 1.5 and rank >= 0.80:
        return HIGH
    if ratio < 0.8 and rank <= 0.35:
        return LOW
    return NORMAL
