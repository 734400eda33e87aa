"""The guardian's judgement: facts in, verdict out. Pure; it never reads a clock.

One class for every shell: the Ray actor, a plain process without Ray, and the guardian of a backtest.

Guarantees: the same facts give the same verdict in every process and after every restart; a profit never raises
a level; what is missing or not a number is unavailable and ends entries after the configured number of
readings; an error in here is itself a CATASTROPHE, whichever fact or judgement it happened in.

Two times. Bars, fills and calendars carry market time, and what is judged on them alone holds in lockstep: the
newest bar is the present. Quotes, the broker's profit, silence of the feed or the line, orders per minute and the
tree's restarts are known by their time of arrival. A shell in lockstep tells no such fact and judges without
`arrival_ns`, which leaves those limits out, because there the market waits for whoever is late: a broker that
was killed for ten seconds of wall time has cost no market time, and must not change a decision. The broker's
position is the exception that holds in both: it comes in wire order between executions and bars.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import assert_never

from mia_actors.core.facts import (
    BrokerEquity,
    BrokerPnl,
    BrokerPosition,
    Fact,
    Line,
    OrderRefused,
    OrderSeen,
    Quote,
    SupervisionNotice,
    Tick,
)
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, OrderTerms
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import Product
from mia_actors.guardian.account_book import AccountBook, week_of
from mia_actors.guardian.conduct import OrderLimits, SlippageLimit, TradingLimits
from mia_actors.guardian.levels import GUARDIAN_ERROR, Assessment, Demand, Finding, Level, TradingState
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.market_limits import (
    CalendarLimits,
    FeedLimit,
    MarketHistory,
    SpreadLimit,
    VolumeLimit,
)
from mia_actors.guardian.memory import Memory
from mia_actors.guardian.money import Money, MoneyLimits
from mia_actors.guardian.sources import LineLimit, SourceLimits, TreeLimits

__all__ = ["Assessment", "Demand", "Finding", "GuardianCore", "Level", "TradingState"]

NOTHING = Memory()
UNKNOWN_USD = Decimal("NaN")


class GuardianCore:
    """Folds facts; judges when asked. One caller at a time."""

    def __init__(
        self,
        settings: GuardianSettings,
        product: Product,
        starting_equity_usd: Decimal,
        *,
        memory: Memory = NOTHING,
    ) -> None:
        """`starting_equity_usd` is the account's equity less the whole record's profit: equity follows from both."""
        self._starting_equity_usd = starting_equity_usd
        self._book = AccountBook(product, memory)
        self._history = MarketHistory()
        self._money = MoneyLimits(settings)
        self._trading = TradingLimits(settings)
        self._slippage = SlippageLimit(settings, memory.slips)
        self._orders = OrderLimits(settings, memory.orders)
        self._volume = VolumeLimit(settings, memory.volume_pause_until_ns)
        self._spread = SpreadLimit(settings)
        self._feed = FeedLimit(settings)
        self._calendar = CalendarLimits(settings)
        self._sources = SourceLimits(settings)
        self._line = LineLimit(settings)
        self._tree = TreeLimits(settings)
        self._mark_ticks: int | None = None
        self._broker_contracts: int | None = None
        self._error: Exception | None = None
        self._quiet: tuple[date, Money] | None = None
        self._remembered = memory
        self._to_remember = True

    # Facts.

    @property
    def position_contracts(self) -> int:
        """Position by the fills."""
        return self._book.position_contracts

    @property
    def mark_ticks(self) -> int | None:
        """The newest price heard: a bar's close, or a trade after it."""
        return self._mark_ticks

    @property
    def wants_position(self) -> bool:
        """Whether the shell should ask the broker for the position before it judges again."""
        return self._sources.wants_position

    def profit_usd(self) -> Decimal:
        """Profit of the whole record, marked at the newest price; at cost where there is none."""
        mark_ticks = self._mark_ticks
        return self._book.realized_usd + (
            Decimal(0) if mark_ticks is None else self._book.unrealized_usd(mark_ticks)
        )

    def add_fills(self, fills: Iterable[Fill]) -> None:
        """Takes executions of all clients; repeats, corrections, late commissions and any order are fine."""
        try:
            fresh = self._book.add(fills)
            if fresh:
                self._slippage.take_fills(fresh, self._history)
                self._quiet, self._to_remember = None, True
        except Exception as error:  # noqa: BLE001 - an error in here is a finding, the worst there is
            self._error = self._error or error

    def take_history(self, bars: Sequence[Bar]) -> None:
        """Bars that were judged in another life, or are older than it: they are known, not judged."""
        for bar in bars:
            self._history.take(bar)
            self._mark_ticks = bar.close_ticks

    def take(self, fact: Fact) -> None:
        """Any other fact; what it says is judged by the next `assess`."""
        try:
            self._take(fact)
        except Exception as error:  # noqa: BLE001 - an error in here is a finding, the worst there is
            self._error = self._error or error

    def _take(self, fact: Fact) -> None:  # noqa: C901 - one line for each kind of fact
        match fact:
            case Bar():
                self._history.take(fact)
                self._volume.take(fact, self._history)
                self._mark_ticks = fact.close_ticks
            case Tick():
                self._mark_ticks = fact.price_ticks
                self._feed.heard(fact.arrival_ns)
            case Quote():
                self._spread.take(fact)
                self._feed.heard(fact.arrival_ns)
            case BrokerPosition():
                self._broker_contracts = fact.contracts
            case BrokerPnl():
                self._sources.read_pnl(fact, self._open_profit_usd())
            case BrokerEquity():
                self._sources.read_equity(fact, self._starting_equity_usd + self.profit_usd())
            case OrderTerms():
                self._slippage.take_terms(fact)
            case OrderSeen() | OrderRefused():
                self._to_remember |= self._orders.take(fact)
            case Line():
                self._line.take(fact)
            case SupervisionNotice():
                self._tree.take(fact)
            case _:
                assert_never(fact)

    def _open_profit_usd(self) -> Decimal | None:
        if self._book.position_contracts == 0:
            return Decimal(0)
        return None if self._mark_ticks is None else self._book.unrealized_usd(self._mark_ticks)

    def heard_feed(self, arrival_ns: int) -> None:
        """Market data of any kind arrived; a shell out of lockstep tells it with every bar."""
        self._feed.heard(arrival_ns)

    # Verdicts.

    def assess(self, as_of_ns: int, mark_ticks: int, *, arrival_ns: int | None = None) -> Assessment:
        """Judges the account at market time `as_of_ns`, marked at a price.

        Args:
            as_of_ns: The newest bar's end; with a real broker the time of day where that is later.
            mark_ticks: What a contract is worth.
            arrival_ns: Now, as facts carry it; None in lockstep and in a backtest.

        Returns:
            The verdict. It never raises: an error is a finding that halts.
        """
        try:
            judged = self._judged(as_of_ns, mark_ticks, arrival_ns)
        except Exception as error:  # noqa: BLE001 - an error in here is a finding, the worst there is
            return self._failed(as_of_ns, error)
        return judged if self._error is None else self._failed(as_of_ns, self._error)

    def _judged(self, as_of_ns: int, mark_ticks: int, arrival_ns: int | None) -> Assessment:
        self._mark_ticks = mark_ticks
        day = trade_date(as_of_ns - 1)
        money = self._money_at(day, mark_ticks)
        findings = tuple(self._findings(money, as_of_ns, day, arrival_ns))
        return Assessment(
            as_of_ns=as_of_ns,
            level=max((one.level for one in findings), default=Level.INFO),
            demand=max((one.demand for one in findings), default=Demand.NONE),
            findings=findings,
            day_pnl_usd=money.day_pnl_usd,
            equity_usd=money.equity_usd,
            position_contracts=self._book.position_contracts,
        )

    def asks_for_nothing(self, as_of_ns: int, mark_ticks: int) -> bool:
        """Whether the account at a price and market time would call for no act; changes nothing.

        What calls for one then calls for one at every worse price too, and at none that is better.
        """
        money = self._money_of(trade_date(as_of_ns - 1), mark_ticks)
        held = self._book.position_contracts
        findings = (
            *self._money.findings(money),
            *self._trading.findings(self._book, as_of_ns, trade_date(as_of_ns - 1)),
            *self._calendar.findings(as_of_ns, held),
        )
        return all(one.demand <= Demand.PAUSE for one in findings)

    def _money_at(self, day: date, mark_ticks: int) -> Money:
        """A flat account's money changes with a fill or a trade date only."""
        if self._quiet is not None and self._quiet[0] == day and self._book.position_contracts == 0:
            return self._quiet[1]
        money = self._money_of(day, mark_ticks)
        self._quiet = (day, money)
        return money

    def _money_of(self, day: date, mark_ticks: int) -> Money:
        book = self._book
        total_usd = book.realized_usd + book.unrealized_usd(mark_ticks)
        return Money(
            day_pnl_usd=total_usd - book.realized_before_usd(day),
            week_pnl_usd=total_usd - book.realized_before_usd(week_of(day)),
            equity_usd=self._starting_equity_usd + total_usd,
            below_session_peak_usd=max(Decimal(0), book.peak_usd(day) - total_usd),
            below_peak_usd=max(Decimal(0), book.peak_usd() - total_usd),
        )

    def _findings(self, money: Money, as_of_ns: int, day: date, arrival_ns: int | None) -> Iterator[Finding]:
        held = self._book.position_contracts
        yield from self._money.findings(money)
        yield from self._trading.findings(self._book, as_of_ns, day)
        yield from self._slippage.findings(as_of_ns)
        yield from self._volume.findings(as_of_ns)
        yield from self._calendar.findings(as_of_ns, held)
        if self._broker_contracts is not None:
            self._sources.read_position(self._broker_contracts, held)
            self._broker_contracts = None
        yield from self._sources.findings()
        if arrival_ns is not None:
            yield from self._spread.findings()
            yield from self._feed.findings(as_of_ns, arrival_ns)
            yield from self._line.findings(arrival_ns)
            yield from self._orders.findings(arrival_ns)
            yield from self._tree.findings(arrival_ns)

    def _failed(self, as_of_ns: int, error: Exception) -> Assessment:
        text = f"the guardian failed: {type(error).__name__}: {error}"
        broken = Finding(name=GUARDIAN_ERROR, level=Level.CATASTROPHE, demand=Demand.HALT, text=text)
        return Assessment(
            as_of_ns=as_of_ns,
            level=Level.CATASTROPHE,
            demand=Demand.HALT,
            findings=(broken,),
            day_pnl_usd=UNKNOWN_USD,
            equity_usd=UNKNOWN_USD,
            position_contracts=self._book.position_contracts,
        )

    # Memory.

    def memory(self, as_of_ns: int) -> Memory | None:
        """What has to be on disk before the last verdict is used; None when it is there already."""
        pause_ns = self._volume.pause_until_ns
        if not self._to_remember and pause_ns == self._remembered.volume_pause_until_ns:
            return None
        kept = replace(
            self._book.fold_before(trade_date(as_of_ns - 1)),
            volume_pause_until_ns=pause_ns,
            slips=self._slippage.kept(as_of_ns),
            orders=self._orders.kept,
        )
        return None if kept == self._remembered else kept

    def remembered(self, memory: Memory) -> None:
        """It is on disk."""
        self._remembered, self._to_remember = memory, False
