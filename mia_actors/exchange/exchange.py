"""The simulated exchange: orders in, five-second bars through it, events out. Pure and deterministic.

Fills are conservative, and whole unless a share of the volume limits them. A market order submitted at market
time T fills at the open of the next bar plus slippage; a stop at the worse of its price and the bar's open, plus
slippage; a limit at its price where the bar traded through it by a tick. Where one bar touches a stop and a limit,
the stop comes first; a stop may end the position in the very bar its entry filled in, a target may not.

A bracket's children work from the first fill of their parent on, for as much as it has opened; what closes it ends
the rest of the parent, and a parent that is cancelled half filled leaves its children to what it has opened.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from mia_actors.core.errors import InvariantViolated, OrderRejected
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, OrderState, OrderType, Side, TimeInForce
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import Contract, Product
from mia_actors.exchange.account import Account
from mia_actors.exchange.book import LIMITED, STOPPED, OrderBook, term_objection, with_fill
from mia_actors.exchange.matching import FillPrice, limit_fill, market_fill, stop_fill, within_limit
from mia_actors.exchange.orders import (
    AccountTerms,
    AccountValues,
    Costs,
    ExchangeEvent,
    ExchangeOrder,
    Executed,
    Execution,
    NewOrder,
    OrderChanged,
)

CANCELLED_BY_TRADER = "cancelled by trader"
CANCELLED_BY_OCA = "cancelled with its group"
CANCELLED_WITH_PARENT = "cancelled with its parent"
CANCELLED_BY_CHILD = "cancelled when its bracket closed what it had opened"
CANCELLED_AT_DAY_END = "day order: its trade date is over"


class SimulatedExchange:
    """One contract, one account, any number of clients.

    Guarantees:
    - the same calls in the same order give the same events, identifiers included;
    - events come in the order they happened; an `Executed` is followed by its order's `OrderChanged`;
    - an order is matched from the first bar after its submission on, until it is final.
    """

    def __init__(
        self, *, contract: Contract, product: Product, costs: Costs, account: AccountTerms, start_ns: int
    ) -> None:
        self.contract = contract
        self.product = product
        self.terms = account
        self.now_ns = start_ns
        """Market time: end of the last bar."""
        self.last_ticks: int | None = None
        """Last trade price; None before the first bar."""
        self.closed = ""
        """Why the market is closed: new orders are refused with this text and cancels do not take; empty: open."""
        self._costs = costs
        self._account = Account(product, account)
        self._book = OrderBook()
        self._triggered: set[int] = set()  # stops that work as market or limit orders
        self._rested: set[int] = set()  # limits that were through a bar: no longer arriving
        self._executions: list[Execution] = []

    @property
    def position_contracts(self) -> int:
        """Signed net position."""
        return self._account.position_contracts

    @property
    def average_price_ticks(self) -> Decimal | None:
        """Average entry price of the open position."""
        return self._account.average_price_ticks

    @property
    def has_working_orders(self) -> bool:
        """Whether a bar can change anything but the mark."""
        return bool(self._book.working)

    def orders(self) -> tuple[ExchangeOrder, ...]:
        """Every order ever accepted or rejected, in order of submission."""
        return tuple(self._book.orders.values())

    def working_orders(self) -> tuple[ExchangeOrder, ...]:
        """Orders that are not final, held ones included, in order of submission."""
        return tuple(self._book.working.values())

    def order(self, perm_id: int) -> ExchangeOrder | None:
        """The order of that number."""
        return self._book.orders.get(perm_id)

    def executions(self, start: int = 0) -> tuple[Execution, ...]:
        """Every execution from the one at place `start`, oldest first."""
        return tuple(self._executions[start:])

    def account(self) -> AccountValues:
        """The account at the last price."""
        return self._account.values(self.last_ticks)

    def submit(self, group: Sequence[NewOrder]) -> tuple[OrderChanged, ...]:
        """Takes a group: all of it works (or waits for its parent), or all of it is rejected, with a reason.

        One `OrderChanged` each, in the order of the group.
        """
        refusal = self._objection(group)
        accepted: list[ExchangeOrder] = []
        for new in group:
            parent = new.parent_perm_id
            if new.parent_index is not None and 0 <= new.parent_index < len(accepted):
                parent = accepted[new.parent_index].perm_id
            accepted.append(self._book.add(new, parent, self.now_ns, refusal))
        return tuple(OrderChanged(order=order) for order in accepted)

    def modify(
        self, perm_id: int, *, quantity: int, limit_ticks: int | None, stop_ticks: int | None
    ) -> tuple[ExchangeEvent, ...]:
        """Replaces quantity and prices of a working order; nothing happens to one that is final.

        Raises:
            OrderRejected: no such order, or terms that a new order could not have either; it stays as it was.
        """
        order = self._book.orders.get(perm_id)
        if order is None:
            raise OrderRejected(f"order {perm_id} is not known here")
        if order.state.is_final:
            return ()
        changed = replace(order, quantity=quantity, limit_ticks=limit_ticks, stop_ticks=stop_ticks)
        refusal = term_objection(changed)
        if not refusal and self._book.adds_exposure(order):
            pending = self._book.pending(changed, without=perm_id)
            refusal = self._account.margin_objection(order.side, quantity, pending, self.last_ticks)
        if refusal:
            raise OrderRejected(refusal)
        self._book.store(changed)
        self._rested.discard(perm_id)
        return (OrderChanged(order=changed),)

    def cancel(self, perm_id: int) -> tuple[ExchangeEvent, ...]:
        """Cancels an order and the children that wait for it; nothing happens to one final or unknown."""
        return () if self.closed else tuple(self._cancelled([perm_id], CANCELLED_BY_TRADER))

    def cancel_all(self) -> tuple[ExchangeEvent, ...]:
        """Cancels every working order of every client."""
        return () if self.closed else tuple(self._cancelled(tuple(self._book.working), CANCELLED_BY_TRADER))

    def advance(self, bar: Bar) -> tuple[ExchangeEvent, ...]:
        """Moves the market through one 5-second bar, or through a longer one that `leaves_alone` all orders.

        Raises:
            InvariantViolated: the bar starts before market time.
        """
        if bar.start_ns < self.now_ns:
            raise InvariantViolated(f"bar at {bar.start_ns} starts before market time {self.now_ns}")
        events = self._day_orders_ended(bar) if self._book.working else []
        self.now_ns = bar.end_ns
        self.last_ticks = bar.close_ticks
        if self._book.working:
            self._match(bar, events)
        return tuple(events)

    def leaves_alone(self, bar: Bar) -> bool:
        """Whether no working order can change within a bar, by whatever path its prices are reached."""
        return all(self._is_out_of_reach(order, bar) for order in self._book.working.values())

    def _is_out_of_reach(self, order: ExchangeOrder, bar: Bar) -> bool:
        if order.tif is TimeInForce.DAY and trade_date(order.submitted_at_ns) != trade_date(bar.start_ns):
            return False
        if order.held:
            return True
        if order.order_type is OrderType.STOP and order.stop_ticks is not None:
            is_waiting = order.perm_id not in self._triggered
            return is_waiting and stop_fill(order.side, order.stop_ticks, bar, bar.open_ticks, 0) is None
        if order.order_type is OrderType.LIMIT and order.limit_ticks is not None:
            touched = limit_fill(order.side, order.limit_ticks, bar, is_arriving=False, slippage_ticks=0)
            return order.perm_id in self._rested and touched is None
        return False

    def _match(self, bar: Bar, events: list[ExchangeEvent]) -> None:
        """Market orders first, then stops, then limits; within each in order of submission."""
        numbers = tuple(self._book.working)
        fresh: set[int] = set()  # released or triggered within this bar: they had their turn
        for matches in (self._match_market, self._match_stop, self._match_limit):
            for number in numbers:
                order = self._book.working.get(number)
                if order is not None and not order.held and number not in fresh:
                    matches(order, bar, fresh, events)
        self._triggered.intersection_update(self._book.working)
        self._rested = {
            number
            for number, order in self._book.working.items()
            if order.order_type in LIMITED and not order.held and number not in fresh
        }

    def _match_market(
        self, order: ExchangeOrder, bar: Bar, fresh: set[int], events: list[ExchangeEvent]
    ) -> None:
        is_triggered = order.order_type is OrderType.STOP and order.perm_id in self._triggered
        if order.order_type is OrderType.MARKET or is_triggered:
            price = market_fill(order.side, bar.open_ticks, self._costs.slippage_ticks)
            self._fill(order, price, bar, fresh, events)

    def _match_stop(
        self, order: ExchangeOrder, bar: Bar, fresh: set[int], events: list[ExchangeEvent]
    ) -> None:
        if order.order_type in STOPPED and order.perm_id not in self._triggered:
            self._try_stop(order, bar, bar.open_ticks, fresh, events)

    def _match_limit(
        self, order: ExchangeOrder, bar: Bar, fresh: set[int], events: list[ExchangeEvent]
    ) -> None:
        waits_for_stop = order.order_type is OrderType.STOP_LIMIT and order.perm_id not in self._triggered
        if order.order_type not in LIMITED or order.limit_ticks is None or waits_for_stop:
            return
        price = limit_fill(
            order.side,
            order.limit_ticks,
            bar,
            is_arriving=order.perm_id not in self._rested and order.order_type is OrderType.LIMIT,
            slippage_ticks=self._costs.slippage_ticks,
        )
        if price is not None:
            self._fill(order, price, bar, fresh, events)

    def _try_stop(
        self, order: ExchangeOrder, bar: Bar, level_ticks: int, fresh: set[int], events: list[ExchangeEvent]
    ) -> None:
        """Fills a touched stop; a stop-limit whose limit does not reach rests from the next bar on."""
        if order.stop_ticks is None:
            return
        price = stop_fill(order.side, order.stop_ticks, bar, level_ticks, self._costs.slippage_ticks)
        if price is None:
            return
        limit_ticks = order.limit_ticks if order.order_type is OrderType.STOP_LIMIT else None
        if limit_ticks is None or within_limit(order.side, price, limit_ticks):
            self._fill(order, price, bar, fresh, events)
            return
        self._triggered.add(order.perm_id)
        fresh.add(order.perm_id)

    def _fill(
        self, order: ExchangeOrder, price: FillPrice, bar: Bar, fresh: set[int], events: list[ExchangeEvent]
    ) -> None:
        """Books a fill, cancels what is tied to it, releases its children; their stops get a turn."""
        limit = self._costs.contracts_in(bar.volume)
        fillable = self._book.fillable(order)
        quantity = fillable if limit is None else min(limit, fillable)
        if quantity <= 0:
            return
        filled = self._book.store(with_fill(order, quantity, price.price_ticks, self.now_ns))
        execution = self._booked(filled, quantity, price.price_ticks)
        events += (Executed(execution=execution), OrderChanged(order=filled))
        if not filled.state.is_final and order.order_type in STOPPED:
            self._triggered.add(order.perm_id)
        events += self._consequences(filled)
        released = [child for child in self._book.children(filled.perm_id) if child.held]
        children = [self._book.store(replace(child, held=False)) for child in released]
        for child in children:
            fresh.add(child.perm_id)
            events.append(OrderChanged(order=child))
        for child in children:
            if child.order_type in STOPPED and child.perm_id in self._book.working:
                self._try_stop(child, bar, price.level_ticks, fresh, events)

    def _consequences(self, filled: ExchangeOrder) -> list[ExchangeEvent]:
        """What a fill ends: the rest of a parent whose child closes, and what is tied once nothing is left to close."""
        events: list[ExchangeEvent] = []
        parent = self._book.orders.get(filled.parent_perm_id) if filled.parent_perm_id is not None else None
        if parent is not None and not parent.state.is_final and not self._book.adds_exposure(filled):
            ended = self._book.end(parent, OrderState.CANCELLED, self.now_ns, CANCELLED_BY_CHILD)
            events.append(OrderChanged(order=ended))
        if filled.state.is_final or (parent is not None and self._book.fillable(filled) == 0):
            events += self._cancelled([filled.perm_id, *self._book.tied(filled)], CANCELLED_BY_OCA)
        return events

    def _booked(self, filled: ExchangeOrder, quantity: int, price_ticks: int) -> Execution:
        commission_usd = self._costs.commission_usd_per_side * quantity
        fill = Fill(
            exec_id=f"sim.{len(self._executions) + 1:08d}.01",
            order_ref=filled.order_ref,
            perm_id=filled.perm_id,
            instrument=self.contract.instrument,
            side=filled.side,
            quantity=quantity,
            price_ticks=price_ticks,
            event_time_ns=self.now_ns,
            commission_usd=commission_usd,
        )
        execution = Execution(
            exec_id=fill.exec_id,
            order=filled,
            side=filled.side,
            quantity=quantity,
            price_ticks=price_ticks,
            event_time_ns=self.now_ns,
            commission_usd=commission_usd,
            realized_pnl_usd=self._account.add(fill),
        )
        self._executions.append(execution)
        return execution

    def _cancelled(self, perm_ids: Iterable[int], reason: str) -> list[ExchangeEvent]:
        events: list[ExchangeEvent] = []
        for perm_id in perm_ids:
            order = self._book.working.get(perm_id)
            if order is None:
                continue
            ended = self._book.end(order, OrderState.CANCELLED, self.now_ns, reason)
            events.append(OrderChanged(order=ended))
            if not ended.filled:  # what it has opened stays protected
                waiting = [child.perm_id for child in self._book.children(perm_id)]
                events += self._cancelled(waiting, CANCELLED_WITH_PARENT)
        return events

    def _day_orders_ended(self, bar: Bar) -> list[ExchangeEvent]:
        today = trade_date(bar.start_ns)
        over = [
            order.perm_id
            for order in self._book.working.values()
            if order.tif is TimeInForce.DAY and trade_date(order.submitted_at_ns) != today
        ]
        return self._cancelled(over, CANCELLED_AT_DAY_END)

    def _objection(self, group: Sequence[NewOrder]) -> str:
        """Why a group cannot be taken, or nothing; its orders are asked for margin together."""
        if self.closed:
            return self.closed
        added: dict[Side, int] = dict.fromkeys(Side, 0)
        for place, new in enumerate(group):
            reason = term_objection(new) or self._book.parent_objection(new, place)
            if reason:
                return reason
            if self._parent_side(new, group) in {None, new.side}:
                pending = self._book.pending(new) + added[new.side]
                reason = self._account.margin_objection(new.side, new.quantity, pending, self.last_ticks)
                if reason:
                    return reason
                added[new.side] += new.quantity
        return ""

    def _parent_side(self, new: NewOrder, group: Sequence[NewOrder]) -> Side | None:
        if new.parent_index is not None:
            return group[new.parent_index].side
        return None if new.parent_perm_id is None else self._book.orders[new.parent_perm_id].side
