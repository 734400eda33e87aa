"""The one producer of the eight ensemble features, for training and for serving (domain section 8)."""

from collections.abc import Mapping, Sequence

from mia_actors.core.calendar import new_york
from mia_actors.core.features import (
    EnsembleVector,
    StrategyReading,
    TimeframeFeatures,
    VolatilityRegime,
)
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies import mtf_confluence

REGIME_ORDINAL = {
    VolatilityRegime.LOW: 0.0,
    VolatilityRegime.NORMAL: 0.25,
    VolatilityRegime.TRANSITIONING: 0.5,
    VolatilityRegime.HIGH: 0.75,
    VolatilityRegime.EXTREME: 1.0,
}
OPEN_MINUTE = 9 * 60 + 30
SESSION_MINUTES = 390


def ensemble_vector(
    features: Mapping[Timeframe, TimeframeFeatures],
    entry_timeframe: Timeframe,
    readings: Sequence[StrategyReading],
    *,
    side: Side,
    confluence: float,
    event_time_ns: int,
) -> EnsembleVector | None:
    """The eight features relative to `side`, or None where one is unavailable: then the ensemble abstains.

    Directional inputs x become (side · x + 1) / 2, so a long and its mirrored short give the same vector.
    Only timeframes from the entry timeframe up are read: a 1-minute tape and a 5-minute one give the same.
    `confluence` is relative to the side, in [0, 1].
    """
    entry = features.get(entry_timeframe)
    mtf = next((one for one in readings if one.strategy == mtf_confluence.NAME and one.available), None)
    if entry is None or mtf is None:
        return None
    unsigned = (entry.level_proximity, entry.regime_confidence)
    signed = (entry.momentum, entry.volume_profile)
    if any(value is None for value in (*unsigned, *signed)) or entry.volatility_regime is None:
        return None

    def toward(value: float | None) -> float:
        return _clipped((side.sign * (value or 0.0) + 1) / 2)

    return EnsembleVector(
        values=(
            toward(entry.momentum),
            toward(mtf.score),
            toward(entry.volume_profile),
            _clipped(entry.level_proximity or 0.0),
            _clipped(confluence),
            toward((entry.regime_confidence or 0.0) * entry.regime_direction),
            REGIME_ORDINAL[entry.volatility_regime],
            time_factor(event_time_ns),
        )
    )


def time_factor(event_time_ns: int) -> float:
    """Place in the regular session: 0 at 09:30 New York, 1 at 16:00; a calendar fact, nothing tuned."""
    moment = new_york(event_time_ns)
    return _clipped((moment.hour * 60 + moment.minute - OPEN_MINUTE) / SESSION_MINUTES)


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
