"""The gamma cycle (domain section 9): a calendar of monthly expiries; its factor is applied once, to size.

No gamma exposure is used or implied. Days are calendar days in New York, where expiry is at 16:00.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum

from mia_actors.core.calendar import monthly_expiry, new_york

EXPIRY_TIME = time(16, 0)


class GammaPhase(StrEnum):
    """Where the month stands relative to expiry."""

    EXPIRY_WEEK = "expiry_week"
    GAMMA_PEAK = "gamma_peak"
    GAMMA_MODERATE = "gamma_moderate"
    NORMAL = "normal"
    POST_EXPIRY = "post_expiry"


SIZE_FACTORS = {
    GammaPhase.EXPIRY_WEEK: 0.8,
    GammaPhase.GAMMA_PEAK: 1.2,
    GammaPhase.GAMMA_MODERATE: 1.0,
    GammaPhase.NORMAL: 1.0,
    GammaPhase.POST_EXPIRY: 1.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaCycle:
    """The phase of a moment and what it does to size."""

    phase: GammaPhase
    size_factor: float
    next_expiry: date
    last_expiry: date
    days_to: int
    days_since: int
    reason: str


def gamma_cycle(time_ns: int) -> GammaCycle:
    """Phase of a moment. Post-expiry comes first, then the distance to the next expiry decides."""
    moment = new_york(time_ns)
    following, last = _expiries_around(moment)
    days_to, days_since = (following - moment.date()).days, (moment.date() - last).days
    phase = _phase(days_to, days_since)
    return GammaCycle(
        phase=phase,
        size_factor=SIZE_FACTORS[phase],
        next_expiry=following,
        last_expiry=last,
        days_to=days_to,
        days_since=days_since,
        reason=f"{phase.value}: {days_to} days to expiry {following}, {days_since} since {last}",
    )


def _phase(days_to: int, days_since: int) -> GammaPhase:
    if days_since <= 2 and days_to > 15:
        return GammaPhase.POST_EXPIRY
    if days_to <= 2:
        return GammaPhase.EXPIRY_WEEK
    if days_to <= 5:
        return GammaPhase.GAMMA_PEAK
    return GammaPhase.GAMMA_MODERATE if days_to <= 10 else GammaPhase.NORMAL


def _expiries_around(moment: datetime) -> tuple[date, date]:
    """Next and last expiry: an expiry day counts as next until 16:00."""
    passed_today = moment.time() >= EXPIRY_TIME
    year, month = moment.year, moment.month
    this = monthly_expiry(year, month)
    if this < moment.date() or (this == moment.date() and passed_today):
        return monthly_expiry(*_shifted(year, month, 1)), this
    return this, monthly_expiry(*_shifted(year, month, -1))


def _shifted(year: int, month: int, by: int) -> tuple[int, int]:
    index = year * 12 + month - 1 + by
    return index // 12, index % 12 + 1
