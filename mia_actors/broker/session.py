"""One connection to TWS, IB Gateway or the simulated gateway, from connect to its end.

The `IB` object lives in an asyncio loop of its own in a thread of its own, and is thrown away with the
connection: after a reconnect the library has forgotten everything, so the journal is the memory. Every wait
has a limit. Callbacks run in that thread, in the order of the wire.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from ib_insync import IB, Future, LimitOrder, MarketOrder, Order, StopLimitOrder, StopOrder

from mia_actors.broker.codes import is_rejection
from mia_actors.broker.contracts import front_contract
from mia_actors.broker.parse import bar_of, contract_of, fill_of, report_of
from mia_actors.core.errors import BrokerDisconnected, OrderRejected, PermanentError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, OrderState, OrderType
from mia_actors.core.session import Connection
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import Contract, Product
from mia_actors.telemetry.logs import get_logger

Answer = TypeVar("Answer")
BAR_SIZES = {
    Timeframe.S5: "5 secs",
    Timeframe.M1: "1 min",
    Timeframe.M5: "5 mins",
    Timeframe.M15: "15 mins",
    Timeframe.H1: "1 hour",
}
LIVE_BARS_KEPT = 16
THREAD_START_S = 5.0
CLIENT_ID_IN_USE = 326


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session waits."""

    connect_timeout_s: float
    request_timeout_s: float
    ack_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvents:
    """What a session tells, from its own thread; each must return quickly and not raise."""

    on_bar: Callable[[Bar], None]
    on_fill: Callable[[Fill], None]
    on_disconnect: Callable[[], None]


class IbSession:
    """One `IB` object behind blocking, bounded calls that may be made from any thread."""

    def __init__(
        self,
        connection: Connection,
        product: Product,
        *,
        limits: SessionLimits,
        events: SessionEvents,
        monotonic_ns: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._product = product
        self._limits = limits
        self._events = events
        self._log = get_logger(client_id=connection.client_id)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="ib", daemon=True)
        self._ready = threading.Event()
        self._closing = False
        self._last_error = ""
        self._ib: Any = None
        self._contract: Any = None
        self._questions: asyncio.Lock | None = None
        self._monotonic_ns = monotonic_ns
        self.contract: Contract | None = None
        self.written_monotonic_ns = 0
        """When the bytes of the last group were handed to the socket."""

    def connect(self) -> None:
        """Connects and reads the account's present state to its end.

        Raises:
            BrokerDisconnected: refused, client id in use, or a list did not come to its end.
        """
        self._thread.start()
        if not self._ready.wait(THREAD_START_S):
            raise BrokerDisconnected("the session's thread did not start")
        self._call(self._connect(), self._limits.connect_timeout_s + self._limits.request_timeout_s)

    def close(self) -> None:
        """Ends the connection and its thread; harmless when it has ended already."""
        self._closing = True
        if self._loop.is_running():
            self._loop.call_soon_threadsafe(self._shut)
            if threading.current_thread() is not self._thread:
                self._thread.join(THREAD_START_S)

    def choose_contract(self, *, month: str | None, roll_days: int) -> Contract:
        """Finds the contract to trade from the broker's contract details.

        Raises:
            PermanentError: there is none.
        """
        return self._call(self._choose_contract(month, roll_days), self._limits.request_timeout_s)

    def subscribe_bars(self) -> None:
        """5-second bars of the chosen contract from now on."""
        self._call(self._subscribe(), self._limits.request_timeout_s)

    def history(self, timeframe: Timeframe, duration: str) -> list[Bar]:
        """Closed bars up to now, ascending. `duration` in TWS's words, such as `10 D`.

        Raises:
            BrokerDisconnected: no answer in time.
        """
        return self._call(self._history(timeframe, duration), self._limits.request_timeout_s)

    def fills(self) -> tuple[Fill, ...]:
        """Executions of this contract known to the session, commissions joined."""
        return self._call(self._known_fills(), self._limits.request_timeout_s)

    def net_liquidation_usd(self) -> Decimal:
        """Equity by the account updates of the connect.

        Raises:
            PermanentError: the broker did not report it.
        """
        return self._call(self._net_liquidation(), self._limits.request_timeout_s)

    def next_order_id(self, above: int) -> None:
        """Never uses an order id at or below `above` again."""
        self._call(self._raise_order_id(above), self._limits.request_timeout_s)

    def highest_order_id(self) -> int:
        """The order id the next order would get, less one."""
        return int(self._ib.client._reqIdSeq) - 1  # noqa: SLF001 - the library shows it nowhere else

    def known_refs(self) -> set[str]:
        """References of every order the broker has told this session of."""
        return self._call(self._known_refs(), self._limits.request_timeout_s)

    def place(self, group: Sequence[OrderSpec]) -> tuple[OrderReport, ...]:
        """Sends a group and waits until each leg is acknowledged; legs the broker has are not sent again.

        Raises:
            OrderRejected: the broker said no.
            BrokerDisconnected: no acknowledgement in time.
        """
        return self._call(self._place(group), self._limits.ack_timeout_s + self._limits.request_timeout_s)

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """Cancels own orders and waits until each is final."""
        return self._call(
            self._cancel(order_refs), self._limits.ack_timeout_s + self._limits.request_timeout_s
        )

    def snapshot(self) -> BrokerSnapshot:
        """Open orders, completed orders, executions and position, each list read to its end."""
        return self._call(self._snapshot(), 4 * self._limits.request_timeout_s)

    def global_cancel(self) -> None:
        """Cancels everything of everybody."""
        self._call(self._global_cancel(), self._limits.request_timeout_s)

    def working_orders(self) -> int:
        """Orders of all clients that are not final, freshly asked."""
        return self._call(self._working_orders(), self._limits.request_timeout_s)

    def position_contracts(self) -> int:
        """Position in the chosen contract, freshly asked."""
        return self._call(self._position(), self._limits.request_timeout_s)

    # --- in the session's thread ---

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        self._loop.close()

    def _call(self, question: Coroutine[Any, Any, Answer], timeout_s: float) -> Answer:
        if not self._loop.is_running():
            question.close()
            raise BrokerDisconnected("the session has ended")
        waiting = asyncio.run_coroutine_threadsafe(asyncio.wait_for(question, timeout_s), self._loop)
        try:
            return waiting.result(timeout_s + THREAD_START_S)
        except (TimeoutError, ConnectionError) as error:
            waiting.cancel()
            why = self._last_error or f"{type(error).__name__} {error}".strip()
            raise BrokerDisconnected(f"client {self._connection.client_id}: {why}") from error

    def _shut(self) -> None:
        if self._ib is not None and self._ib.isConnected():
            self._ib.disconnect()
        self._loop.stop()

    async def _connect(self) -> None:
        self._questions = asyncio.Lock()
        self._ib = IB()  # type: ignore[no-untyped-call]
        self._ib.RaiseRequestErrors = False
        self._ib.errorEvent += self._on_error
        self._ib.disconnectedEvent += self._on_disconnected
        self._ib.execDetailsEvent += self._on_execution
        self._ib.commissionReportEvent += self._on_commission
        connection = self._connection
        await self._ib.connectAsync(
            connection.host, connection.port, connection.client_id, timeout=self._limits.connect_timeout_s
        )

    def _on_error(self, _request: int, code: int, text: str, _contract: Any) -> None:
        if code == CLIENT_ID_IN_USE or is_rejection(code):
            self._last_error = f"{code} {text}"
        self._log.info("broker.message_received", code=code, text=text)

    def _on_disconnected(self) -> None:
        if not self._closing:
            self._events.on_disconnect()

    def _on_execution(self, _trade: Any, raw: Any) -> None:
        self._events.on_fill(fill_of(self._product, raw))

    def _on_commission(self, _trade: Any, raw: Any, _report: Any) -> None:
        self._events.on_fill(fill_of(self._product, raw))

    async def _choose_contract(self, month: str | None, roll_days: int) -> Contract:
        product = self._product
        wanted = Future(product.symbol, exchange=product.exchange, currency=product.currency)
        details = await self._ib.reqContractDetailsAsync(wanted)
        now = await self._ib.reqCurrentTimeAsync()
        candidates = {contract_of(one.contract): one.contract for one in details}
        chosen = front_contract(
            list(candidates),
            today=trade_date(int(now.timestamp()) * 10**9),
            roll_days=roll_days,
            month=month,
        )
        self._contract = candidates[chosen]
        self._contract.lastTradeDateOrContractMonth = chosen.expiry
        self.contract = chosen
        return chosen

    async def _subscribe(self) -> None:
        bars = self._ib.reqRealTimeBars(self._contract, 5, "TRADES", False)
        bars.updateEvent += self._on_bars

    def _on_bars(self, bars: Any, _has_new: bool) -> None:  # noqa: FBT001 - the library's signature
        self._events.on_bar(bar_of(self._product, self._instrument(), Timeframe.S5, bars[-1]))
        if len(bars) > LIVE_BARS_KEPT:
            del bars[:-1]

    def _instrument(self) -> str:
        if self.contract is None:
            raise PermanentError("no contract was chosen")
        return self.contract.instrument

    async def _history(self, timeframe: Timeframe, duration: str) -> list[Bar]:
        found = await self._ib.reqHistoricalDataAsync(
            self._contract,
            endDateTime="",
            durationStr=duration,
            barSizeSetting=BAR_SIZES[timeframe],
            whatToShow="TRADES",
            useRTH=False,
            formatDate=2,
            timeout=self._limits.request_timeout_s,
        )
        bars = [bar_of(self._product, self._instrument(), timeframe, raw) for raw in found]
        return sorted(bars, key=lambda bar: bar.start_ns)

    async def _known_fills(self) -> tuple[Fill, ...]:
        return tuple(fill_of(self._product, raw) for raw in self._ib.fills())

    async def _net_liquidation(self) -> Decimal:
        for value in self._ib.accountValues():
            if value.tag == "NetLiquidation" and value.currency in {self._product.currency, "BASE"}:
                return Decimal(value.value)
        raise PermanentError("the broker did not report the account's NetLiquidation")

    async def _raise_order_id(self, above: int) -> None:
        self._ib.client.updateReqId(above + 1)

    async def _known_refs(self) -> set[str]:
        found = {trade.order.orderRef for trade in self._ib.trades()}
        found |= {raw.execution.orderRef for raw in self._ib.fills()}
        return found

    async def _place(self, group: Sequence[OrderSpec]) -> tuple[OrderReport, ...]:
        known = await self._known_refs()
        if any(spec.order_ref in known for spec in group):
            return await self._reports([spec.order_ref for spec in group])
        numbers = {spec.order_ref: self._ib.client.getReqId() for spec in group}
        trades = []
        for index, spec in enumerate(group):
            order = _library_order(self._product, spec)
            order.orderId = numbers[spec.order_ref]
            order.parentId = numbers[spec.parent_ref] if spec.parent_ref else 0
            order.transmit = index == len(group) - 1
            trades.append(self._ib.placeOrder(self._contract, order))
        self.written_monotonic_ns = self._monotonic_ns()
        for trade in trades:
            await self._acknowledged(trade)
        refused = [trade for trade in trades if _was_rejected(trade)]
        if refused:
            raise OrderRejected(_rejection(refused[0]))
        return tuple(report_of(trade) for trade in trades)

    async def _acknowledged(self, trade: Any) -> None:
        """Waits until the broker has said anything of an order, or refused it."""
        loop = asyncio.get_running_loop()
        heard = loop.create_future()

        def on_status(_trade: Any) -> None:
            if trade.orderStatus.status not in {"PendingSubmit", "ApiPending", ""} and not heard.done():
                heard.set_result(None)

        trade.statusEvent += on_status
        try:
            on_status(trade)
            await asyncio.wait_for(heard, self._limits.ack_timeout_s)
        finally:
            trade.statusEvent -= on_status

    async def _cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        mine = [trade for trade in self._ib.openTrades() if trade.order.orderRef in order_refs]
        for trade in mine:
            self._ib.cancelOrder(trade.order)
        for trade in mine:
            await self._ended(trade)
        return await self._reports(order_refs)

    async def _ended(self, trade: Any) -> None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def on_status(_trade: Any) -> None:
            if trade.isDone() and not ended.done():
                ended.set_result(None)

        trade.statusEvent += on_status
        try:
            on_status(trade)
            await asyncio.wait_for(ended, self._limits.ack_timeout_s)
        finally:
            trade.statusEvent -= on_status

    async def _reports(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """Reports of these references by the broker's own lists."""
        found = {report.order_ref: report for report in (await self._snapshot()).orders}
        return tuple(found[ref] for ref in order_refs if ref in found)

    async def _snapshot(self) -> BrokerSnapshot:
        if self._questions is None:
            raise BrokerDisconnected("not connected")
        async with self._questions:  # the library has one slot for each of these lists
            completed = await self._ib.reqCompletedOrdersAsync(False)
            working = await self._ib.reqAllOpenOrdersAsync()
            await self._ib.reqExecutionsAsync()
            positions = await self._ib.reqPositionsAsync()
        orders = {
            trade.order.orderRef: _completed_report(trade) for trade in completed if trade.order.orderRef
        }
        orders |= {trade.order.orderRef: report_of(trade) for trade in working if trade.order.orderRef}
        return BrokerSnapshot(
            orders=tuple(orders.values()),
            fills=await self._known_fills(),
            position_contracts=self._held(positions),
        )

    def _held(self, positions: Sequence[Any]) -> int:
        con_id = self.contract.con_id if self.contract else 0
        return sum(int(one.position) for one in positions if one.contract.conId == con_id)

    async def _global_cancel(self) -> None:
        self._ib.reqGlobalCancel()

    async def _working_orders(self) -> int:
        if self._questions is None:
            raise BrokerDisconnected("not connected")
        async with self._questions:
            return len([trade for trade in await self._ib.reqAllOpenOrdersAsync() if not trade.isDone()])

    async def _position(self) -> int:
        if self._questions is None:
            raise BrokerDisconnected("not connected")
        async with self._questions:
            return self._held(await self._ib.reqPositionsAsync())


def _library_order(product: Product, spec: OrderSpec) -> Order:
    """The library's order; time in force and reference are set on every leg."""
    side, quantity = spec.side.value, spec.quantity
    limit = float(product.price_of(spec.limit_ticks)) if spec.limit_ticks is not None else 0.0
    trigger = float(product.price_of(spec.stop_ticks)) if spec.stop_ticks is not None else 0.0
    order: Order
    if spec.order_type is OrderType.MARKET:
        order = MarketOrder(side, quantity)
    elif spec.order_type is OrderType.LIMIT:
        order = LimitOrder(side, quantity, limit)
    elif spec.order_type is OrderType.STOP:
        order = StopOrder(side, quantity, trigger)
    else:
        order = StopLimitOrder(side, quantity, limit, trigger)
    order.orderRef = spec.order_ref
    order.tif = spec.tif.value
    order.outsideRth = True
    return order


def _completed_report(trade: Any) -> OrderReport:
    report = report_of(trade)
    filled = int(trade.order.filledQuantity) if report.state is OrderState.FILLED else report.filled
    return OrderReport(
        order_ref=report.order_ref,
        perm_id=report.perm_id,
        state=report.state,
        filled=filled,
        remaining=int(trade.order.totalQuantity) - filled,
        reason=trade.orderStatus.completedStatus if hasattr(trade.orderStatus, "completedStatus") else "",
    )


def _was_rejected(trade: Any) -> bool:
    return trade.orderStatus.status == "Inactive" or any(
        entry.errorCode and is_rejection(entry.errorCode) for entry in trade.log
    )


def _rejection(trade: Any) -> str:
    for entry in trade.log:
        if entry.errorCode and is_rejection(entry.errorCode):
            return f"{trade.order.orderRef}: {entry.errorCode} {entry.message}"
    return f"{trade.order.orderRef}: inactive"
