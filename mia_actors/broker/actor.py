"""The broker connection as a supervised child: bars in, orders out, both journaled."""

import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.broker.base_bars import BaseBars
from mia_actors.broker.halt_fence import HaltFence
from mia_actors.broker.ib_library import LIBRARY
from mia_actors.broker.liveness import LivenessLimits
from mia_actors.broker.messages import BarClosed
from mia_actors.broker.order_gate import OrderGate
from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, TransientError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, Permit
from mia_actors.core.ownership import owned
from mia_actors.core.session import SessionInfo
from mia_actors.core.units import Contract
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry import conventions, tracing
from mia_actors.telemetry.logs import get_logger

MARKET_FILE = "market.db"
BACKFILLS = ("300 S", "1800 S", "7200 S", "1 D")
"""Spans of 5-second bars asked for after a connect, until one reaches back far enough."""
CONNECT_BACKOFF_MIN_S = 0.02
"""A dead predecessor's client id is free as soon as the gateway has read the end of its socket."""
CONNECT_BACKOFF_MAX_S = 1.0
ORDER_ID_BLOCK = 100
"""Order numbers are put aside in blocks, so that the order path commits nothing."""
RECEIVED_KEPT = 128
LATEST_NS = (1 << 63) - 1
KEEPER_STOP_WITHIN_S = 5.0


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
    heartbeat_s: float = Field(
        default=10.0, gt=0, le=300, description="Seconds between heartbeats, and for the answer to one."
    )
    stale_after_s: float = Field(
        default=30.0,
        gt=0,
        le=3600,
        description="Seconds without a bar in an open market that end a connection.",
    )
    adopt_foreign_executions: bool = Field(
        default=False,
        description="Count what others trade on the account as this system's own, and close it; "
        "false: leave it alone.",
    )
    reconnects_max: int = Field(
        default=10, ge=0, le=1000, description="Connections lost within the period before this child crashes."
    )
    reconnect_period_s: float = Field(
        default=300.0, gt=0, le=86400, description="Seconds in which lost connections are counted."
    )

    def limits(self) -> SessionLimits:
        """The part a session needs."""
        return SessionLimits(
            connect_timeout_s=self.connect_timeout_s,
            request_timeout_s=self.request_timeout_s,
            ack_timeout_s=self.ack_timeout_s,
            liveness=LivenessLimits(heartbeat_s=self.heartbeat_s, stale_after_s=self.stale_after_s),
        )


class Broker:
    """Shell around one `IbSession` at a time. Up means: reconciled, warmed up, streaming.

    Guarantees: a base bar is announced when it and every execution of its span are committed; a bar is
    announced once in order, however often the connection or this process was lost meanwhile; an entry
    passes `OrderGate` only with a permit and its stop, and `HaltFence` only before the next halt. Calls wait,
    bounded, while a lost connection is replaced; those in flight when it was lost raise `BrokerDisconnected`.
    """

    Settings = BrokerSettings
    work_threads = 8

    def __init__(self, settings: BrokerSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._info = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._gate = OrderGate(born_monotonic_ns=self._monotonic_ns())
        self._fence = HaltFence(Path(self._info.state_dir))
        self._journal: MarketJournal | None = None
        self._session: IbSession | None = None
        self._up = threading.Condition()
        self._cut = threading.Event()
        self._closed = threading.Condition()
        self._placing = threading.Lock()
        self._keeper: threading.Thread | None = None
        self._stopping = False
        self._order_ids_reserved = 0
        self._received_ns: dict[int, int] = {}
        self._last_bar: Bar | None = None
        self._written_ns = 0
        self._written_after_bar_ns = 0

    def start(self) -> None:
        """Opens the journal, connects, reconciles, subscribes, then fills in what was missed.

        Raises:
            BrokerDisconnected: no session within the limit.
            ConfigError: the journal cannot be used, or the contract cannot be found.
        """
        self._journal = MarketJournal.open(self._info.path(MARKET_FILE))
        self._connect()
        self._keeper = threading.Thread(target=self._keep_connected, name="keeper", daemon=True)
        self._keeper.start()
        self._context.armed()

    def stop(self) -> None:
        """Ends the session; orders at the broker stay as they are."""
        self._stopping = True
        self._cut.set()
        for condition in (self._closed, self._up):
            with condition:
                condition.notify_all()
        session = self._session
        if session is not None:
            session.close()
        if self._keeper is not None:
            self._keeper.join(KEEPER_STOP_WITHIN_S)
        self._fence.close()

    # Market.

    def contract(self) -> Contract:
        """The contract traded."""
        found = self._ready().contract
        if found is None:
            raise InvariantViolated("a session without a contract")
        return found

    def starting_equity_usd(self) -> Decimal:
        """Equity when the session first connected."""
        equity = self._market().starting_equity_usd()
        if equity is None:
            raise InvariantViolated("asked before the first connect")
        return equity

    def net_liquidation_usd(self) -> Decimal:
        """The account's equity by the broker's present word."""
        return self._ready().net_liquidation_usd()

    def next_bar(self, after_start_ns: int | None, wait_s: float) -> BarClosed | None:
        """The first session bar that starts after a time; waits for it at most `wait_s`. Repeatable."""
        journal = self._market()
        deadline_s = self._context.clock.monotonic_s() + wait_s
        with self._closed:
            while True:
                bar = journal.session_bar_after(after_start_ns)
                if bar is not None:
                    break
                remaining_s = deadline_s - self._context.clock.monotonic_s()
                if remaining_s <= 0 or self._stopping:
                    return None
                self._closed.wait(remaining_s)
        return self._bar_closed(bar)

    def fills_until(self, time_ns: int) -> tuple[Fill, ...]:
        """This system's executions with an event time up to then; see `core.ownership`."""
        adopt = self._settings.adopt_foreign_executions
        return owned(self._market().fills(-1, time_ns), adopt=adopt)

    # Orders.

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `OrderDesk.place`; the second of the two gates stands here.

        Raises:
            OrderRejected: the gate or the broker said no.
            PermitStale: the permit ran out on its way, or a halt came after it; nothing was sent.
            BrokerDisconnected: not known whether it arrived.
        """
        session = self._ready()
        attributes = {conventions.ORDER_REF: group[0].order_ref}
        with self._placing, tracing.span(conventions.SPAN_PLACE_ORDERS, attributes=attributes) as span:
            if session.knows(group[0].order_ref):
                return session.place(group)
            self._gate.check(
                group,
                permit,
                held_contracts=session.held_contracts(),
                entering_contracts=session.entering_contracts(),
                market_ticks=self._market_ticks(),
                now_monotonic_ns=self._monotonic_ns(),
            )
            self._fence.check(group, permit)
            received_ns = max(self._received_ns.values(), default=0)
            try:
                return session.place(group)
            finally:
                self._written_ns = session.written_monotonic_ns
                self._written_after_bar_ns = self._written_ns - received_ns if received_ns else 0
                span.set_attribute(conventions.ORDER_WRITTEN_AFTER_BAR_MS, self._written_after_bar_ns / 1e6)

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderDesk.cancel`."""
        return self._ready().cancel(order_refs)

    def snapshot(self) -> BrokerSnapshot:
        """See `OrderDesk.snapshot`; executions in it are journaled, and this system's are told."""
        found = self._ready().snapshot()
        for fill in found.fills:
            self._market().add_fill(fill)
        return replace(found, fills=self.fills_until(LATEST_NS))

    def last_order_written_monotonic_ns(self) -> int:
        """When the bytes of the last group were handed to the kernel; 0 before the first."""
        return self._written_ns

    def order_written_after_bar_ns(self) -> int:
        """From the last 5-second bar's arrival to the bytes of the last group, for the latency bench."""
        return self._written_after_bar_ns

    # Connection.

    def _connect(self) -> None:
        """Attempts with growing pauses until one succeeds or the time is over."""
        deadline_s = self._context.clock.monotonic_s() + self._settings.connect_within_s
        backoff_s = CONNECT_BACKOFF_MIN_S
        while True:
            try:
                return self._open_session()
            except TransientError as error:
                if self._context.clock.monotonic_s() + backoff_s > deadline_s or self._stopping:
                    raise
                self._log.warning("broker.connect_failed", error=str(error), backoff_s=backoff_s)
                self._context.clock.sleep_s(backoff_s)
                backoff_s = min(CONNECT_BACKOFF_MAX_S, backoff_s * 2)

    def _open_session(self) -> None:
        """One whole attempt: connect, reconcile, subscribe, catch up."""
        journal = self._market()
        bars = BaseBars(self._info.base_timeframe, on_closed=self._on_closed, last=journal.last_base_bar())
        session = IbSession(
            self._info.connection(self._settings.connection),
            self._info.product,
            limits=self._settings.limits(),
            monotonic_ns=self._monotonic_ns,
            reserve_order_id=self._reserve_order_id,
            watched=self._context,
            events=SessionEvents(
                on_bar=lambda bar: self._on_bar(bars, bar),
                on_fill=journal.add_fill,
                on_disconnect=self._cut.set,
            ),
        )
        try:
            session.connect()
            month = journal.contract_month() or self._info.contract_month
            contract = session.choose_contract(month=month, roll_days=self._settings.roll_days)
            journal.note_contract_month(contract.month)
            session.next_order_id(journal.order_id_high_water())
            for fill in session.fills():
                journal.add_fill(fill)
            session.position_contracts()  # from here on the stream is checked against it
            journal.note_starting_equity_usd(session.net_liquidation_usd())
            session.subscribe_bars()
            self._warm_up(session, journal, bars)
            bars.release(self._missed(session, bars.wanted_from_ns))
        except BaseException:
            session.close()
            raise
        with self._up:
            self._session = session
            self._up.notify_all()
        self._log.info("broker.connected", instrument=contract.instrument, library=LIBRARY)

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

    def _keep_connected(self) -> None:
        """Replaces a session that ended; gives up, and crashes, when that happens too often or fails."""
        lost_at_s: deque[float] = deque(maxlen=self._settings.reconnects_max + 1)
        try:
            while True:
                self._cut.wait()
                self._cut.clear()
                if self._stopping:
                    return
                session = self._session
                if session is not None and session.ended_by is not None:
                    self._replace(session, lost_at_s)
        except Exception as error:  # noqa: BLE001 - the last word of this process, whatever it was
            if self._stopping:
                return
            self._log.exception("broker.reconnect_failed")
            self._context.crash(error)

    def _replace(self, session: IbSession, lost_at_s: deque[float]) -> None:
        with self._up:
            self._session = None
        session.close()
        if session.ended_by is not None and not isinstance(session.ended_by, TransientError):
            raise session.ended_by
        lost_at_s.append(self._context.clock.monotonic_s())
        self._log.warning("broker.disconnected", error=str(session.ended_by), lost=len(lost_at_s))
        if len(lost_at_s) > self._settings.reconnects_max and (
            lost_at_s[-1] - lost_at_s[0] < self._settings.reconnect_period_s
        ):
            raise BrokerDisconnected(f"{len(lost_at_s)} connections lost; the last: {session.ended_by}")
        self._connect()

    def _ready(self) -> IbSession:
        """The living session; waits for one, bounded, while a lost one is replaced."""
        with self._up:
            self._up.wait_for(lambda: self._living() is not None, self._settings.request_timeout_s)
            session = self._living()
        if session is None or self._stopping:
            raise BrokerDisconnected("the connection is being replaced")
        return session

    def _living(self) -> IbSession | None:
        session = self._session
        return session if session is not None and (session.ended_by is None or self._stopping) else None

    def _market_ticks(self) -> int | None:
        """The newest price: of the last 5-second bar heard, or of the last base bar where that is newer."""
        base, small = self._market().last_base_bar(), self._last_bar
        known = [bar for bar in (base, small) if bar is not None]
        return max(known, key=lambda bar: bar.end_ns).close_ticks if known else None

    # In the session's thread.

    def _on_bar(self, bars: BaseBars, bar: Bar) -> None:
        self._last_bar = bar
        self._received_ns[bar.end_ns] = self._monotonic_ns()
        if len(self._received_ns) > RECEIVED_KEPT:
            del self._received_ns[next(iter(self._received_ns))]
        bars.add(bar)

    def _on_closed(self, bar: Bar) -> None:
        with self._closed:
            self._market().add_base_bars([bar], history=False)
            self._closed.notify_all()

    def _reserve_order_id(self, order_id: int) -> None:
        if order_id > self._order_ids_reserved:
            self._order_ids_reserved = order_id + ORDER_ID_BLOCK
            self._market().raise_order_id(self._order_ids_reserved)

    def _bar_closed(self, bar: Bar) -> BarClosed:
        journal = self._market()
        self._hear_of_others()
        before = journal.base_bars(None, bar.start_ns, limit=1)
        previous = before[-1] if before else None
        return BarClosed(
            bar=bar,
            previous_start_ns=previous.start_ns if previous else None,
            fills=self._fills_between(previous.end_ns if previous else -1, bar.end_ns),
            received_monotonic_ns=self._received_ns.get(bar.end_ns, self._monotonic_ns()),
        )

    def _hear_of_others(self) -> None:
        """Executions of others come only when they are asked for; a session that is lost reads them anew."""
        session = self._living()
        if session is not None:
            with suppress(BrokerDisconnected):
                for fill in session.executions_of_others():
                    self._market().add_fill(fill)

    def _fills_between(self, after_ns: int, until_ns: int) -> tuple[Fill, ...]:
        if not self._market().fills(after_ns, until_ns):
            return ()
        return tuple(fill for fill in self.fills_until(until_ns) if fill.event_time_ns > after_ns)

    def _monotonic_ns(self) -> int:
        return round(self._context.clock.monotonic_s() * NS_PER_S)

    def _market(self) -> MarketJournal:
        if self._journal is None:
            raise InvariantViolated("asked before start")
        return self._journal
