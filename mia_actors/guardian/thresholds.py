"""Three thresholds of one limit, each of which may be left out."""

from decimal import Decimal
from itertools import pairwise
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mia_actors.guardian.levels import Level

LARGEST = 10_000_000


class Thresholds(BaseModel):
    """Values at which a level begins, the threshold itself included; null: that level is not used."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    falls: ClassVar[bool] = False

    warning: Decimal | None = Field(default=None, gt=0, le=LARGEST, description="WARNING; null: not used.")
    critical: Decimal | None = Field(default=None, gt=0, le=LARGEST, description="CRITICAL; null: not used.")
    catastrophe: Decimal | None = Field(
        default=None, gt=0, le=LARGEST, description="CATASTROPHE; null: not used."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        used = [(name, limit) for name, limit in self._named() if limit is not None]
        for (mild, first), (severe, second) in pairwise(used):
            if first == second or (first < second) is self.falls:
                order = "above" if self.falls else "below"
                raise ValueError(f"{mild} {first} must be {order} {severe} {second}")
        return self

    def _named(self) -> tuple[tuple[str, Decimal | None], ...]:
        return (("warning", self.warning), ("critical", self.critical), ("catastrophe", self.catastrophe))

    @property
    def in_use(self) -> bool:
        """Whether any of them is set."""
        return any(limit is not None for _, limit in self._named())

    def level(self, value: Decimal | int) -> Level:
        """The highest level whose threshold `value` has reached.

        Raises:
            ArithmeticError: the value is not a number.
        """
        return next(
            (level for level, limit in self._severest_first() if self._reached(value, limit)), Level.INFO
        )

    def limit(self, value: Decimal | int) -> Decimal | None:
        """The threshold of that level; the mildest one in use where none is reached."""
        steps = self._severest_first()
        reached = next((limit for _, limit in steps if self._reached(value, limit)), None)
        return reached if reached is not None else (steps[-1][1] if steps else None)

    def _severest_first(self) -> list[tuple[Level, Decimal]]:
        steps = (
            (Level.CATASTROPHE, self.catastrophe),
            (Level.CRITICAL, self.critical),
            (Level.WARNING, self.warning),
        )
        return [(level, limit) for level, limit in steps if limit is not None]

    def _reached(self, value: Decimal | int, limit: Decimal) -> bool:
        return value <= limit if self.falls else value >= limit


class FallingThresholds(Thresholds):
    """Values at or below which a level begins: the more severe, the lower."""

    falls = True
