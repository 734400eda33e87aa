"""The gateway: clients, exchange and the pace of the market, in one asyncio loop.

All frames of one 5-second bar go to a client in one write: executions and order changes first, then the bar,
so that whoever has the bar has its fills.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from mia_actors.core.clock import Clock, utc_datetime
from mia_actors.core.errors import InvariantViolated
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import Contract
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.gateway.access import AccessTerms
from mia_actors.exchange.gateway.client import ApiClient
from mia_actors.exchange.gateway.fault_hands import FaultHands
from mia_actors.exchange.gateway.faults import Fault, FaultSchedule
from mia_actors.exchange.gateway.global_cancels import GlobalCancels
from mia_actors.exchange.gateway.history import History
from mia_actors.exchange.gateway.market import (
    Acknowledged,
    AllCancelled,
    BarShown,
    Cancelled,
    Closed,
    MarketChange,
    Modified,
    Role,
    SimulatedMarket,
    Started,
    Submitted,
)
from mia_actors.exchange.gateway.pacing import RequestPacing
from mia_actors.exchange.orders import (
    ExchangeEvent,
    ExchangeOrder,
    Executed,
    Execution,
    NewOrder,
)
from mia_actors.supervision.processes import own_process
from mia_actors.telemetry.logs import get_logger


class Gateway:
    """One market, any number of API clients. Nobody is told of a change before it is recorded."""

    def __init__(
        self,
        market: SimulatedMarket,
        *,
        clock: Clock,
        pace: float | None,
        master_client_id: int,
        record: Callable[[MarketChange], None],
        faults: Sequence[Fault] = (),
        access: AccessTerms | None = None,
        others: Mapping[Contract, History] | None = None,
    ) -> None:
        """`pace` is a multiple of real time, or None for lockstep.

        Raises:
            ConfigError: the time of a fault is none.
        """
        self._market = market
        self._clock = clock
        self._pace = pace
        self._master_client_id = master_client_id
        self._record = record
        self._log = get_logger(actor="gateway")
        self._process = own_process()
        self.contract = market.contract
        self.product = market.product
        self.account = market.exchange.terms.account
        self.cancels = GlobalCancels(market.exchange, clock)
        self._clients: dict[int, ApiClient] = {}
        self._pacing: asyncio.Task[None] | None = None
        schedule = FaultSchedule(faults, start_ns=market.bars[0].start_ns, struck=market.struck)
        self.faults = FaultHands(self, schedule)
        self.access = access or AccessTerms()
        self._others = dict(others or {})
        self.pacing = RequestPacing() if self.access.is_paced else None
        self.malformed = 0
        self.on_stop: Callable[[], None] = lambda: None

    # --- facts ---

    @property
    def exchange(self) -> SimulatedExchange:
        """To be read; changes go through the gateway."""
        return self._market.exchange

    @property
    def now_ns(self) -> int:
        """Market time: end of the last 5-second bar."""
        return self._market.now_ns

    def monotonic_s(self) -> float:
        """The machine's clock, for pacing of requests."""
        return self._clock.monotonic_s()

    def clock_text(self) -> str:
        """Market time as the wire writes it."""
        return utc_datetime(self.now_ns).strftime("%Y%m%d %H:%M:%S UTC")

    @property
    def listed(self) -> Mapping[Contract, History]:
        """Contracts that clients are told of, with their past; the tape's first, the only one that is traded."""
        return {self.contract: self._market.past, **self._others}

    @property
    def past(self) -> History:
        """What the market has shown so far; to be read."""
        return self._market.past

    @property
    def last_bar(self) -> Bar | None:
        """The 5-second bar shown last; None before the first of the session."""
        return self._market.last_bar

    @property
    def is_open(self) -> bool:
        """Whether bars are being shown."""
        return self._market.started and not self._market.is_over and not self.exchange.closed

    def status(self) -> dict[str, object]:
        """What the control port tells."""
        return {
            "market_time_ns": self.now_ns,
            "bars_total": len(self._market.bars),
            "bars_sent": self._market.base_bars_shown,
            "finished": self._market.is_over,
            "waiting_for": [role.value for role in self._market.missing()],
            "clients": sorted(self._clients),
            "started": self._market.started,
            "pid": self._process.pid,
            "start_time": self._process.start_time,
            "malformed": self.malformed,
            "position_contracts": self.exchange.position_contracts,
            "working_orders": len(self.exchange.working_orders()),
            "faults_struck": self._market.struck.total(),
        }

    # --- clients ---

    def admit(self, client: ApiClient, client_id: int) -> bool:
        """Takes a client id; false when it is in use."""
        if client_id in self._clients:
            return False
        self._clients[client_id] = client
        return True

    @property
    def clients(self) -> list[ApiClient]:
        """Those that have their ids now."""
        return list(self._clients.values())

    @property
    def _reachable(self) -> list[ApiClient]:
        """Those that can be told of the market now."""
        return [] if self.faults.is_cut_off else self.clients

    def cut(self, client: ApiClient) -> None:
        """Resets a connection; its client id is free at once."""
        self.forget(client)
        client.abort()

    def forget(self, client: ApiClient) -> None:
        """The connection is gone and worked off."""
        if client.client_id is not None and self._clients.get(client.client_id) is client:
            del self._clients[client.client_id]

    def drop(self, client_id: int) -> bool:
        """Cuts a client's connection without a word; false when it has none."""
        client = self._clients.get(client_id)
        if client is None:
            return False
        self.cut(client)
        self._log.warning("client.dropped", client_id=client_id)
        return True

    def orders(self) -> list[dict[str, object]]:
        """Every order of every client, as the control port tells it."""
        return [
            {
                "perm_id": order.perm_id,
                "client_id": order.client_id,
                "order_ref": order.order_ref,
                "state": order.state.value,
                "filled": order.filled,
            }
            for order in self.exchange.orders()
        ]

    def note_malformed(self, text: str) -> None:
        """Counts what could not be read."""
        self.malformed += 1
        self._log.warning("frame.refused", text=text)

    # --- orders ---

    def next_order_id(self, client_id: int) -> int:
        """First order id the client has not used."""
        return self._market.next_order_id(client_id)

    def order_of(self, client_id: int, order_id: int) -> ExchangeOrder | None:
        """A client's order by its own number."""
        return self._market.order_of(client_id, order_id)

    def submit(self, group: Sequence[NewOrder]) -> None:
        """Takes a whole group and tells owner and master."""
        self._tell(self.apply(Submitted(at_ns=self.now_ns, group=tuple(group))))

    def modify(self, perm_id: int, wanted: NewOrder) -> None:
        """Changes a working order and tells owner and master."""
        change = Modified(
            at_ns=self.now_ns,
            perm_id=perm_id,
            quantity=wanted.quantity,
            limit_ticks=wanted.limit_ticks,
            stop_ticks=wanted.stop_ticks,
        )
        self._tell(self.apply(change))

    def cancel(self, perm_id: int) -> None:
        """Cancels an order and tells owner and master."""
        self._tell(self.apply(Cancelled(at_ns=self.now_ns, perm_id=perm_id)))

    def global_cancel(self, client_id: int) -> None:
        """Cancels everything of everybody; each owner gets its own notices."""
        self.cancels.arrived(client_id)
        self._tell(self.apply(AllCancelled(at_ns=self.now_ns)))

    def apply(self, change: MarketChange) -> tuple[ExchangeEvent, ...]:
        """Changes the market, and records it before anybody is told."""
        events = self._market.apply(change)
        self._record(change)
        return events

    def _tell(self, events: Sequence[ExchangeEvent]) -> None:
        self.cancels.look()
        for event in events:
            self._queue(event)
        for client in self._reachable:
            client.flush()

    def _queue(self, event: ExchangeEvent) -> None:
        if isinstance(event, Executed):
            self._queue_execution(event.execution)
            return
        for client in self._seeing(event.order.client_id):
            client.tell_order(event.order)

    def _queue_execution(self, execution: Execution) -> None:
        for client in self._seeing(execution.order.client_id):
            client.tell_execution(execution)
        for client in self._reachable:
            client.tell_account()

    def _seeing(self, owner_id: int) -> list[ApiClient]:
        return [
            client for client in self._reachable if client.client_id in {owner_id, self._master_client_id}
        ]

    # --- the market ---

    def start(self) -> None:
        """Lets the market begin, or go on where a gateway before this one was; a repeat changes nothing."""
        if not self._market.started:
            self.apply(Started(at_ns=self.now_ns))
        self.faults.begin()
        self.faults.strike_due()
        if self._pace is None:
            self.advance()
        elif self._pacing is None:
            self._pacing = asyncio.get_running_loop().create_task(self._run_paced(self._pace))

    def acknowledge(self, role: Role, until_ns: int) -> bool:
        """Somebody handled everything up to a time; true when the tape has nothing after it."""
        if until_ns > self._market.acknowledged_ns[role]:
            self.apply(Acknowledged(at_ns=self.now_ns, role=role, until_ns=until_ns))
        self.go_on()
        return until_ns >= self._market.last_bar_end_ns

    def close_market(self, reason: str) -> None:
        """No bars, no new orders, no cancels, as in the daily break; an empty reason opens it again."""
        self.apply(Closed(at_ns=self.now_ns, reason=reason))
        self._log.warning("market.closed" if reason else "market.opened", reason=reason)
        self.go_on()

    def go_on(self) -> None:
        """In lockstep, shows what nobody has to be waited for any more."""
        if self._pace is None:
            self.advance()

    def advance(self) -> None:
        """Shows bars until somebody has to be waited for."""
        market = self._market
        while market.started and not market.is_over and not market.missing():
            if market.exchange.closed or self.faults.holds_market:
                return
            self._show_next()

    async def _run_paced(self, pace: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._market.is_over:
            if not self.exchange.closed:
                self._show_next()
            due_s += Timeframe.S5.seconds / pace
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    def _show_next(self) -> None:
        events = self.apply(BarShown(at_ns=self.now_ns))
        bar = self._market.last_bar
        if bar is None:
            raise InvariantViolated("a bar was shown and is not there")
        self.cancels.look()
        for event in events:
            self._queue(event)
        for client in self._reachable:
            client.tell_bar(bar)
            if client.client_id is not None and client.streams_bars:
                self.cancels.bar_leaves(client.client_id)
            client.flush()
        self.faults.strike_due()
