"""Stop and target distances (domain section 11), in ticks."""

import math
from dataclasses import dataclass

from mia_actors.core.features import MarketRegime, TimeframeFeatures, VolatilityRegime
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
    regime = features.market_regime or MarketRegime.UNCLEAR
    distance = float(STOP_TICKS.get(regime, STOP_TICKS_OTHER))
    battle = features.battle
    if battle is not None and battle.base_quality > GOOD_BASE:
        distance *= GOOD_BASE_FACTOR
    distance *= VOLATILITY_STOP[features.volatility_regime or VolatilityRegime.NORMAL]
    if features.atr_ticks is not None:
        distance = max(distance, features.atr_ticks)
    stop = max(math.ceil(distance), _beyond_base(features, side))
    reward = REWARD.get(regime, REWARD_OTHER)
    if confluence > STRONG_CONFLUENCE:
        reward *= STRONG_CONFLUENCE_FACTOR
    return Bracket(stop_ticks=stop, target_ticks=math.ceil(stop * reward))


def _beyond_base(features: TimeframeFeatures, side: Side) -> int:
    """Distance to two ticks beyond the base that protects the position; 0 where there is none on that side."""
    battle = features.battle
    if battle is None or battle.base_low_ticks is None or battle.base_high_ticks is None:
        return 0
    edge = battle.base_low_ticks if side is Side.BUY else battle.base_high_ticks
    beyond = (features.close_ticks - edge) * side.sign
    return beyond + BASE_MARGIN_TICKS if beyond >= 0 else 0
