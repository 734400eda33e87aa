"""Battle Navale on the entry timeframe (domain section 3), threshold by volatility regime (section 6)."""

from collections.abc import Mapping

from mia_actors.core.features import StrategyReading, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import Timeframe
from mia_actors.strategies.thresholds import THRESHOLD_BY_REGIME, called, unavailable

NAME = "battle_navale"


def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe) -> StrategyReading:
    """The signed battle signal against the threshold of the present volatility."""
    own = features.get(entry_timeframe)
    if own is None or own.battle is None or own.volatility_regime is None:
        missing = "battle" if own is None or own.battle is None else "volatility regime"
        return unavailable(
            NAME,
            threshold=THRESHOLD_BY_REGIME[VolatilityRegime.NORMAL],
            missing=f"no {missing} on {entry_timeframe}",
        )
    battle = own.battle
    return called(
        NAME,
        score=battle.signal,
        confidence=battle.confidence,
        threshold=THRESHOLD_BY_REGIME[own.volatility_regime],
        basis=(
            f"{own.volatility_regime} volatility, outcome {battle.outcome:+.2f}, "
            f"continuation {battle.continuation:+.2f}, base quality {battle.base_quality:.2f}, "
            f"golden rule {'holds' if battle.golden_rule_holds else 'does not hold'}"
        ),
    )
