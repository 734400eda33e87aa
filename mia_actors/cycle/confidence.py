"""Confidence of a signal (domain section 10): directional agreement, over what is available."""

from collections.abc import Mapping, Sequence
from math import isnan, nan

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.kernel import kernel
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies import battle_navale, mtf_confluence, smart_money

STRATEGY, BATTLE, CONFLUENCE, REGIME, MTF, SMART_MONEY = 0.15, 0.20, 0.15, 0.10, 0.15, 0.10
NAMED = (battle_navale.NAME, mtf_confluence.NAME, smart_money.NAME)
_WEIGHTS = np.array([BATTLE, MTF, SMART_MONEY])


def confidence(
    features: Mapping[Timeframe, TimeframeFeatures],
    entry_timeframe: Timeframe,
    readings: Sequence[StrategyReading],
    side: Side,
    support: float,
) -> float:
    """Weighted mean in [0, 1] of what speaks for `side`, renormalised over the parts available.

    Signed parts x count (side · x + 1) / 2. The ensemble has its own gate and the gamma phase its
    own factor: neither counts here a second time.
    """
    available = {reading.strategy: reading for reading in readings if reading.available}
    scores = [available[name].score if name in available else nan for name in NAMED]
    calling = [reading.confidence for reading in available.values() if reading.side is side]
    entry = features[entry_timeframe]
    return assemble(
        side.sign,
        support,
        np.array(scores),
        sum(calling) / len(calling) if calling else nan,
        entry.regime_direction,
        nan if entry.regime_confidence is None else entry.regime_confidence,
    )


@kernel
def assemble(
    side: int,
    support: float,
    scores: NDArray[np.float64],
    calling: float,
    regime_direction: int,
    regime_confidence: float,
) -> float:
    """The weighted mean; `scores` by place in `NAMED`, `calling` the mean confidence of those who call the side.

    NaN is unavailable.
    """
    total, weights = CONFLUENCE * support, CONFLUENCE
    for place in range(len(scores)):
        if not isnan(scores[place]):
            total += _WEIGHTS[place] * ((side * scores[place] + 1) / 2)
            weights += _WEIGHTS[place]
    if not isnan(calling):
        total += STRATEGY * calling
        weights += STRATEGY
    if not isnan(regime_confidence):
        total += REGIME * ((side * regime_direction * regime_confidence + 1) / 2)
        weights += REGIME
    return total / weights
