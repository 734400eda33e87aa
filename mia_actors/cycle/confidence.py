"""Confidence of a signal (domain section 10): directional agreement, over what is available."""

from collections.abc import Mapping, Sequence

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies import battle_navale, mtf_confluence, smart_money

STRATEGY, BATTLE, CONFLUENCE, REGIME, MTF, SMART_MONEY = 0.15, 0.20, 0.15, 0.10, 0.15, 0.10


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
    parts: list[tuple[float, float]] = [(CONFLUENCE, support)]
    available = {reading.strategy: reading for reading in readings if reading.available}
    for weight, name in (
        (BATTLE, battle_navale.NAME),
        (MTF, mtf_confluence.NAME),
        (SMART_MONEY, smart_money.NAME),
    ):
        if name in available:
            parts.append((weight, (side.sign * available[name].score + 1) / 2))
    calling = [reading.confidence for reading in available.values() if reading.side is side]
    if calling:
        parts.append((STRATEGY, sum(calling) / len(calling)))
    entry = features[entry_timeframe]
    if entry.regime_confidence is not None:
        parts.append((REGIME, (side.sign * entry.regime_direction * entry.regime_confidence + 1) / 2))
    return sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)
