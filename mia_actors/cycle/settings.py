"""Every number of the decision, with its unit and its bounds."""

from datetime import time
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.risk.sizing import RiskSettings
from mia_actors.strategies.registry import DEFAULT, check_strategy_names

GLOBEX_CLOSE = time(17, 0)
"""New York, on full days."""


Share = Annotated[Decimal, Field(gt=0, le=1)]


class DecisionSettings(BaseModel):
    """Gates in the order they are passed. Times are New York's, on the exchange's business days."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategies: tuple[str, ...] = Field(
        default=DEFAULT,
        description="Strategies asked: built-in names, or dotted paths of modules of your own.",
    )
    entry_timeframe: Timeframe = Field(
        default=Timeframe.M5, description="Entries are decided when a bar of it closes."
    )
    entries_from: time = Field(default=time(9, 35), description="First entry.")
    entries_until: time = Field(default=time(15, 45), description="No entry from here on.")
    flat_by: time = Field(default=time(15, 55), description="An open position is closed from here on.")
    strategies_agree_min: int = Field(
        default=2, ge=1, le=10, description="Strategies that must call the side; none may call the other."
    )
    confluence_coverage_min: float = Field(
        default=0.50, ge=0, le=1, description="Weight of the available confluence inputs."
    )
    confluence_min: float = Field(default=0.60, ge=0.5, lt=1, description="Confluence relative to the side.")
    confidence_min: float = Field(default=0.65, ge=0, lt=1, description="Assembled confidence of the signal.")
    trades_per_day_max: int = Field(default=20, ge=1, le=200, description="Entries per trade date.")
    holding_minutes_max: int = Field(default=120, ge=5, le=1440, description="Longest holding time.")
    stop_ticks_max: int = Field(default=20, ge=2, le=80, description="A wider stop is refused.")
    risk_reward_min: float = Field(default=1.5, ge=1, le=10, description="Target over stop distance.")
    risk: RiskSettings = Field(default=RiskSettings(), description="Caps of one trade.")
    allocation: dict[str, Share] = Field(
        default={},
        description="Share of the day's allowance that a strategy may put at risk; without: no cap.",
    )
    session_context: bool = Field(
        default=False,
        description="Take confidence, size and risk from the phase of the day (domain section 14).",
    )

    @field_validator("strategies")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        try:
            check_strategy_names(names)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.entries_from < self.entries_until <= self.flat_by:
            raise ValueError("entries_from must be before entries_until, and that not after flat_by")
        if self.flat_by >= GLOBEX_CLOSE:
            raise ValueError(f"flat_by must be before {GLOBEX_CLOSE:%H:%M}, when the exchange closes")
        if self.strategies_agree_min > len(self.strategies):
            raise ValueError(
                f"strategies_agree_min {self.strategies_agree_min} is more than there are strategies"
            )
        unasked = sorted(set(self.allocation) - set(self.strategies))
        if unasked:
            raise ValueError(
                f"allocation: {', '.join(unasked)} is not among the strategies; allowed: {', '.join(self.strategies)}"
            )
        return self


class CycleSettings(DecisionSettings):
    """The decision settings and the runner's limits."""

    stage_timeout_s: float = Field(
        default=60.0, gt=0, le=600, description="Seconds one stage may take, restarts of its actor included."
    )
    bar_wait_s: float = Field(
        default=1.0, gt=0, le=30, description="Length of one long poll for the next bar."
    )
    stage_failures_max: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Failed runs of one cycle before the runner gives up and crashes.",
    )
