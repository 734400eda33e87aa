"""The fitted numbers of ES that the synthetic generator draws from."""

from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

SESSION_MINUTES = 1380
"""17:00 to 16:00 Chicago."""
BIN_MINUTES = 5
SESSION_BINS = SESSION_MINUTES // BIN_MINUTES

PROFILE_FILE = Path(__file__).with_name("es_profile.json")


class Moments(BaseModel):
    """What the tapes themselves measure: the yardstick of generated bars, not an input of the generator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kurtosis_5m: float = Field(
        gt=0, description="of 5-minute returns over time-of-day shape and day scale; 3: normal"
    )
    autocorrelation_5m: tuple[float, ...] = Field(
        description="of absolute 5-minute returns, the same scaling, at lags of 1 to 12 bars"
    )
    range_over_move: float = Field(gt=1, description="mean high minus low over mean |close minus open|")
    overnight_volume_share: float = Field(
        gt=0, lt=1, description="of the session's volume, before 08:30 Chicago"
    )


class Profile(BaseModel):
    """Time-of-day shapes, volatility and volume processes; bins are 5 minutes from 17:00 Chicago."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = Field(description="tapes fitted, with the days used of each")
    volatility_shape: tuple[float, ...] = Field(
        min_length=SESSION_BINS, max_length=SESSION_BINS, description="per bin, root mean square 1"
    )
    volume_shape: tuple[float, ...] = Field(
        min_length=SESSION_BINS,
        max_length=SESSION_BINS,
        description="share of a session's volume per bin, sum 1",
    )
    minute_return_sd: float = Field(gt=0, lt=0.01, description="log return, median day, average time of day")
    day_log_sd: float = Field(ge=0, lt=3, description="of the log volatility of days")
    day_log_ar: float = Field(ge=0, lt=1, description="of the log volatility, per trade date")
    minute_log_sd: float = Field(ge=0, lt=3, description="of the log volatility within a day")
    minute_log_ar: float = Field(ge=0, lt=1, description="of the same, per minute")
    tail_degrees: float = Field(gt=4, description="Student t degrees of freedom of 1-minute innovations")
    gap_sd_days: float = Field(ge=0, description="gap between sessions, in standard deviations of a session")
    gap_sd_days_weekend: float = Field(ge=0, description="the same over a weekend")
    open_step_probability: float = Field(
        ge=0, le=1, description="that a bar opens one tick off the last close"
    )
    session_volume: float = Field(gt=0, description="contracts, median day")
    session_volume_on_volatility: float = Field(
        description="log volume of a day per log volatility of the day"
    )
    session_volume_log_sd: float = Field(ge=0, lt=3, description="of what that leaves")
    minute_volume_on_range: float = Field(description="log volume of a minute per log relative range")
    minute_volume_offset: float = Field(description="log, so that volumes keep their mean")
    minute_volume_log_sd: float = Field(ge=0, lt=3, description="of what that leaves")
    minute_volume_log_ar: float = Field(ge=0, lt=1, description="of the same, per minute")
    moments: Moments


@cache
def es_profile() -> Profile:
    """The committed fit; `python -m mia_actors.exchange.fit` makes it."""
    return Profile.model_validate_json(PROFILE_FILE.read_bytes())
