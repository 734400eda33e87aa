"""The gateway: clients, exchange and the pace of the market, in one asyncio loop.

All frames of one 5-second bar go to a client in one write: executions and order changes first, then the bar,
so that whoever has the bar has its fills.
"""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum

from mia_actors.core.clock import Clock, utc_datetime
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import product
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.gateway.client import ApiClient
from mia_actors.exchange.gateway.global_cancels import GlobalCancels
from mia_actors.exchange.gateway.history import History
from mia_actors.exchange.orders import (
    AccountTerms,
    Costs,
    ExchangeEvent,
    ExchangeOrder,
    Executed,
    Execution,
    NewOrder,
)
from mia_actors.exchange.tape import Tape
from mia_actors.telemetry.logs import get_logger


class Role(StrEnum):
    """Who the market waits for in lockstep."""

    CYCLE = "cycle"
    """At the end of each base bar."""
    GUARDIAN = "guardian"
    """At the end of each 5-second bar."""
    HOLDER = "holder"
    """At the end of each 5-second bar: whoever wants to hold the market at a moment. No trading session has one."""


AT_EACH_BAR = (Role.GUARDIAN, Role.HOLDER)


class Gateway:
    """One tape, one simulated account, any number of API clients."""

    def __init__(
        self,
        tape: Tape,
        *,
        clock: Clock,
        lockstep_roles: frozenset[Role],
        pace: float | None,
        master_client_id: int,
        bars_max: int | None,
    ) -> None:
        """`pace` is a multiple of real time, or None for lockstep with `lockstep_roles`."""
        self._bars = tape.bars[:bars_max]
        self._clock = clock
        self._roles = lockstep_roles if pace is None else frozenset[Role]()
        self._pace = pace
        self._master_client_id = master_client_id
        self._log = get_logger(actor="gateway")
        self.contract = tape.contract
        self.product = product(tape.contract.symbol)
        self.exchange = SimulatedExchange(
            contract=tape.contract,
            product=self.product,
            costs=Costs(),
            account=AccountTerms(),
            start_ns=self._bars[0].start_ns,
        )
        self.account = self.exchange.terms.account
        self.cancels = GlobalCancels(self.exchange, clock)
        self._history = History(tape.history)
        self._clients: dict[int, ApiClient] = {}
        self._numbers: dict[tuple[int, int], int] = {}
        self._last_ids: dict[int, int] = {}
        self._acknowledged = dict.fromkeys(Role, 0)
        self._started = False
        self._next_base = 0
        self._small: list[Bar] = []
        self._pacing: asyncio.Task[None] | None = None
        self.malformed = 0
        self.on_stop: Callable[[], None] = lambda: None

    # --- facts ---

    @property
    def now_ns(self) -> int:
        """Market time: end of the last 5-second bar."""
        return self.exchange.now_ns

    @property
    def last_bar_end_ns(self) -> int:
        """End of the tape."""
        return self._bars[-1].end_ns

    @property
    def bars(self) -> Sequence[Bar]:
        """Base bars of the session."""
        return self._bars

    def monotonic_s(self) -> float:
        """The machine's clock, for pacing of requests."""
        return self._clock.monotonic_s()

    def clock_text(self) -> str:
        """Market time as the wire writes it."""
        return utc_datetime(self.now_ns).strftime("%Y%m%d %H:%M:%S UTC")

    def history(self, timeframe: Timeframe, duration: str) -> list[Bar]:
        """See `History.bars`."""
        return self._history.bars(timeframe, duration, self.now_ns)

    def status(self) -> dict[str, object]:
        """What the control port tells."""
        return {
            "market_time_ns": self.now_ns,
            "bars_total": len(self._bars),
            "bars_sent": self._next_base - (1 if self._small else 0),
            "finished": self._is_over(),
            "waiting_for": [role.value for role in self._missing()],
            "clients": sorted(self._clients),
            "started": self._started,
            "malformed": self.malformed,
        }

    # --- clients ---

    def admit(self, client: ApiClient, client_id: int) -> bool:
        """Takes a client id; false when it is in use."""
        if client_id in self._clients:
            return False
        self._clients[client_id] = client
        return True

    def forget(self, client: ApiClient) -> None:
        """The connection is gone and worked off."""
        if client.client_id is not None and self._clients.get(client.client_id) is client:
            del self._clients[client.client_id]

    def drop(self, client_id: int) -> bool:
        """Cuts a client's connection without a word; false when it has none."""
        client = self._clients.get(client_id)
        if client is None:
            return False
        self.forget(client)
        client.abort()
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
        return self._last_ids.get(client_id, 0) + 1

    def order_of(self, client_id: int, order_id: int) -> ExchangeOrder | None:
        """A client's order by its own number."""
        perm_id = self._numbers.get((client_id, order_id))
        return self.exchange.order(perm_id) if perm_id is not None else None

    def submit(self, group: Sequence[NewOrder]) -> None:
        """Takes a whole group and tells owner and master."""
        changes = self.exchange.submit(group)
        for change in changes:
            order = change.order
            self._numbers[(order.client_id, order.order_id)] = order.perm_id
            self._last_ids[order.client_id] = max(self._last_ids.get(order.client_id, 0), order.order_id)
        self._tell(changes)

    def modify(self, perm_id: int, wanted: NewOrder) -> None:
        """Changes a working order and tells owner and master."""
        self._tell(
            self.exchange.modify(
                perm_id,
                quantity=wanted.quantity,
                limit_ticks=wanted.limit_ticks,
                stop_ticks=wanted.stop_ticks,
            )
        )

    def cancel(self, perm_id: int) -> None:
        """Cancels an order and tells owner and master."""
        self._tell(self.exchange.cancel(perm_id))

    def global_cancel(self, client_id: int) -> None:
        """Cancels everything of everybody; each owner gets its own notices."""
        self.cancels.arrived(client_id)
        self._tell(self.exchange.cancel_all())

    def _tell(self, events: Sequence[ExchangeEvent]) -> None:
        self.cancels.look()
        for event in events:
            self._queue(event)
        for client in self._clients.values():
            client.flush()

    def _queue(self, event: ExchangeEvent) -> None:
        if isinstance(event, Executed):
            self._queue_execution(event.execution)
            return
        for client in self._seeing(event.order.client_id):
            if client.client_id == event.order.client_id:
                client.orders.tell_ended(event.order)
            client.orders.send_order(event.order)

    def _queue_execution(self, execution: Execution) -> None:
        for client in self._seeing(execution.order.client_id):
            client.send(client.formatter.execution(-1, execution, execution.order.order_id))
            client.send(client.formatter.commission(execution))
        for client in self._clients.values():
            if client.wants_positions:
                client.send_position()
            if client.wants_account:
                client.send_account()

    def _seeing(self, owner_id: int) -> list[ApiClient]:
        wanted = dict.fromkeys((owner_id, self._master_client_id))
        return [self._clients[client_id] for client_id in wanted if client_id in self._clients]

    # --- the market ---

    def start(self) -> None:
        """Lets the market begin; a repeat changes nothing."""
        if self._started:
            return
        self._started = True
        if self._pace is None:
            self.advance()
        else:
            self._pacing = asyncio.get_running_loop().create_task(self._run_paced(self._pace))

    def acknowledge(self, role: Role, until_ns: int) -> bool:
        """Somebody handled everything up to a time; true when the tape has nothing after it."""
        self._acknowledged[role] = max(self._acknowledged[role], until_ns)
        if self._pace is None:
            self.advance()
        return until_ns >= self.last_bar_end_ns

    def advance(self) -> None:
        """Shows bars until somebody has to be waited for."""
        while self._started and not self._is_over() and not self._missing():
            self._show_next()

    async def _run_paced(self, pace: float) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not self._is_over():
            self._show_next()
            due_s += Timeframe.S5.seconds / pace
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    def _is_over(self) -> bool:
        return self._next_base >= len(self._bars) and not self._small

    def _missing(self) -> list[Role]:
        """Roles that have not acknowledged what they must have seen before the next bar."""
        if not self._started or self.now_ns == self._bars[0].start_ns:
            return []
        missing = [
            role for role in AT_EACH_BAR if role in self._roles and self._acknowledged[role] < self.now_ns
        ]
        if Role.CYCLE in self._roles and self._next_base > 0 and not self._small:
            base_end_ns = self._bars[self._next_base - 1].end_ns
            if self._acknowledged[Role.CYCLE] < base_end_ns:
                missing.append(Role.CYCLE)
        return missing

    def _show_next(self) -> None:
        if not self._small:
            self._small = list(reversed(expand(self._bars[self._next_base])))
            self._next_base += 1
        bar = self._small.pop()
        events = self.exchange.advance(bar)
        self.cancels.look()
        self._history.add_small(bar)
        if not self._small:
            self._history.close_base(self._bars[self._next_base - 1])
        for event in events:
            self._queue(event)
        for client in self._clients.values():
            for request_id in client.bar_requests:
                client.send(client.formatter.realtime_bar(request_id, bar))
            for request_id in client.tick_requests:
                self._queue_ticks(client, request_id, bar)
            if client.client_id is not None and client.bar_requests:
                self.cancels.bar_leaves(client.client_id)
            client.flush()

    def _queue_ticks(self, client: ApiClient, request_id: int, bar: Bar) -> None:
        """Last, bid and ask: a simulated one-tick spread around the close."""
        for price_type, size_type, ticks in (
            (4, 5, bar.close_ticks),
            (1, 0, bar.close_ticks - 1),
            (2, 3, bar.close_ticks + 1),
        ):
            price = float(self.product.price_of(ticks))
            client.send([1, 6, request_id, price_type, price, 1, 0])
            client.send([2, 6, request_id, size_type, 1])
