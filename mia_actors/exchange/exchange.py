"""The simulated exchange: orders in, five-second bars through it, events out. Pure and deterministic.

Fills are conservative. A market order submitted at market time T fills at the open of the next bar plus
slippage; a stop at the worse of its price and the bar's open, plus slippage; a limit only where the bar
traded through it by a tick, at its limit. Where one bar touches a stop and a limit, the stop comes first; a
stop may end the position in the very bar its entry filled in, a target may not. Every fill is whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from mia_actors.core.market import Bar
from mia_actors.core.orders import OrderState, OrderType, Side
from mia_actors.core.units import Contract, Product
from mia_actors.exchange.account import Account
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

FIRST_PERM_ID = 900_000_001
CANCELLED_BY_TRADER = "cancelled by trader"
CANCELLED_BY_OCA = "cancelled with its group"
CANCELLED_WITH_PARENT = "cancelled with its parent"


class SimulatedExchange:
    """One contract, one account, any number of clients."""

    def __init__(
        self, *, contract: Contract, product: Product, costs: Costs, account: AccountTerms, start_ns: int
    ) -> None:
        self.contract = contract
        self.product = product
        self.terms = account
        self.now_ns = start_ns
        self.last_ticks: int | None = None
        self._costs = costs
        self._account = Account(product, account)
        self._orders: dict[int, ExchangeOrder] = {}
        self._working: set[int] = set()
        self._executions: list[Execution] = []
        self._next_perm_id = FIRST_PERM_ID

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
        return bool(self._working)

    def orders(self) -> tuple[ExchangeOrder, ...]:
        """Every order ever accepted or rejected, in order of submission."""
        return tuple(self._orders.values())

    def order(self, perm_id: int) -> ExchangeOrder | None:
        """The order of that number."""
        return self._orders.get(perm_id)

    def executions(self) -> tuple[Execution, ...]:
        """Every execution, oldest first."""
        return tuple(self._executions)

    def account(self) -> AccountValues:
        """The account at the last price."""
        return self._account.values(self.last_ticks)

    def submit(self, group: Sequence[NewOrder]) -> tuple[ExchangeEvent, ...]:
        """Takes a group: all of it works (or waits for its parent), or all of it is rejected with the reason."""
        accepted: list[ExchangeOrder] = []
        for new in group:
            parent = new.parent_perm_id
            if new.parent_index is not None:
                parent = accepted[new.parent_index].perm_id
            accepted.append(self._accepted(new, parent))
        reason = self._objection(group)
        if reason:
            accepted = [self._ended(order, OrderState.REJECTED, reason) for order in accepted]
        for order in accepted:
            self._store(order)
        return tuple(OrderChanged(order=order) for order in accepted)

    def modify(
        self, perm_id: int, *, quantity: int, limit_ticks: int | None, stop_ticks: int | None
    ) -> tuple[ExchangeEvent, ...]:
        """Changes a working order; nothing happens to one that is final."""
        order = self._orders[perm_id]
        if order.state.is_final:
            return ()
        changed = replace(order, quantity=quantity, limit_ticks=limit_ticks, stop_ticks=stop_ticks)
        self._store(changed)
        return (OrderChanged(order=changed),)

    def cancel(self, perm_id: int) -> tuple[ExchangeEvent, ...]:
        """Cancels an order, and children that wait for it; nothing happens to one that is final."""
        return tuple(self._cancelled([perm_id], CANCELLED_BY_TRADER))

    def cancel_all(self) -> tuple[ExchangeEvent, ...]:
        """Cancels every working order of every client."""
        return tuple(self._cancelled(sorted(self._working), CANCELLED_BY_TRADER))

    def advance(self, bar: Bar) -> tuple[ExchangeEvent, ...]:
        """Moves the market through one 5-second bar."""
        self.now_ns = bar.end_ns
        self.last_ticks = bar.close_ticks
        if not self._working:
            return ()
        events: list[ExchangeEvent] = []
        fresh: set[int] = set()  # released by a fill of this bar: their targets wait for the next one
        for order_type in (OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT, OrderType.LIMIT):
            for perm_id in sorted(self._working):
                order = self._orders[perm_id]
                if order.order_type is not order_type or order.held or order.state.is_final:
                    continue
                self._match(order, bar, events, fresh)
        return tuple(events)

    def _match(self, order: ExchangeOrder, bar: Bar, events: list[ExchangeEvent], fresh: set[int]) -> None:
        if order.order_type is OrderType.LIMIT and order.perm_id in fresh:
            return
        if order.order_type is OrderType.STOP_LIMIT:
            if _triggered(order, bar):
                limit = replace(order, order_type=OrderType.LIMIT)
                fresh.add(order.perm_id)  # works as a limit from the next bar on
                self._store(limit)
            return
        price = self._price(order, bar)
        if price is not None:
            events.extend(self._fill(order, price, fresh))

    def _price(self, order: ExchangeOrder, bar: Bar) -> int | None:
        sign = order.side.sign
        slippage = self._costs.slippage_ticks * sign
        if order.order_type is OrderType.MARKET:
            return bar.open_ticks + slippage
        if order.order_type is OrderType.STOP:
            if order.stop_ticks is None or not _triggered(order, bar):
                return None
            worse = max if order.side is Side.BUY else min
            return worse(order.stop_ticks, bar.open_ticks) + slippage
        if order.limit_ticks is None:
            return None
        through = (
            bar.low_ticks < order.limit_ticks
            if order.side is Side.BUY
            else bar.high_ticks > order.limit_ticks
        )
        return order.limit_ticks if through else None

    def _fill(self, order: ExchangeOrder, price_ticks: int, fresh: set[int]) -> list[ExchangeEvent]:
        commission = self._costs.commission_usd_per_side * order.quantity
        realized = self._account.add(order.side, order.quantity, price_ticks, commission)
        filled = replace(
            order,
            state=OrderState.FILLED,
            filled=order.quantity,
            average_price_ticks=Decimal(price_ticks),
            finished_at_ns=self.now_ns,
        )
        self._store(filled)
        execution = Execution(
            exec_id=f"sim.{len(self._executions) + 1:08d}.01",
            order=filled,
            side=order.side,
            quantity=order.quantity,
            price_ticks=price_ticks,
            event_time_ns=self.now_ns,
            commission_usd=commission,
            realized_pnl_usd=realized,
        )
        self._executions.append(execution)
        events: list[ExchangeEvent] = [Executed(execution=execution), OrderChanged(order=filled)]
        for child in self._children(order.perm_id):
            released = replace(child, held=False)
            self._store(released)
            fresh.add(child.perm_id)
            events.append(OrderChanged(order=released))
        others = [other.perm_id for other in self._tied(filled)]
        events.extend(self._cancelled(others, CANCELLED_BY_OCA))
        return events

    def _children(self, perm_id: int) -> list[ExchangeOrder]:
        working = (self._orders[number] for number in sorted(self._working))
        return [order for order in working if order.parent_perm_id == perm_id]

    def _tied(self, filled: ExchangeOrder) -> list[ExchangeOrder]:
        """Working orders that a fill of this one cancels: the parent's other children, and its OCA group."""
        found = []
        for number in sorted(self._working):
            other = self._orders[number]
            siblings = filled.parent_perm_id is not None and other.parent_perm_id == filled.parent_perm_id
            grouped = filled.oca_group != "" and other.oca_group == filled.oca_group
            if (siblings or grouped) and other.perm_id != filled.perm_id:
                found.append(other)
        return found

    def _cancelled(self, perm_ids: Iterable[int], reason: str) -> list[ExchangeEvent]:
        events: list[ExchangeEvent] = []
        for perm_id in perm_ids:
            order = self._orders.get(perm_id)
            if order is None or order.state.is_final:
                continue
            ended = self._ended(order, OrderState.CANCELLED, reason)
            self._store(ended)
            events.append(OrderChanged(order=ended))
            waiting = [child.perm_id for child in self._children(perm_id) if child.held]
            events.extend(self._cancelled(waiting, CANCELLED_WITH_PARENT))
        return events

    def _accepted(self, new: NewOrder, parent_perm_id: int | None) -> ExchangeOrder:
        perm_id = self._next_perm_id
        self._next_perm_id += 1
        parent = self._orders.get(parent_perm_id) if parent_perm_id is not None else None
        return ExchangeOrder(
            perm_id=perm_id,
            parent_perm_id=parent_perm_id,
            client_id=new.client_id,
            order_id=new.order_id,
            order_ref=new.order_ref,
            side=new.side,
            quantity=new.quantity,
            order_type=new.order_type,
            limit_ticks=new.limit_ticks,
            stop_ticks=new.stop_ticks,
            tif=new.tif,
            oca_group=new.oca_group,
            state=OrderState.WORKING,
            held=parent_perm_id is not None and (parent is None or parent.state is not OrderState.FILLED),
            filled=0,
            average_price_ticks=None,
            submitted_at_ns=self.now_ns,
            finished_at_ns=None,
        )

    def _objection(self, group: Sequence[NewOrder]) -> str:
        """Why a group cannot be taken; margin is asked for where the first order would increase the position."""
        for new in group:
            if new.quantity < 1:
                return f"quantity {new.quantity}: at least 1"
            needs_limit = new.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
            needs_stop = new.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
            if (needs_limit and new.limit_ticks is None) or (needs_stop and new.stop_ticks is None):
                return f"{new.order_type.value} order without its price"
            if new.parent_perm_id is not None and self._is_dead(new.parent_perm_id):
                return "its parent is cancelled or unknown"
        free = [new for new in group if new.parent_index is None and new.parent_perm_id is None]
        for new in free:
            resulting = self.position_contracts + new.side.sign * new.quantity
            if abs(resulting) <= abs(self.position_contracts):
                continue
            needed = self.terms.initial_margin_usd_per_contract * abs(resulting)
            equity = self.account().net_liquidation_usd
            if needed > equity:
                return (
                    f"margin: {needed} USD needed for {abs(resulting)} contracts, equity is {equity:.2f} USD"
                )
        return ""

    def _is_dead(self, perm_id: int) -> bool:
        parent = self._orders.get(perm_id)
        return parent is None or (parent.state.is_final and parent.state is not OrderState.FILLED)

    def _ended(self, order: ExchangeOrder, state: OrderState, reason: str) -> ExchangeOrder:
        return replace(order, state=state, finished_at_ns=self.now_ns, reason=reason)

    def _store(self, order: ExchangeOrder) -> None:
        self._orders[order.perm_id] = order
        if order.state.is_final:
            self._working.discard(order.perm_id)
        else:
            self._working.add(order.perm_id)


def _triggered(order: ExchangeOrder, bar: Bar) -> bool:
    if order.stop_ticks is None:
        return False
    if order.side is Side.BUY:
        return bar.high_ticks >= order.stop_ticks
    return bar.low_ticks <= order.stop_ticks
