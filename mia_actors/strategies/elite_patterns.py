"""Elite patterns (domain section 3.1): the headfake; the others need inputs that a feed of bars does not have.

The gamma pin needs gamma levels: unavailable. The microstructure anomaly says that something is unusual, not which
way, and so it never calls a side.
"""

from collections.abc import Mapping

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.strategies.thresholds import called, unavailable

NAME = "elite_patterns"
TRAP = 0.7
"""From here on the headfake is a trap; below it, to 0.3, it is a fake within a range and calls nothing."""


def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe) -> StrategyReading:
    """Against those who were trapped beyond the last extreme."""
    own = features.get(entry_timeframe)
    if own is None or own.headfake is None:
        return unavailable(NAME, threshold=TRAP, missing=f"no headfake reading on {entry_timeframe}")
    who = "sellers" if own.headfake > 0 else "buyers"
    basis = f"{who} trapped beyond the extreme of nine bars" if own.headfake else "no new extreme on volume"
    return called(
        NAME,
        score=own.headfake,
        confidence=abs(own.headfake),
        threshold=TRAP,
        basis=f"{basis}; gamma pin unavailable: no gamma levels",
    )
