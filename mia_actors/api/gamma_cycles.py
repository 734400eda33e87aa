"""`GammaCyclesAnalyzer`: where a moment stands in the monthly cycle of expiries (domain section 9)."""

from dataclasses import dataclass
from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.calendar import new_york
from mia_actors.core.clock import Clock, SystemClock, time_ns_of
from mia_actors.risk.gamma import GammaPhase, gamma_cycle


class GammaCyclesConfig(BaseModel):
    """The domain's factor of each phase; they inform, and a session applies none but the size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expiry_week_factor: float = Field(default=0.70, gt=0, le=2)
    gamma_peak_factor: float = Field(default=1.30, gt=0, le=2)
    gamma_moderate_factor: float = Field(default=1.10, gt=0, le=2)
    normal_factor: float = Field(default=1.00, gt=0, le=2)
    post_expiry_factor: float = Field(default=1.05, gt=0, le=2)

    def factor_of(self, phase: GammaPhase) -> float:
        """The factor of one phase."""
        return float(getattr(self, f"{phase.value}_factor"))


EXPECTED_VOLATILITY = {
    GammaPhase.EXPIRY_WEEK: "high",
    GammaPhase.GAMMA_PEAK: "moderate",
    GammaPhase.GAMMA_MODERATE: "moderate",
    GammaPhase.NORMAL: "low",
    GammaPhase.POST_EXPIRY: "low",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GammaCycleAnalysis:
    """The phase of a moment. A calendar only: no gamma exposure is used or implied."""

    day: date
    """In New York."""
    next_expiry: date
    last_expiry: date
    days_to_expiry: int
    """Calendar days in New York; an expiry day counts as to come until 16:00."""
    days_since_expiry: int
    phase: GammaPhase
    factor: float
    expected_volatility: str
    size_multiplier: float
    """The one factor that a session applies, to Kelly's amount."""
    confidence_multiplier: float
    """The domain's; applied nowhere, since a factor is applied once."""
    reason: str


class GammaCyclesAnalyzer:
    """Third Fridays, or the Thursday before where that is a holiday, 16:00 in New York."""

    def __init__(self, config: GammaCyclesConfig | None = None, *, clock: Clock | None = None) -> None:
        self._config = config or GammaCyclesConfig()
        self._clock = clock or SystemClock()

    def analyze_gamma_cycle(self, moment: datetime | None = None) -> GammaCycleAnalysis:
        """The phase of a moment, or of now by the clock given.

        Raises:
            ValueError: the moment has no time zone.
        """
        if moment is not None and moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone: say which, for example zoneinfo's America/New_York")
        time_ns = self._clock.now_ns() if moment is None else time_ns_of(moment)
        found = gamma_cycle(time_ns)
        factor = self._config.factor_of(found.phase)
        return GammaCycleAnalysis(
            day=new_york(time_ns).date(),
            next_expiry=found.next_expiry,
            last_expiry=found.last_expiry,
            days_to_expiry=found.days_to,
            days_since_expiry=found.days_since,
            phase=found.phase,
            factor=factor,
            expected_volatility=EXPECTED_VOLATILITY[found.phase],
            size_multiplier=found.size_factor,
            confidence_multiplier=factor,
            reason=found.reason,
        )
