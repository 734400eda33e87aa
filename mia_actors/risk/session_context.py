"""The session's context (domain section 14): the phase of the day, and what the day has been like so far.

Three columns of one table, each applied once and in its own place: the threshold to the confidence a signal needs,
the size to Kelly's amount, the risk as a divisor of what one trade may risk. Phases are the domain's, whose reference
kept them in UTC of winter, moved to New York time.
"""

from dataclasses import dataclass
from datetime import time

from mia_actors.core.calendar import new_york
from mia_actors.core.features import MarketRegime, TimeframeFeatures, VolatilityRegime

TIGHT_TICKS, CHOPPY_TICKS, EXTREME_TICKS = 40, 160, 240
"""Ranges of a day so far: 10, 40 and 60 points."""
MUCH_VOLUME, SOME_VOLUME, LITTLE_VOLUME = 1.2, 0.8, 0.5
"""Relative to the mean of ten bars."""
QUALITY_MIN = 0.45
"""The domain's 0.30 is the least that its table can add up to, and never undercut. Under 0.45 lunch,
little volume and high volatility come together."""
VOLUME_WEIGHT, VOLATILITY_WEIGHT, PHASE_WEIGHT = 0.30, 0.25, 0.25
"""Most that each part adds to the quality; the spread's 0.20 needs quotes, which bars do not have."""
VOLATILITY_QUALITY = {
    VolatilityRegime.LOW: 0.25,
    VolatilityRegime.NORMAL: 0.25,
    VolatilityRegime.TRANSITIONING: 0.15,
    VolatilityRegime.HIGH: 0.15,
    VolatilityRegime.EXTREME: 0.05,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of the day, New York time."""

    name: str
    begin: time
    end: time
    threshold: float
    size: float
    risk: float
    is_active: bool
    """Counts full for the quality of the session."""


PHASES = (
    Phase(name="london_open", begin=time(3), end=time(4), threshold=0.85, size=0.8, risk=1.2, is_active=True),
    Phase(
        name="opening", begin=time(9, 30), end=time(10), threshold=0.75, size=1.0, risk=1.0, is_active=True
    ),
    Phase(name="morning", begin=time(10), end=time(12), threshold=0.70, size=1.0, risk=0.9, is_active=True),
    Phase(name="lunch", begin=time(12), end=time(14), threshold=0.80, size=0.6, risk=1.3, is_active=False),
    Phase(name="close", begin=time(14), end=time(16), threshold=0.85, size=0.7, risk=1.1, is_active=True),
)
OTHER = Phase(name="other", begin=time(0), end=time(0), threshold=0.75, size=1.0, risk=1.0, is_active=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What the session asks of a trade."""

    phase: str
    threshold: float
    """Confidence needed, in [0.60, 0.95]."""
    size_factor: float
    """In [0.3, 2]."""
    risk_factor: float
    """In [0.5, 3]."""
    quality: float
    """In [0, 1], over the parts that are available."""
    is_suspended: bool
    reason: str


def session_context(
    time_ns: int, features: TimeframeFeatures, session_range_ticks: int | None
) -> SessionContext:
    """The context at a moment, by the readings of the entry timeframe and the range of the trade date so far.

    What is unavailable adjusts nothing, and the quality is taken over the rest.
    """
    phase = phase_at(new_york(time_ns).time())
    threshold, size, risk, said = phase.threshold, phase.size, phase.risk, [phase.name]
    for name, applies, change in _adjustments(features, session_range_ticks):
        if applies:
            threshold, size, risk = threshold + change[0], size + change[1], risk + change[2]
            said.append(name)
    quality = _quality(phase, features)
    extreme = features.volatility_regime is VolatilityRegime.EXTREME
    return SessionContext(
        phase=phase.name,
        threshold=min(max(threshold, 0.60), 0.95),
        size_factor=min(max(size, 0.3), 2.0),
        risk_factor=min(max(risk, 0.5), 3.0),
        quality=quality,
        is_suspended=extreme or quality < QUALITY_MIN,
        reason=f"{', '.join(said)}; quality {quality:.2f}{', extreme volatility' if extreme else ''}",
    )


def phase_at(local: time) -> Phase:
    """The phase of a New York wall-clock time."""
    return next((phase for phase in PHASES if phase.begin <= local < phase.end), OTHER)


def _adjustments(
    features: TimeframeFeatures, session_range_ticks: int | None
) -> tuple[tuple[str, bool, tuple[float, float, float]], ...]:
    trending = features.market_regime in {MarketRegime.STRONG_TREND, MarketRegime.WEAK_TREND}
    volume, reach = features.relative_volume, session_range_ticks
    busy = volume is not None and volume >= MUCH_VOLUME
    extreme = reach is not None and reach > EXTREME_TICKS
    return (
        ("trending", trending, (-0.05, 0.2, 0.0)),
        ("tight range", reach is not None and reach < TIGHT_TICKS, (0.10, -0.3, 0.2)),
        ("choppy", reach is not None and reach > CHOPPY_TICKS and busy and not extreme, (0.15, -0.5, 0.5)),
        ("very low volume", volume is not None and volume < LITTLE_VOLUME, (0.0, -0.2, 0.3)),
        ("extreme range", extreme, (0.10, -0.4, 0.6)),
    )


def _quality(phase: Phase, features: TimeframeFeatures) -> float:
    total, weights = (PHASE_WEIGHT if phase.is_active else 0.10), PHASE_WEIGHT
    if features.relative_volume is not None:
        volume = features.relative_volume
        total += 0.30 if volume >= MUCH_VOLUME else 0.20 if volume >= SOME_VOLUME else 0.10
        weights += VOLUME_WEIGHT
    if features.volatility_regime is not None:
        total += VOLATILITY_QUALITY[features.volatility_regime]
        weights += VOLATILITY_WEIGHT
    return total / weights
