"""A strategy of your own: one function in one module.

Name the module in supervision.yaml, `strategies: [battle_navale, smart_money, my_package.my_strategy]`, and see that it
can be imported (`pip install -e` your package, or PYTHONPATH). docs/strategies.md tells what it may look at.
"""

from collections.abc import Mapping

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.strategies.thresholds import called, unavailable

THRESHOLD = 0.30


def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe) -> StrategyReading:
    """Follows momentum where the market trends the same way."""
    own = features.get(entry_timeframe)
    if own is None or own.momentum is None or own.market_regime is None:
        return unavailable("momentum", threshold=THRESHOLD, missing=f"no momentum on {entry_timeframe}")
    score = own.momentum if own.momentum * own.regime_direction > 0 else 0.0
    return called(
        "momentum",
        score=score,
        confidence=abs(score),
        threshold=THRESHOLD,
        basis=f"momentum {own.momentum:+.2f} in {own.market_regime}",
    )
