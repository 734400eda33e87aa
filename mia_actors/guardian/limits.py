"""The guardian's limits: every one with its unit, its bounds and a default that is on the safe side."""

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class GuardianSettings(BaseModel):
    """Limits of one account; contradictory or absurd ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str = Field(default="guardian", description="Name under connections.")
    daily_loss_limit_usd: Decimal = Field(
        default=Decimal(200), gt=0, le=500, description="Loss of a trade date that halts, USD."
    )
    account_balance_min_usd: Decimal = Field(
        default=Decimal(1000), ge=0, le=10_000_000, description="Equity below which trading halts, USD."
    )
    position_contracts_max: int = Field(
        default=1, ge=1, le=2, description="Contracts; more than that is flattened."
    )
    consecutive_losses_max: int = Field(
        default=5, ge=1, le=100, description="Losses in a row that pause new entries."
    )
    consecutive_losses_pause_s: float = Field(
        default=3600.0, gt=0, le=86_400, description="Length of that pause, market seconds."
    )
    trades_per_hour_warning: int = Field(
        default=10, ge=1, le=1000, description="Round trips within an hour that are worth a warning."
    )
    warning_share: float = Field(default=0.5, gt=0, lt=1, description="Share of the daily loss that warns.")
    critical_share: float = Field(default=0.8, gt=0, lt=1, description="Share of it that is critical.")
    permit_ttl_s: float = Field(default=1.0, ge=0.05, le=30, description="Life of a permit.")
    permit_wait_s: float = Field(
        default=20.0, gt=0, le=120, description="Seconds a permit request waits for the market time it names."
    )
    connect_within_s: float = Field(default=30.0, gt=0, le=600, description="Seconds to get a session.")
    connect_timeout_s: float = Field(default=10.0, gt=0, le=120, description="Seconds for one attempt.")
    request_timeout_s: float = Field(default=20.0, gt=0, le=300, description="Seconds for one request.")
    roll_days: int = Field(
        default=8, ge=0, le=60, description="Days before expiry from which the next is traded."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.warning_share >= self.critical_share:
            raise ValueError(
                f"warning_share {self.warning_share} must be below critical_share {self.critical_share}"
            )
        return self
