"""The guardian's judgement: facts in, verdict out. Pure; event time comes with the bars.

The same fills and the same mark give the same verdict in every process and after every restart. A profit
never raises a level; an error in here is itself a catastrophe for the caller to act on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.orders import Fill
from mia_actors.core.trade_date import trade_date
from mia_actors.core.tradebook import TradeBook, fill_order
from mia_actors.core.units import Product
from mia_actors.guardian.limits import GuardianSettings

HOUR_NS = 3600 * NS_PER_S


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
    FLATTEN = 2
    HALT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One limit's word."""

    name: str
    level: Level
    demand: Demand
    text: str
    """A sentence with value and limit."""


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
        worst = max(self.findings, key=lambda found: (found.demand, found.level), default=None)
        return worst.text if worst else "nothing found"


class GuardianCore:
    """Folds the account's fills; judges at every bar."""

    def __init__(self, settings: GuardianSettings, product: Product, starting_equity_usd: Decimal) -> None:
        self._settings = settings
        self._product = product
        self._starting_equity_usd = starting_equity_usd
        self._fills: dict[str, Fill] = {}
        self._book = TradeBook(product)
        self._day: date | None = None
        self._before_day_usd = Decimal(0)
        self._quiet: Assessment | None = None

    @property
    def position_contracts(self) -> int:
        """Position by the fills."""
        return self._book.position_contracts

    def add_fills(self, fills: Iterable[Fill]) -> None:
        """Takes executions of all clients; repeats, late commissions and any order of arrival are fine."""
        changed = False
        for fill in fills:
            known = self._fills.get(fill.exec_id)
            if known is None or (known.commission_usd is None and fill.commission_usd is not None):
                self._fills[fill.exec_id] = fill
                changed = True
        if changed:
            self._book = TradeBook.of(self._product, self._fills.values())
            self._day, self._quiet = None, None

    def assess(self, as_of_ns: int, mark_ticks: int) -> Assessment:
        """Judges the account at market time `as_of_ns`, marked at a price."""
        day = trade_date(as_of_ns - 1)
        if day != self._day:
            self._day, self._quiet = day, None
            self._before_day_usd = self._realized_before(day)
        if self._quiet is not None and self._is_still_quiet():
            return self._at(self._quiet, as_of_ns)
        total_usd = self._book.realized_usd + self._book.unrealized_usd(mark_ticks)
        day_pnl_usd = total_usd - self._before_day_usd
        equity_usd = self._starting_equity_usd + total_usd
        findings = tuple(
            found
            for found in (
                self._daily_loss(day_pnl_usd),
                self._balance(equity_usd),
                self._position(),
                self._losses_in_a_row(as_of_ns, day),
                self._trades_in_the_hour(as_of_ns),
            )
            if found is not None
        )
        assessment = Assessment(
            as_of_ns=as_of_ns,
            level=max((found.level for found in findings), default=Level.INFO),
            demand=max((found.demand for found in findings), default=Demand.NONE),
            findings=findings,
            day_pnl_usd=day_pnl_usd,
            equity_usd=equity_usd,
            position_contracts=self._book.position_contracts,
        )
        self._quiet = assessment
        return assessment

    def _is_still_quiet(self) -> bool:
        """A flat account without findings cannot change by a bar alone."""
        return self._book.position_contracts == 0 and self._quiet is not None and not self._quiet.findings

    def _at(self, quiet: Assessment, as_of_ns: int) -> Assessment:
        return Assessment(
            as_of_ns=as_of_ns,
            level=quiet.level,
            demand=quiet.demand,
            findings=(),
            day_pnl_usd=quiet.day_pnl_usd,
            equity_usd=quiet.equity_usd,
            position_contracts=0,
        )

    def _realized_before(self, day: date) -> Decimal:
        earlier = [fill for fill in self._fills.values() if trade_date(fill.event_time_ns - 1) < day]
        return TradeBook.of(self._product, sorted(earlier, key=fill_order)).realized_usd

    def _daily_loss(self, day_pnl_usd: Decimal) -> Finding | None:
        limit = self._settings.daily_loss_limit_usd
        text = f"day P&L {day_pnl_usd:.2f} USD, limit -{limit:.2f} USD"
        if day_pnl_usd <= -limit:
            return Finding(name="daily_loss", level=Level.CATASTROPHE, demand=Demand.HALT, text=text)
        if day_pnl_usd <= -limit * Decimal(str(self._settings.critical_share)):
            return Finding(name="daily_loss", level=Level.CRITICAL, demand=Demand.NONE, text=text)
        if day_pnl_usd <= -limit * Decimal(str(self._settings.warning_share)):
            return Finding(name="daily_loss", level=Level.WARNING, demand=Demand.NONE, text=text)
        return None

    def _balance(self, equity_usd: Decimal) -> Finding | None:
        limit = self._settings.account_balance_min_usd
        if equity_usd >= limit:
            return None
        text = f"equity {equity_usd:.2f} USD, at least {limit:.2f} USD needed"
        return Finding(name="account_balance", level=Level.CATASTROPHE, demand=Demand.HALT, text=text)

    def _position(self) -> Finding | None:
        held, limit = self._book.position_contracts, self._settings.position_contracts_max
        if abs(held) <= limit:
            return None
        text = f"position {held:+d} contracts, limit {limit}"
        return Finding(name="position", level=Level.CRITICAL, demand=Demand.FLATTEN, text=text)

    def _losses_in_a_row(self, as_of_ns: int, day: date) -> Finding | None:
        closed = [trade for trade in self._book.closed_trades if trade_date(trade.closed_at_ns - 1) == day]
        limit = self._settings.consecutive_losses_max
        pause_ns = round(self._settings.consecutive_losses_pause_s * NS_PER_S)
        run = 0
        until_ns = 0
        for trade in closed:
            run = run + 1 if trade.net_usd < 0 else 0
            if run >= limit:
                until_ns = trade.closed_at_ns + pause_ns
        if as_of_ns >= until_ns:
            return None
        text = f"{limit} or more losses in a row: no entries until {iso_utc(until_ns)}"
        return Finding(name="consecutive_losses", level=Level.CRITICAL, demand=Demand.PAUSE, text=text)

    def _trades_in_the_hour(self, as_of_ns: int) -> Finding | None:
        limit = self._settings.trades_per_hour_warning
        recent = sum(1 for trade in self._book.closed_trades if trade.closed_at_ns > as_of_ns - HOUR_NS)
        if recent < limit:
            return None
        text = f"{recent} round trips within an hour, {limit} are many"
        return Finding(name="trades_per_hour", level=Level.WARNING, demand=Demand.NONE, text=text)
