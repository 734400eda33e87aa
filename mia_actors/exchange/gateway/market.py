"""The market of one gateway: tape, exchange, whom it waits for. Pure and deterministic; changed in one way only.

Everything that happens to it is a `MarketChange`, applied by `apply`: the same changes on the same tape make
the same market, identifiers and times included. That is what the journal relies on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from mia_actors.core.errors import InvariantViolated
from mia_actors.core.market import Bar
from mia_actors.core.units import product
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.gateway.history import History
from mia_actors.exchange.orders import AccountTerms, Costs, ExchangeEvent, ExchangeOrder, NewOrder
from mia_actors.exchange.tape import Tape


class Role(StrEnum):
    """Who the market waits for in lockstep."""

    CYCLE = "cycle"
    """At the end of each base bar."""
    GUARDIAN = "guardian"
    """At the end of each 5-second bar."""
    HOLDER = "holder"
    """At the end of each 5-second bar: whoever wants to hold the market at a moment. No trading session has one."""


AT_EACH_BAR = (Role.GUARDIAN, Role.HOLDER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The market began."""

    at_ns: int
    """Market time of the change, here and below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A role has handled everything up to a time, later than what it acknowledged before."""

    at_ns: int
    role: Role
    until_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BarShown:
    """The next 5-second bar passed."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A client transmitted a whole group."""

    at_ns: int
    group: tuple[NewOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modified:
    """A working order has another quantity or other prices."""

    at_ns: int
    perm_id: int
    quantity: int
    limit_ticks: int | None
    stop_ticks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Its owner cancelled an order."""

    at_ns: int
    perm_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AllCancelled:
    """Somebody cancelled everything of everybody."""

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The market closed, as for the daily break, or opened again."""

    at_ns: int
    reason: str
    """What orders are refused with; empty: it opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Struck:
    """A fault of the script was carried out; it does nothing to the market by itself."""

    at_ns: int
    place: int
    """In the script, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumbersForgotten:
    """Order numbers of orders that have ended may be used again, and the first one offered is 1."""

    at_ns: int


MarketChange = (
    Started
    | Acknowledged
    | BarShown
    | Submitted
    | Modified
    | Cancelled
    | AllCancelled
    | Closed
    | Struck
    | NumbersForgotten
)


class SimulatedMarket:
    """One tape, one account, every client's orders, and how far each role has acknowledged."""

    def __init__(
        self,
        tape: Tape,
        *,
        lockstep_roles: frozenset[Role],
        bars_max: int | None,
        costs: Costs | None = None,
    ) -> None:
        """`lockstep_roles` are waited for; none of them where the market has a pace of its own."""
        self.bars: Sequence[Bar] = tape.bars[:bars_max]
        """Base bars of the session."""
        self.contract = tape.contract
        self.product = product(tape.contract.symbol)
        self.costs = costs or Costs()
        self.exchange = SimulatedExchange(
            contract=tape.contract,
            product=self.product,
            costs=self.costs,
            account=AccountTerms(),
            start_ns=self.bars[0].start_ns,
        )
        self.started = False
        self.acknowledged_ns = dict.fromkeys(Role, 0)
        self.last_bar: Bar | None = None
        """The 5-second bar shown last."""
        self.struck: Counter[int] = Counter()
        """How often each fault of the script was carried out."""
        self._roles = lockstep_roles
        self.past = History(tape.history)
        """What the market has shown, before the session too; to be read."""
        self._numbers: dict[tuple[int, int], int] = {}
        self._last_ids: dict[int, int] = {}
        self._next_base = 0
        self._small: list[Bar] = []

    # --- facts ---

    @property
    def now_ns(self) -> int:
        """Market time: end of the last 5-second bar."""
        return self.exchange.now_ns

    @property
    def last_bar_end_ns(self) -> int:
        """End of the tape."""
        return self.bars[-1].end_ns

    @property
    def is_over(self) -> bool:
        """Whether every bar was shown."""
        return self._next_base >= len(self.bars) and not self._small

    @property
    def base_bars_shown(self) -> int:
        """Base bars that were shown to their ends."""
        return self._next_base - (1 if self._small else 0)

    def missing(self) -> list[Role]:
        """Roles that have not acknowledged what they must have seen before the next bar."""
        if not self.started or self.now_ns == self.bars[0].start_ns:
            return []
        missing = [
            role for role in AT_EACH_BAR if role in self._roles and self.acknowledged_ns[role] < self.now_ns
        ]
        if Role.CYCLE in self._roles and self._next_base > 0 and not self._small:
            base_end_ns = self.bars[self._next_base - 1].end_ns
            if self.acknowledged_ns[Role.CYCLE] < base_end_ns:
                missing.append(Role.CYCLE)
        return missing

    def next_order_id(self, client_id: int) -> int:
        """First order id the client has not used."""
        return self._last_ids.get(client_id, 0) + 1

    def order_of(self, client_id: int, order_id: int) -> ExchangeOrder | None:
        """A client's order by its own number."""
        perm_id = self._numbers.get((client_id, order_id))
        return self.exchange.order(perm_id) if perm_id is not None else None

    # --- the one way to change it ---

    def apply(self, change: MarketChange) -> tuple[ExchangeEvent, ...]:
        """Changes the market and tells what came of it.

        Raises:
            OrderRejected: the exchange refuses the modification; nothing has changed.
            InvariantViolated: the change is not of this market at this time.
        """
        if change.at_ns != self.now_ns:
            raise InvariantViolated(
                f"{type(change).__name__} at {change.at_ns}, market time is {self.now_ns}"
            )
        match change:
            case Started() | Acknowledged() | Closed() | Struck() | NumbersForgotten():
                self._note(change)
                return ()
            case BarShown():
                return self._show_next()
            case Submitted(group=group):
                return self._submit(group)
            case Modified():
                return self.exchange.modify(
                    change.perm_id,
                    quantity=change.quantity,
                    limit_ticks=change.limit_ticks,
                    stop_ticks=change.stop_ticks,
                )
            case Cancelled(perm_id=perm_id):
                return self.exchange.cancel(perm_id)
            case AllCancelled():
                return self.exchange.cancel_all()
            case _:
                assert_never(change)

    def _note(self, change: Started | Acknowledged | Closed | Struck | NumbersForgotten) -> None:
        match change:
            case Acknowledged(role=role, until_ns=until_ns):
                self.acknowledged_ns[role] = until_ns
            case Closed(reason=reason):
                self.exchange.closed = reason
            case Started():
                self.started = True
            case Struck(place=place):
                self.struck[place] += 1
            case NumbersForgotten():
                self._forget_numbers()

    def _forget_numbers(self) -> None:
        working = {order.perm_id for order in self.exchange.working_orders()}
        self._numbers = {key: perm_id for key, perm_id in self._numbers.items() if perm_id in working}
        self._last_ids.clear()

    def _submit(self, group: Sequence[NewOrder]) -> tuple[ExchangeEvent, ...]:
        changes = self.exchange.submit(group)
        for change in changes:
            order = change.order
            self._numbers[(order.client_id, order.order_id)] = order.perm_id
            self._last_ids[order.client_id] = max(self._last_ids.get(order.client_id, 0), order.order_id)
        return changes

    def _show_next(self) -> tuple[ExchangeEvent, ...]:
        if self.is_over:
            raise InvariantViolated("a bar after the end of the tape")
        if not self._small:
            self._small = list(reversed(expand(self.bars[self._next_base])))
            self._next_base += 1
        bar = self._small.pop()
        events = self.exchange.advance(bar)
        self.past.add_small(bar)
        if not self._small:
            self.past.close_base(self.bars[self._next_base - 1])
        self.last_bar = bar
        return events
