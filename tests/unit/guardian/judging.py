"""A guardian's core with the facts of one account, for the tests of its limits."""

from decimal import Decimal
from typing import Any

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.units import ES
from mia_actors.guardian.core import Assessment, Demand, GuardianCore, Level
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import Memory
from tests.unit.guardian.account import ENTRY, NOON_NS

Words = tuple[Level, Demand]
NOTHING: tuple[Words, ...] = ()
TOLD: Words = (Level.WARNING, Demand.NONE)
NO_ENTRIES: Words = (Level.CRITICAL, Demand.PAUSE)
HALT: Words = (Level.CATASTROPHE, Demand.HALT)
NO_ENTRIES_TOLD: Words = (Level.WARNING, Demand.PAUSE)


def thresholds(warning: str | None, critical: str | None, catastrophe: str | None) -> Any:
    return {"warning": warning, "critical": critical, "catastrophe": catastrophe}


def core_with(
    *, equity_usd: Decimal = Decimal(10_000), memory: Memory | None = None, **settings: Any
) -> GuardianCore:
    """Limits that are out of the way, but for those named."""
    document: dict[str, Any] = {"daily_loss_limit_usd": 500, "account_balance_min_usd": 0, **settings}
    return GuardianCore(GuardianSettings(**document), ES, equity_usd, memory=memory or Memory())


def at(second: float) -> int:
    """That many seconds after noon, as market time and as arrival."""
    return NOON_NS + round(second * NS_PER_S)


def judged(core: GuardianCore, second: float, mark_ticks: int = ENTRY) -> Assessment:
    """As lockstep judges."""
    return core.assess(at(second), mark_ticks)


def seen(core: GuardianCore, second: float, mark_ticks: int = ENTRY) -> Assessment:
    """As a shell of the real world judges, its clock at market time."""
    return core.assess(at(second), mark_ticks, arrival_ns=at(second))


def words(assessment: Assessment, name: str) -> tuple[Words, ...]:
    """What one limit said."""
    return tuple((found.level, found.demand) for found in assessment.findings if found.name == name)
