"""The words of a judgement: how severe, what is asked for, and what of it holds for trading."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

GUARDIAN_ERROR = "guardian_error"
"""Name of the finding that the guardian could not judge."""


class Level(IntEnum):
    """Severity; the highest finding is the account's level."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2
    CATASTROPHE = 3


class TradingState(StrEnum):
    """What is allowed. Only a person raises it."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


class Demand(IntEnum):
    """What a finding asks for; the highest one is acted on."""

    NONE = 0
    PAUSE = 1
    """No permits while the finding lasts."""
    CLOSE = 2
    """The account is made flat; nothing is latched, permits return when the finding ends."""
    FLATTEN = 3
    """Latched REDUCE_ONLY, and the account is made flat."""
    HALT = 4
    """Latched HALTED, and the account is made flat."""


TOLD: Mapping[Level, Demand] = {
    Level.WARNING: Demand.NONE,
    Level.CRITICAL: Demand.NONE,
    Level.CATASTROPHE: Demand.HALT,
}
"""Answers of a limit that says nothing but how bad it is, until it halts."""
NO_ENTRIES: Mapping[Level, Demand] = {**TOLD, Level.CRITICAL: Demand.PAUSE}
"""Answers of a limit whose CRITICAL ends entries while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One limit's word."""

    name: str
    level: Level
    demand: Demand
    text: str
    """A sentence with value and limit."""


def found(
    name: str, level: Level, text: str, *, answers: Mapping[Level, Demand] = NO_ENTRIES
) -> tuple[Finding, ...]:
    """The finding of a limit at a level; none where all is well."""
    if level is Level.INFO:
        return ()
    return (Finding(name=name, level=level, demand=answers[level], text=text),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The account at one market time."""

    as_of_ns: int
    level: Level
    demand: Demand
    findings: tuple[Finding, ...]
    day_pnl_usd: Decimal
    equity_usd: Decimal
    position_contracts: int

    @property
    def reason(self) -> str:
        """The worst finding's sentence."""
        worst = max(self.findings, key=lambda one: (one.demand, one.level), default=None)
        return worst.text if worst else "nothing found"

    @property
    def failed(self) -> bool:
        """Whether the judgement itself is the finding: its numbers are not known."""
        return any(one.name == GUARDIAN_ERROR for one in self.findings)
