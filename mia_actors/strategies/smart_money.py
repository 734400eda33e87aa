"""Smart-money flow on the entry timeframe (domain section 4)."""

from collections.abc import Mapping

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.strategies.thresholds import called, unavailable

NAME = "smart_money"
THRESHOLD = 0.50


def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe) -> StrategyReading:
    """The signed flow score against a fixed threshold; says whether the flow is an estimate."""
    own = features.get(entry_timeframe)
    if own is None or own.flow is None:
        return unavailable(NAME, threshold=THRESHOLD, missing=f"no flow on {entry_timeframe}")
    flow = own.flow
    return called(
        NAME,
        score=flow.score,
        confidence=flow.confidence,
        threshold=THRESHOLD,
        basis=(
            f"{'estimated ' if flow.estimated else ''}flow {flow.flow:+.2f}, "
            f"intensity {flow.intensity:.2f}, persistence {flow.persistence:.2f}"
        ),
    )
