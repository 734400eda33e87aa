"""Where the guardian's sources disagree, are silent, or the machinery around it breaks.

A disagreement counts in fresh readings in a row, one good reading ends it: a single late message is no finding.
The position is compared in market time and in wire order, so it holds in lockstep; the rest by arrival.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.facts import BrokerEquity, BrokerPnl, Line, SupervisionKind, SupervisionNotice
from mia_actors.guardian.levels import NO_ENTRIES, Finding, Level, found
from mia_actors.guardian.limits import GuardianSettings, LevelWord
from mia_actors.guardian.thresholds import Thresholds

HOUR_NS = 3600 * NS_PER_S
NOTICES_KEPT = 10_000


class Agreement:
    """One comparison of two sources, debounced by the number of bad readings in a row."""

    def __init__(self, name: str, limits: Thresholds) -> None:
        self._name = name
        self._limits = limits
        self._bad = 0
        self._text = ""

    @property
    def doubted(self) -> bool:
        """Whether the last reading was bad: another one is wanted soon."""
        return self._bad > 0

    def read(self, problem: str) -> None:
        """A fresh reading; empty when the sources agree."""
        self._bad = self._bad + 1 if problem else 0
        self._text = problem

    def findings(self) -> Iterator[Finding]:
        """What it says now."""
        if self._bad:
            text = f"{self._text}, in {self._bad} readings"
            yield from found(self._name, self._limits.level(self._bad), text)


class SourceLimits:
    """Own word against the broker's: position, open profit, equity."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._pnl_tolerance_usd = settings.pnl_tolerance_usd
        self._equity_tolerance_usd = settings.equity_tolerance_usd
        self._position = Agreement("position_disagreement", settings.position_disagreement_readings)
        self._pnl = Agreement("pnl_disagreement", settings.pnl_disagreement_readings)
        self._equity = Agreement("equity_disagreement", settings.equity_disagreement_readings)

    @property
    def wants_position(self) -> bool:
        """Whether the shell should ask the broker for the position again."""
        return self._position.doubted

    def read_position(self, told: int, own: int) -> None:
        """The broker's position and that of the executions, at one moment."""
        self._position.read(
            "" if told == own else f"the broker says {told:+d} contracts, executions {own:+d}"
        )

    def read_pnl(self, fact: BrokerPnl, own_usd: Decimal | None) -> None:
        """The broker's open profit and the own mark; either may be unavailable."""
        self._pnl.read(_apart("open P&L", fact.unrealized_usd, own_usd, self._pnl_tolerance_usd))

    def read_equity(self, fact: BrokerEquity, own_usd: Decimal | None) -> None:
        """The broker's equity and the own one."""
        if self._equity_tolerance_usd is not None:
            self._equity.read(_apart("equity", fact.usd, own_usd, self._equity_tolerance_usd))

    def findings(self) -> Iterator[Finding]:
        """What they say now."""
        for agreement in (self._position, self._pnl, self._equity):
            yield from agreement.findings()


def _apart(what: str, told_usd: Decimal | None, own_usd: Decimal | None, tolerance_usd: Decimal) -> str:
    if told_usd is None or not told_usd.is_finite():
        return f"{what} of the broker is not a number"
    if own_usd is None or not own_usd.is_finite():
        return f"own {what} is not known"
    if abs(told_usd - own_usd) <= tolerance_usd:
        return ""
    return f"{what}: the broker says {told_usd:.2f} USD, own {own_usd:.2f} USD, tolerance {tolerance_usd:.2f} USD"


class LineLimit:
    """Seconds without the guardian's broker connection."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._limits = settings.connection_loss_s
        self._down_ns: int | None = None

    def take(self, line: Line) -> None:
        """The line came up, or broke; the first break counts."""
        if line.up:
            self._down_ns = None
        elif self._down_ns is None:
            self._down_ns = line.arrival_ns

    def findings(self, arrival_ns: int) -> Iterator[Finding]:
        """What it says at a time of arrival."""
        if self._down_ns is None:
            return
        down_s = Decimal(max(0, arrival_ns - self._down_ns)) / NS_PER_S
        limit = self._limits.limit(down_s)
        text = f"no broker connection for {down_s:.0f} s, limit {limit or 0:f} s"
        yield from found("connection_loss", self._limits.level(down_s), text)


class TreeLimits:
    """What the supervision tree went through: restarts within an hour, parts left down, its end."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._restarts = settings.restarts_per_hour
        self._kinds: Mapping[SupervisionKind, LevelWord | None] = {
            SupervisionKind.QUARANTINE: settings.quarantine_level,
            SupervisionKind.ESCALATION: settings.escalation_level,
        }
        self._notices: dict[int, SupervisionNotice] = {}

    def take(self, notice: SupervisionNotice) -> None:
        """An event of the tree; a repeat changes nothing."""
        self._notices[notice.number] = notice
        if len(self._notices) > NOTICES_KEPT:
            self._notices.pop(next(iter(self._notices)))

    def findings(self, arrival_ns: int) -> Iterator[Finding]:
        """What they say at a time of arrival."""
        if not self._notices:
            return
        restarts = sum(
            notice.kind is SupervisionKind.RESTART and notice.arrival_ns > arrival_ns - HOUR_NS
            for notice in self._notices.values()
        )
        text = f"{restarts} restarts within an hour, limit {self._restarts.limit(restarts) or 0:f}"
        yield from found("restarts", self._restarts.level(restarts), text, answers=NO_ENTRIES)
        for kind, word in self._kinds.items():
            nodes = sorted({notice.node for notice in self._notices.values() if notice.kind is kind})
            level = word.level if word is not None and nodes else Level.INFO
            yield from found(kind.value, level, f"{kind.value} of {', '.join(nodes)}")
