"""True range against its past, and the regime it makes (domain section 6, without VIX)."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from mia_actors.core.features import VolatilityRegime
from mia_actors.features.base import RANGE_BARS
from mia_actors.features.window import BarWindow

HISTORY_MIN = 10
RECENT_REGIMES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VolatilityReading:
    """How much the market moves; a field is None until there are bars enough."""

    atr_ticks: float | None = None
    ratio: float | None = None
    regime: VolatilityRegime | None = None


def read_volatility(window: BarWindow) -> VolatilityReading:
    """Mean true range of 20 bars, its recent ratio, and the regime.

    The feed has no VIX. The domain's VIX conditions are replaced by the rank of the ratio among those of the
    window: a ratio beyond a threshold that was common lately is no news. Extreme: ratio > 2.0 and rank
    >= 0.95; high: > 1.5 and >= 0.80; low: < 0.8 and <= 0.35; transitioning: otherwise, when one of the last
    three bars was in another regime; else normal. Where no price moved in 20 bars the ratio does not exist.
    """
    if len(window) <= RANGE_BARS:
        return VolatilityReading()
    atr_ticks = window.range_sums[-1] / RANGE_BARS
    if window.range_sums[-1] == 0:
        return VolatilityReading(atr_ticks=atr_ticks)
    ratios = window.volatility_ratios[RANGE_BARS:]
    ratio = ratios[-1]
    if len(ratios) < HISTORY_MIN + RECENT_REGIMES:
        return VolatilityReading(atr_ticks=atr_ticks, ratio=ratio)
    ordered = sorted(ratios)
    regimes = [_regime(recent, ordered) for recent in ratios[-RECENT_REGIMES:]]
    regime = regimes[-1]
    if regime is VolatilityRegime.NORMAL and (regimes[0] is not regime or regimes[1] is not regime):
        regime = VolatilityRegime.TRANSITIONING
    return VolatilityReading(atr_ticks=atr_ticks, ratio=ratio, regime=regime)


def _regime(ratio: float, ordered: list[float]) -> VolatilityRegime:
    if 0.8 <= ratio <= 1.5:
        return VolatilityRegime.NORMAL
    rank = (bisect_left(ordered, ratio) + bisect_right(ordered, ratio)) / (2 * len(ordered))
    if ratio > 2.0 and rank >= 0.95:
        return VolatilityRegime.EXTREME
    if ratio > 1.5 and rank >= 0.80:
        return VolatilityRegime.HIGH
    if ratio < 0.8 and rank <= 0.35:
        return VolatilityRegime.LOW
    return VolatilityRegime.NORMAL
