"""One connection to TWS, IB Gateway or the simulated gateway, from connect to its end.

The `IB` object lives in an asyncio loop of its own in a thread of its own, and is thrown away with the
connection: after a reconnect the library has forgotten everything, so the journal is the memory.

Guarantees: every call ends within its limit; a session that ended says so once and stays ended; callbacks
run in the session's thread in wire order, executions of a bar before the bar; an order is never reported
otherwise than the gateway itself put it.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from mia_actors.broker import parse
from mia_actors.broker.accounts import account_of
from mia_actors.broker.broker_word import BrokerWord, WordEvents
from mia_actors.broker.codes import Code, Effect, error_of, is_empty_history
from mia_actors.broker.connecting import open_ib
from mia_actors.broker.contracts import front_contract
from mia_actors.broker.fact_word import FactWord
from mia_actors.broker.listings import Listings
from mia_actors.broker.liveness import Liveness, LivenessLimits
from mia_actors.broker.loop_thread import LoopThread, Watched
from mia_actors.broker.order_entry import OrderEntry
from mia_actors.broker.wire import RequestError
from mia_actors.core.clock import time_ns_of, utc_datetime
from mia_actors.core.errors import (
    BrokerDisconnected,
    ConfigError,
    InvariantViolated,
    MiaError,
    PacingExceeded,
    PermanentError,
    TransientError,
)
from mia_actors.core.facts import Fact
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, OrderTerms
from mia_actors.core.session import Connection
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import Contract, Product
from mia_actors.telemetry.logs import get_logger

Answer = TypeVar("Answer")
CALL_MARGIN_S = 2.0
"""Beyond its own limit whatever runs in the loop must have ended within this."""
POLL_S = 0.005
HISTORY_TIMES_REQUEST = 4
"""History may take this many times the limit of other requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session waits."""

    connect_timeout_s: float
    request_timeout_s: float
    ack_timeout_s: float
    commission_wait_s: float = 2.0
    """For commissions of known executions, which may come after the end of their list."""
    suspended_max_s: float = 60.0
    """Connectivity lost (code 1100) for longer than this ends the session."""
    liveness: LivenessLimits = field(default_factory=LivenessLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvents:
    """What a session tells, from its own thread; each must return quickly and not raise."""

    on_bar: Callable[[Bar], None]
    """A 5-second bar of the contract."""
    on_fill: Callable[[Fill], None]
    """An execution of the contract; again when its commission or a correction is known."""
    on_disconnect: Callable[[], None]
    """The session ended by itself; `IbSession.ended_by` says why."""
    on_fact: Callable[[Fact], None] | None = None
    """Anything else of the account and the market, in wire order with bars and fills."""
    arrival_ns: Callable[[], int] = int
    """What stamps facts with their arrival; by default nothing does."""


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
        reserve_order_id: Callable[[int], None] | None = None,
        watched: Watched | None = None,
    ) -> None:
        """Takes `reserve_order_id` to be called, before a group is sent, with its highest order number."""
        self.ended_by: MiaError | None = None
        """Why the session is over; None while it is not."""
        self.written_monotonic_ns = 0
        """When the bytes of the last group were handed to the kernel."""
        self._connection = connection
        self._product = product
        self._limits = limits
        self._events = events
        self._monotonic_ns = monotonic_ns
        self._reserve_order_id = reserve_order_id
        self._log = get_logger(client_id=connection.client_id)
        self._facts = (
            FactWord(product, on_fact=events.on_fact, arrival_ns=events.arrival_ns)
            if events.on_fact
            else None
        )
        self._word = BrokerWord(
            product,
            client_id=connection.client_id,
            facts=self._facts,
            events=WordEvents(
                on_bar=self._on_bar,
                on_fill=events.on_fill,
                on_notice=self._on_notice,
                on_failure=self._end,
            ),
        )
        self._liveness = Liveness(
            limits.liveness, ask_time_ns=self._time_ns, monotonic_ns=monotonic_ns, on_dead=self._end
        )
        self._listings = Listings(self._ask, product)
        self._entry = OrderEntry(self, self._word, ack_timeout_s=limits.ack_timeout_s)
        self._thread = LoopThread(f"ib-{connection.client_id}", watched)
        self._state = threading.Lock()
        self._lists = asyncio.Lock()
        self._clock = asyncio.Lock()
        self._ib: Any = None
        self._suspended = ""
        self._farm_down = False
        self._bars_request: int | None = None
        self._ib_contract: Any = None
        self._account = ""

    @property
    def contract(self) -> Contract | None:
        """The contract chosen."""
        return self._word.contract

    # Life.

    def connect(self) -> None:
        """Connects under the fixed client id and reads the account's present state to its end; one attempt.

        Raises:
            BrokerDisconnected: refused, client id in use, or a list did not come to its end.
            ConfigError: not the account that was configured, or not of the kind that may be traded.
        """
        limit_s = 2 * self._limits.connect_timeout_s + 2 * self._limits.request_timeout_s
        self._thread.call(self._connect, limit_s)

    def close(self) -> None:
        """Ends the connection and its thread; harmless when it has ended already."""
        with self._state:
            self.ended_by = self.ended_by or BrokerDisconnected("the session was closed")
        self._word.end()
        self._thread.soon(self._drop)
        self._thread.stop()

    async def _connect(self) -> None:
        try:
            self._ib = await open_ib(
                self._word, self._connection, timeout_s=self._limits.connect_timeout_s, on_cut=self._on_cut
            )
            self._account = account_of(self._ib.managedAccounts(), self._connection)
        except BrokerDisconnected as error:
            self._drop()
            raise BrokerDisconnected(self._named(str(error))) from error
        except ConfigError:
            self._drop()
            raise

    def _on_cut(self, reason: str) -> None:
        if self._word.contract is not None:
            self._end(BrokerDisconnected(self._named(reason)))

    def _end(self, error: MiaError) -> None:
        """The session is over: once, with a reason."""
        with self._state:
            if self.ended_by is not None:
                return
            self.ended_by = error
        self._log.warning("broker.session_ended", error=str(error))
        self._word.end()
        self._thread.soon(self._drop)
        self._events.on_disconnect()

    def _drop(self) -> None:
        self._liveness.end()
        ib, self._ib = self._ib, None
        if ib is not None:
            ib.client.disconnect()

    def _named(self, reason: str) -> str:
        connection = self._connection
        return f"{connection.host}:{connection.port}, client id {connection.client_id}: {reason}"

    def _on_bar(self, bar: Bar) -> None:
        self._liveness.heard(bar.end_ns)
        self._events.on_bar(bar)

    def _on_notice(self, request_id: int, code: int, row: Code, text: str) -> None:
        self._log.info("broker.notice_received", code=code, meaning=row.meaning, text=text)
        reason = f"code {code}, {row.meaning}: {text}"
        if request_id == self._bars_request and row.error is not None:
            self._end(error_of(code, text))
        elif request_id < 0:
            self._react(row.effect, BrokerDisconnected(self._named(reason)))

    def _react(self, effect: Effect, error: BrokerDisconnected) -> None:
        if effect is Effect.RENEW or (effect is Effect.FARM_UP and self._farm_down):
            self._end(error)
        elif effect is Effect.FARM_DOWN:
            self._farm_down = True
        elif effect is Effect.SUSPEND and not self._suspended:
            self._suspended = str(error)
            asyncio.get_running_loop().call_later(self._limits.suspended_max_s, self._end, error)

    # Market.

    def choose_contract(
        self,
        *,
        month: str | None,
        roll_days: int,
        expiry_days_min: int | None = None,
        include_expired: bool = False,
    ) -> Contract:
        """Finds the contract to trade, or to read the history of, from the broker's contract details.

        The month asked for, else with `expiry_days_min` the one the market is in by volume, else by days to expiry.

        Raises:
            ConfigError: there is none, or more than one.
        """
        candidates = self._listings.expiries(include_expired=include_expired)
        today = trade_date(self.broker_time_ns())
        if month is None and expiry_days_min is not None and candidates:
            chosen = self._listings.front(
                candidates, today=today, roll_days=roll_days, expiry_days_min=expiry_days_min
            )
        else:
            chosen = front_contract(list(candidates), today=today, roll_days=roll_days, month=month)
        self._ib_contract = candidates[chosen]
        self._ib_contract.lastTradeDateOrContractMonth = chosen.expiry
        self._ib_contract.includeExpired = include_expired
        self._word.trade(chosen)
        self._ask("connection", self._is_up)  # a cut before this line was nobody's news yet
        return chosen

    def held_elsewhere(self) -> tuple[str, ...]:
        """Positions and working orders in other expiries of the product, a phrase each."""
        return self._listings.elsewhere(self._traded(), self._account)

    def subscribe_bars(self) -> None:
        """5-second bars of the chosen contract from now on."""

        async def subscribe(ib: Any) -> None:
            self._bars_request = ib.reqRealTimeBars(self._ib_contract, 5, "TRADES", useRTH=False).reqId
            await self._liveness.begin()

        self._ask("bars", subscribe)
        if self._facts is not None:
            self._facts.is_live = True

    def subscribe_account(self) -> None:
        """Trades, quotes and the open profit of the chosen contract from now on, as facts."""
        contract = self._traded()

        async def subscribe(ib: Any) -> None:
            ib.reqMktData(self._ib_contract, "", snapshot=False)
            ib.reqPnLSingle(self._account, "", contract.con_id)

        self._ask("account", subscribe)

    def order_terms(self) -> tuple[OrderTerms, ...]:
        """Prices of the orders heard of, where facts are wanted."""

        async def read(_: Any) -> tuple[OrderTerms, ...]:
            return self._facts.terms if self._facts is not None else ()

        return self._ask("terms", read)

    def account(self) -> str:
        """The account traded."""
        return self._account

    def history(self, timeframe: Timeframe, duration: str, *, end_ns: int | None = None) -> list[Bar]:
        """Bars that have ended by now, or by `end_ns` in the past, ascending.

        `duration` is in TWS's words, such as `10 D`.

        Raises:
            BrokerDisconnected: no answer in time.
            PacingExceeded: too many requests.
            PermissionMissing: the login may not have them.
        """
        contract = self._traded()

        async def request(ib: Any) -> Any:
            return await ib.reqHistoricalDataAsync(
                self._ib_contract,
                endDateTime="" if end_ns is None else utc_datetime(end_ns),
                durationStr=duration,
                barSizeSetting=parse.BAR_SIZES[timeframe],
                whatToShow="TRADES",
                useRTH=False,
                formatDate=2,
                timeout=0,
            )

        limit_s = HISTORY_TIMES_REQUEST * self._limits.request_timeout_s
        try:
            rows = self._ask(f"{timeframe} history", request, limit_s=limit_s)
        except NoBars:
            return []
        now_ns = self.broker_time_ns() if end_ns is None else end_ns
        bars = [parse.historical_bar(self._product, contract.instrument, timeframe, row) for row in rows]
        return sorted((bar for bar in bars if bar.end_ns <= now_ns), key=lambda bar: bar.start_ns)

    def broker_time_ns(self) -> int:
        """The gateway's clock, whole seconds."""
        return self._ask("current time", lambda _: self._time_ns())

    async def _time_ns(self) -> int:
        ib = self._ib
        if ib is None:
            raise ConnectionError("not connected")
        async with self._clock:  # the library has one slot for it
            return time_ns_of(await ib.reqCurrentTimeAsync())

    def net_liquidation_usd(self) -> Decimal:
        """Equity by the account updates of the connect.

        Raises:
            PermanentError: the broker did not report it.
        """

        async def read(ib: Any) -> Decimal | None:
            return parse.net_liquidation_usd(self._account, ib.accountValues())

        found = self._ask("account", read)
        if found is None:
            raise PermanentError("the broker did not report the account's NetLiquidation")
        return found

    # Facts.

    def fills(self) -> tuple[Fill, ...]:
        """Executions of this contract known to the session, commissions joined, corrections applied."""
        if self._word.commissions_missing:
            limit_s = self._limits.commission_wait_s + CALL_MARGIN_S
            self._ask("commissions", self._commissions, limit_s=limit_s)
        return self._word.fills()

    def executions_of_others(self) -> tuple[Fill, ...]:
        """Executions of the contract, asked for where the streamed position is not explained by those heard.

        Those of other clients are streamed to nobody but the master client; none where everything is explained.
        """
        if self._word.agreed_position() is not None:
            return ()

        async def request(ib: Any) -> None:
            async with self._lists:
                await ib.reqExecutionsAsync()

        self._ask("executions", request)
        return self.fills()

    def position_contracts(self) -> int:
        """Position in the chosen contract, freshly asked."""
        return self._ask("positions", self._position)

    def held_contracts(self) -> int:
        """Position in the chosen contract: as streamed while the executions heard explain it, else asked."""
        heard = self._word.agreed_position()
        return self.position_contracts() if heard is None else heard

    def entering_contracts(self) -> int:
        """Signed contracts that entries still working could add to the position."""
        return self._word.entering_contracts()

    def working_orders(self) -> int:
        """Orders of all clients that are not final, freshly asked."""

        async def read(ib: Any) -> int:
            async with self._lists:
                trades = await ib.reqAllOpenOrdersAsync()
            working = (one for one in trades if not parse.order_state(one.orderStatus.status).is_final)
            # What changes while the list is on its way is in it twice.
            return len({(one.order.permId, one.order.clientId, one.order.orderId) for one in working})

        return self._ask("open orders", read)

    def snapshot(self) -> BrokerSnapshot:
        """Open orders, completed orders, executions and position, each list read to its end."""
        limit_s = 2 * self._limits.request_timeout_s + self._limits.commission_wait_s
        position = self._ask("the broker's lists", self._read_lists, limit_s=limit_s)
        with self._word.quiet():
            return BrokerSnapshot(
                orders=self._word.reports(), fills=self._word.fills(), position_contracts=position
            )

    async def _read_lists(self, ib: Any) -> int:
        async with self._lists:  # the library has one slot for each of these lists
            self._word.begin_lists()
            await asyncio.gather(
                ib.reqAllOpenOrdersAsync(), ib.reqCompletedOrdersAsync(apiOnly=False), ib.reqExecutionsAsync()
            )
            self._word.end_lists()
        await self._commissions(ib)
        return await self._position(ib)

    async def _position(self, ib: Any) -> int:
        con_id = self._traded().con_id
        async with self._lists:
            rows = await ib.reqPositionsAsync()
        ours = [row for row in rows if row.contract.conId == con_id and row.account == self._account]
        position: int = sum(round(row.position) for row in ours)
        self._word.position_asked(position)
        return position

    async def _commissions(self, ib: Any) -> None:
        del ib
        for _ in range(round(self._limits.commission_wait_s / POLL_S)):
            if not self._word.commissions_missing:
                return
            await asyncio.sleep(POLL_S)

    # Orders.

    def next_order_id(self, above: int) -> None:
        """Never uses an order id at or below `above` again, whatever the gateway offers."""

        async def raise_it(ib: Any) -> None:
            ib.client.updateReqId(above + 1)

        self._ask("order id", raise_it)

    def knows(self, order_ref: str) -> bool:
        """Whether the broker has been heard to have an order, or one was sent under this reference."""
        return self._word.report(order_ref) is not None

    def place(self, group: Sequence[OrderSpec]) -> tuple[OrderReport, ...]:
        """See `OrderEntry.place`."""
        return self._entry.place(group)

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderEntry.cancel`."""
        return self._entry.cancel(order_refs)

    def send(self, group: Sequence[OrderSpec]) -> None:
        """Writes a group in one piece: the last leg transmits all of them."""

        async def write(ib: Any) -> None:
            async with self._lists:  # a list on its way does not have the group: it must not say so
                await self._room(ib, len(group))
                numbers = {spec.order_ref: ib.client.getReqId() for spec in group}
                if self._reserve_order_id is not None:
                    self._reserve_order_id(max(numbers.values()))
                orders = [
                    parse.ib_order(
                        self._product,
                        spec,
                        order_id=numbers[spec.order_ref],
                        parent_id=numbers[spec.parent_ref] if spec.parent_ref else 0,
                        account=self._account,
                        transmit=spec is group[-1],
                    )
                    for spec in group
                ]
                self._word.sent(group, list(numbers.values()))
                ib.write_at_once(lambda: [ib.placeOrder(self._ib_contract, order) for order in orders])
                self.written_monotonic_ns = self._monotonic_ns()

        self._ask("orders", write)

    async def _room(self, ib: Any, messages: int) -> None:
        """Waits until the library's pacing would not tear a group apart."""
        for _ in range(round(self._limits.request_timeout_s / POLL_S)):
            if ib.room_for(messages, asyncio.get_running_loop().time()):
                return
            await asyncio.sleep(POLL_S)
        raise PacingExceeded(self._named("no room for orders in the message rate"))

    def send_cancel(self, order_refs: Sequence[str]) -> None:
        """Asks to cancel those of this client that are not final."""

        async def write(ib: Any) -> None:
            ids = self._word.cancellable(order_refs)
            ib.write_at_once(lambda: [ib.client.cancelOrder(order_id) for order_id in ids])

        self._ask("cancel", write)

    def global_cancel(self) -> None:
        """Cancels everything of everybody."""

        async def write(ib: Any) -> None:
            ib.reqGlobalCancel()

        self._ask("global cancel", write)

    async def _is_up(self, ib: Any) -> None:
        if not ib.isConnected():
            raise ConnectionError("the gateway closed the connection")

    def _traded(self) -> Contract:
        if self._word.contract is None:
            raise InvariantViolated("no contract was chosen")
        return self._word.contract

    def _ask(
        self, what: str, request: Callable[[Any], Awaitable[Answer]], *, limit_s: float | None = None
    ) -> Answer:
        """Runs a request in the loop within its limit; one that is not answered ends the session."""
        timeout_s = limit_s or self._limits.request_timeout_s

        async def run() -> Answer:
            if self.ended_by is not None or self._ib is None:
                raise BrokerDisconnected(str(self.ended_by or self._named("not connected")))
            if self._suspended:
                raise BrokerDisconnected(self._suspended)
            return await asyncio.wait_for(request(self._ib), timeout_s)

        try:
            return self._thread.call(run, timeout_s + CALL_MARGIN_S)
        except RequestError as error:
            if is_empty_history(error.code, error.message):
                raise NoBars from error
            raise error_of(error.code, error.message) from error
        except TimeoutError as error:
            silent = BrokerDisconnected(self._named(f"{what}: no answer within {timeout_s:g} s"))
            self._end(silent)
            raise silent from error
        except ConnectionError as error:
            raise BrokerDisconnected(self._named(f"{what}: {error}")) from error


class NoBars(TransientError):
    """A history request has no bars; never leaves the session."""
