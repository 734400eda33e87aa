"""Figures against warning and critical thresholds, with alert cooldown and recovery. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


class AlertLevel(StrEnum):
    """State of one figure."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


class Threshold(BaseModel):
    """Two limits of one figure; the figure is bad when above them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warning: float = Field(gt=0)
    critical: float = Field(gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> "Threshold":
        if self.warning >= self.critical:
            raise ValueError(f"warning {self.warning} must be below critical {self.critical}")
        return self

    def level(self, value: float) -> AlertLevel:
        """Where a value stands."""
        if value >= self.critical:
            return AlertLevel.CRITICAL
        return AlertLevel.WARNING if value >= self.warning else AlertLevel.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A change of level worth telling, or a reminder after the cooldown; OK means recovered."""

    figure: str
    level: AlertLevel
    value: float
    limit: float


class AlertBook:
    """Remembers each figure's level, so that a steady state is told once per cooldown."""

    def __init__(self, thresholds: dict[str, Threshold], cooldown_s: float) -> None:
        self._thresholds = thresholds
        self._cooldown_s = cooldown_s
        self._levels: dict[str, AlertLevel] = {}
        self._told_at_s: dict[str, float] = {}

    def judge(self, figures: dict[str, float], now_s: float) -> tuple[Alert, ...]:
        """Alerts due for these figures at monotonic time `now_s`; figures without a threshold pass."""
        alerts: list[Alert] = []
        for name, value in figures.items():
            threshold = self._thresholds.get(name)
            if threshold is None:
                continue
            level = threshold.level(value)
            if self._is_due(name, level, now_s):
                limit = threshold.critical if level is AlertLevel.CRITICAL else threshold.warning
                alerts.append(Alert(figure=name, level=level, value=value, limit=limit))
                self._told_at_s[name] = now_s
            self._levels[name] = level
        return tuple(alerts)

    def _is_due(self, name: str, level: AlertLevel, now_s: float) -> bool:
        before = self._levels.get(name, AlertLevel.OK)
        if level is not before:
            return True
        if level is AlertLevel.OK:
            return False
        return now_s - self._told_at_s.get(name, now_s) >= self._cooldown_s
