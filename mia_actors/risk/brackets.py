"""Stop and target distances (domain section 11), in ticks."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, isnan, nan

import numpy as np

from mia_actors.core.features import EntryPlan, MarketRegime, TimeframeFeatures, VolatilityRegime
from mia_actors.core.kernel import kernel
from mia_actors.core.orders import Side

STOP_TICKS = {MarketRegime.STRONG_TREND: 8, MarketRegime.WEAK_TREND: 8, MarketRegime.RANGE: 4}
STOP_TICKS_OTHER = 6
REWARD = {MarketRegime.STRONG_TREND: 2.5, MarketRegime.WEAK_TREND: 2.5, MarketRegime.RANGE: 1.5}
REWARD_OTHER = 2.0
GOOD_BASE = 0.8
GOOD_BASE_FACTOR = 0.8
BASE_MARGIN_TICKS = 2
STRONG_CONFLUENCE = 0.8
STRONG_CONFLUENCE_FACTOR = 1.2
VOLATILITY_STOP = {
    VolatilityRegime.LOW: 0.8,
    VolatilityRegime.NORMAL: 1.0,
    VolatilityRegime.TRANSITIONING: 1.2,
    VolatilityRegime.HIGH: 1.5,
    VolatilityRegime.EXTREME: 2.0,
}


MARKET_REGIMES, VOLATILITY_REGIMES = tuple(MarketRegime), tuple(VolatilityRegime)
_STOP_TICKS = np.array([float(STOP_TICKS.get(regime, STOP_TICKS_OTHER)) for regime in MARKET_REGIMES])
_REWARD = np.array([REWARD.get(regime, REWARD_OTHER) for regime in MARKET_REGIMES])
_VOLATILITY_STOP = np.array([VOLATILITY_STOP[regime] for regime in VOLATILITY_REGIMES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """Distances from the entry price."""

    stop_ticks: int
    target_ticks: int

    @property
    def reward_over_risk(self) -> float:
        """Target distance over stop distance."""
        return self.target_ticks / self.stop_ticks


def bracket(features: TimeframeFeatures, side: Side, confluence: float) -> Bracket:
    """Stop by regime and volatility, never inside one mean true range nor inside the base; target as multiple.

    The regime's few ticks are the domain's; ES of another year moves a multiple of them in one bar, so the
    stop is at least the mean true range of the entry timeframe. `confluence` is relative to `side`.
    """
    battle = features.battle
    low_ticks = battle.base_low_ticks if battle is not None else None
    high_ticks = battle.base_high_ticks if battle is not None else None
    stop, target = bracket_ticks(
        MARKET_REGIMES.index(features.market_regime or MarketRegime.UNCLEAR),
        VOLATILITY_REGIMES.index(features.volatility_regime or VolatilityRegime.NORMAL),
        0.0 if battle is None else battle.base_quality,
        nan if low_ticks is None else float(low_ticks),
        nan if high_ticks is None else float(high_ticks),
        nan if features.atr_ticks is None else features.atr_ticks,
        features.close_ticks,
        side.sign,
        confluence,
    )
    return Bracket(stop_ticks=stop, target_ticks=target)


def planned(found: Bracket, plans: Iterable[EntryPlan]) -> Bracket:
    """The bracket that suits every strategy with a plan: the widest of the stops, the nearest of the targets."""
    for plan in plans:
        found = Bracket(
            stop_ticks=max(found.stop_ticks, plan.stop_ticks),
            target_ticks=min(found.target_ticks, plan.target_ticks),
        )
    return found


@kernel
def bracket_ticks(
    market_regime: int,
    volatility_regime: int,
    base_quality: float,
    base_low_ticks: float,
    base_high_ticks: float,
    atr_ticks: float,
    close_ticks: int,
    side: int,
    confluence: float,
) -> tuple[int, int]:
    """Stop and target of `bracket`; regimes by their places, NaN where there is none."""
    distance = _STOP_TICKS[market_regime]
    if base_quality > GOOD_BASE:
        distance *= GOOD_BASE_FACTOR
    distance *= _VOLATILITY_STOP[volatility_regime]
    if not isnan(atr_ticks):
        distance = max(distance, atr_ticks)
    stop = ceil(distance)
    # Two ticks beyond the base that protects the position, where there is one on that side.
    edge = base_low_ticks if side > 0 else base_high_ticks
    if not isnan(edge) and (close_ticks - edge) * side >= 0:
        stop = max(stop, int((close_ticks - edge) * side) + BASE_MARGIN_TICKS)
    reward = _REWARD[market_regime]
    if confluence > STRONG_CONFLUENCE:
        reward *= STRONG_CONFLUENCE_FACTOR
    return stop, ceil(stop * reward)
