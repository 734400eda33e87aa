"""The broker connection as a supervised child: bars in, orders out, both journaled."""

import threading
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.broker.base_bars import BaseBars
from mia_actors.broker.messages import BarClosed
from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, OrderRejected, PermitStale
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, Permit, Purpose
from mia_actors.core.permit_gate import PERMIT_STALE, Denied, PermitGate
from mia_actors.core.session import SessionInfo
from mia_actors.core.tradebook import TradeBook
from mia_actors.core.units import Contract
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry import conventions, tracing
from mia_actors.telemetry.logs import get_logger

MARKET_FILE = "market.db"
BACKFILLS = ("1800 S", "7200 S", "1 D")
FOREVER_NS = 1 << 62
CONNECT_BACKOFF_MIN_S = 0.02
CONNECT_BACKOFF_MAX_S = 1.0


class BrokerSettings(BaseModel):
    """The connection and its limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str = Field(default="trading", description="Name under connections.")
    history_days: int = Field(default=10, ge=1, le=60, description="Trading days of warm-up bars.")
    roll_days: int = Field(
        default=8, ge=0, le=60, description="Days before expiry from which the next is traded."
    )
    connect_within_s: float = Field(default=30.0, gt=0, le=600, description="Seconds to get a session.")
    connect_timeout_s: float = Field(default=10.0, gt=0, le=120, description="Seconds for one attempt.")
    request_timeout_s: float = Field(default=20.0, gt=0, le=300, description="Seconds for one request.")
    ack_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="Seconds for an order's first answer."
    )

    def limits(self) -> SessionLimits:
        """The part a session needs."""
        return SessionLimits(
            connect_timeout_s=self.connect_timeout_s,
            request_timeout_s=self.request_timeout_s,
            ack_timeout_s=self.ack_timeout_s,
        )


class Broker:
    """Shell around one `IbSession` at a time. Up means: reconciled, warmed up, streaming."""

    Settings = BrokerSettings
    work_threads = 8

    def __init__(self, settings: BrokerSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._info = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._gate = PermitGate()
        self._journal: MarketJournal | None = None
        self._session: IbSession | None = None
        self._bars: BaseBars | None = None
        self._closed = threading.Condition()
        self._received_ns: dict[int, int] = {}
        self._written_after_bar_ns = 0
        self._stopping = False

    def start(self) -> None:
        """Opens the journal, connects, reconciles, subscribes, then fills what was missed.

        Raises:
            BrokerDisconnected: no session within the limit.
        """
        self._journal = MarketJournal.open(self._info.path(MARKET_FILE))
        self._connect()

    def stop(self) -> None:
        """Ends the session; orders at the broker stay as they are."""
        self._stopping = True
        with self._closed:
            self._closed.notify_all()
        if self._session is not None:
            self._session.close()

    def contract(self) -> Contract:
        """The contract traded."""
        found = self._ready().contract
        if found is None:
            raise InvariantViolated("a session without a contract")
        return found

    def starting_equity_usd(self) -> Decimal:
        """Equity when the session first connected."""
        equity = self._book_journal().starting_equity_usd()
        if equity is None:
            raise InvariantViolated("asked before the first connect")
        return equity

    def next_bar(self, after_start_ns: int | None, wait_s: float) -> BarClosed | None:
        """The first session bar that starts after a time; waits for it at most `wait_s`. Repeatable."""
        journal = self._book_journal()
        deadline_s = self._context.clock.monotonic_s() + wait_s
        with self._closed:
            while True:
                bar = journal.session_bar_after(after_start_ns)
                if bar is not None:
                    return self._bar_closed(bar)
                remaining_s = deadline_s - self._context.clock.monotonic_s()
                if remaining_s <= 0 or self._stopping:
                    return None
                self._closed.wait(remaining_s)

    def fills_until(self, time_ns: int) -> tuple[Fill, ...]:
        """Executions with an event time up to then."""
        return self._book_journal().fills(0, time_ns)

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `OrderDesk.place`; the second of the two gates stands here.

        Raises:
            OrderRejected: the gate or the broker said no.
            PermitStale: the permit ran out on its way; nothing was sent.
            BrokerDisconnected: not known whether it arrived.
        """
        session = self._ready()
        self._check(group, permit)
        with tracing.span(
            conventions.SPAN_PLACE_ORDERS, attributes={conventions.ORDER_REF: group[0].order_ref}
        ) as span:
            self._book_journal().raise_order_id(session.highest_order_id() + len(group))
            self._written_ns = self._monotonic_ns()
            received_ns = max(self._received_ns.values(), default=self._written_ns)
            span.set_attribute(conventions.ORDER_WRITTEN_AFTER_BAR_MS, (self._written_ns - received_ns) / 1e6)
            return session.place(group)

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderDesk.cancel`."""
        return self._ready().cancel(order_refs)

    def snapshot(self) -> BrokerSnapshot:
        """See `OrderDesk.snapshot`."""
        found = self._ready().snapshot()
        journal = self._book_journal()
        for fill in found.fills:
            journal.add_fill(fill)
        return found

    def order_written_after_bar_ns(self) -> int:
        """From the last 5-second bar's arrival to the bytes of the last group, for the latency bench."""
        return self._written_after_bar_ns

    def _check(self, group: Sequence[OrderSpec], permit: Permit | None) -> None:
        """Risk needs a permit; everything else may only reduce.

        Raises:
            OrderRejected: the gate is shut.
        """
        first = group[0]
        held = TradeBook.of(self._info.product, self.fills_until(FOREVER_NS)).position_contracts
        resulting = held + first.side.sign * first.quantity
        if first.purpose is Purpose.ENTRY:
            verdict = self._gate.check(
                permit, resulting_contracts=resulting, now_monotonic_ns=self._monotonic_ns()
            )
            if isinstance(verdict, Denied) and verdict.reason in PERMIT_STALE:
                raise PermitStale(f"{first.order_ref}: {verdict.detail}")
            if isinstance(verdict, Denied):
                raise OrderRejected(f"{first.order_ref}: {verdict.reason}: {verdict.detail}")
        elif abs(resulting) >= abs(held) or resulting * held < 0:
            raise OrderRejected(
                f"{first.order_ref}: holding {held}, the order would leave {resulting}: not a reduction"
            )

    def _connect(self) -> None:
        deadline_s = self._context.clock.monotonic_s() + self._settings.connect_within_s
        backoff_s = CONNECT_BACKOFF_MIN_S
        while True:
            try:
                return self._open_session()
            except BrokerDisconnected as error:
                if self._context.clock.monotonic_s() + backoff_s > deadline_s or self._stopping:
                    raise
                self._log.warning("broker.connect_failed", error=str(error), backoff_s=backoff_s)
                self._context.clock.sleep_s(backoff_s)
                backoff_s = min(CONNECT_BACKOFF_MAX_S, backoff_s * 2)

    def _open_session(self) -> None:
        """One whole attempt: connect, reconcile, subscribe, catch up."""
        journal = self._book_journal()
        bars = BaseBars(self._info.base_timeframe, on_closed=self._on_closed, last=journal.last_base_bar())
        session = IbSession(
            self._info.connection(self._settings.connection),
            self._info.product,
            limits=self._settings.limits(),
            monotonic_ns=self._monotonic_ns,
            events=SessionEvents(
                on_bar=lambda bar: self._on_bar(bars, bar),
                on_fill=journal.add_fill,
                on_disconnect=self._on_disconnect,
            ),
        )
        try:
            session.connect()
            session.choose_contract(month=self._info.contract_month, roll_days=self._settings.roll_days)
            session.next_order_id(journal.order_id_high_water())
            for fill in session.fills():
                journal.add_fill(fill)
            journal.note_starting_equity_usd(session.net_liquidation_usd())
            session.subscribe_bars()
            self._warm_up(session, journal, bars)
            bars.release(self._missed(session, bars.wanted_from_ns))
        except BaseException:
            session.close()
            raise
        self._session, self._bars = session, bars

    def _warm_up(self, session: IbSession, journal: MarketJournal, bars: BaseBars) -> None:
        """Bars before the session, once: the first connect of the session asks for them."""
        if journal.last_base_bar() is not None:
            return
        found = session.history(self._info.base_timeframe, f"{self._settings.history_days} D")
        journal.add_base_bars(found, history=True)
        bars.start_after(found[-1] if found else None)

    def _missed(self, session: IbSession, from_ns: int | None) -> list[Bar]:
        """5-second bars since the last closed base bar; asks for longer spans until they reach back to it."""
        found: list[Bar] = []
        for duration in BACKFILLS:
            found = session.history(Timeframe.S5, duration)
            if from_ns is None or not found or found[0].start_ns <= from_ns:
                break
        return found

    def _on_bar(self, bars: BaseBars, bar: Bar) -> None:
        now_ns = self._monotonic_ns()
        self._received_ns[bar.end_ns] = now_ns
        while len(self._received_ns) > Timeframe.H1.seconds // Timeframe.S5.seconds:
            del self._received_ns[next(iter(self._received_ns))]
        bars.add(bar)

    def _on_closed(self, bar: Bar) -> None:
        with self._closed:
            self._book_journal().add_base_bars([bar], history=False)
            self._closed.notify_all()

    def _on_disconnect(self) -> None:
        """The connection is gone: calls in flight fail by themselves; a thread of its own gets a new one."""
        if self._stopping:
            return
        self._log.warning("broker.disconnected")
        old, self._session = self._session, None
        threading.Thread(target=self._reconnect, args=(old,), name="reconnect", daemon=True).start()

    def _reconnect(self, old: IbSession | None) -> None:
        if old is not None:
            old.close()
        try:
            self._connect()
        except Exception as error:  # noqa: BLE001 - the last word of this process, whatever it was
            self._log.exception("broker.reconnect_failed")
            self._context.crash(error)

    def _bar_closed(self, bar: Bar) -> BarClosed:
        journal = self._book_journal()
        before = journal.base_bars(None, bar.start_ns, limit=1)
        previous = before[-1] if before else None
        return BarClosed(
            bar=bar,
            previous_start_ns=previous.start_ns if previous else None,
            fills=journal.fills(previous.end_ns if previous else 0, bar.end_ns),
            received_monotonic_ns=self._received_ns.get(bar.end_ns, self._monotonic_ns()),
        )

    def _monotonic_ns(self) -> int:
        return round(self._context.clock.monotonic_s() * NS_PER_S)

    def _book_journal(self) -> MarketJournal:
        if self._journal is None:
            raise InvariantViolated("asked before start")
        return self._journal

    def _ready(self) -> IbSession:
        session = self._session
        if session is None:
            raise BrokerDisconnected("reconnecting")
        return session
