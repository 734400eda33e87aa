"""The exchange's orders and how they hang together: parents, children, groups. Knows no market."""

from dataclasses import replace
from decimal import Decimal

from mia_actors.core.orders import OrderState, OrderType
from mia_actors.exchange.orders import ExchangeOrder, NewOrder

FIRST_PERM_ID = 900_000_001

LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
STOPPED = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


class OrderBook:
    """Every order by permanent number. Numbers rise, so `working` runs in order of submission."""

    def __init__(self) -> None:
        self.orders: dict[int, ExchangeOrder] = {}
        self.working: dict[int, ExchangeOrder] = {}
        """Those that are not final."""
        self._family: dict[int, list[int]] = {}  # children by parent, whatever became of them

    def add(self, new: NewOrder, parent_perm_id: int | None, now_ns: int, refusal: str) -> ExchangeOrder:
        """Takes in an order: working, held by its parent, or rejected where there is a refusal."""
        parent = self.orders.get(parent_perm_id) if parent_perm_id is not None else None
        order = ExchangeOrder(
            perm_id=FIRST_PERM_ID + len(self.orders),
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
            held=parent is not None and parent.filled == 0,
            filled=0,
            average_price_ticks=None,
            submitted_at_ns=now_ns,
            finished_at_ns=None,
        )
        if parent_perm_id is not None:
            self._family.setdefault(parent_perm_id, []).append(order.perm_id)
        if refusal:
            return self.end(order, OrderState.REJECTED, now_ns, refusal)
        return self.store(order)

    def store(self, order: ExchangeOrder) -> ExchangeOrder:
        """Puts the order's new record in the place of its old one."""
        self.orders[order.perm_id] = order
        if order.state.is_final:
            self.working.pop(order.perm_id, None)
        else:
            self.working[order.perm_id] = order
        return order

    def end(self, order: ExchangeOrder, state: OrderState, now_ns: int, reason: str) -> ExchangeOrder:
        """Stores the order as final without a fill."""
        return self.store(replace(order, state=state, held=False, finished_at_ns=now_ns, reason=reason))

    def children(self, perm_id: int) -> list[ExchangeOrder]:
        """Working orders of that parent."""
        return [order for order in self.working.values() if order.parent_perm_id == perm_id]

    def fillable(self, order: ExchangeOrder) -> int:
        """Contracts of an order that may fill now: a child's no more than its parent opened and nothing closed yet."""
        parent = self.orders.get(order.parent_perm_id) if order.parent_perm_id is not None else None
        if parent is None or self.adds_exposure(order):
            return order.remaining
        family = (self.orders[number] for number in self._family[parent.perm_id])
        closed = sum(other.filled for other in family if not self.adds_exposure(other))
        return min(order.remaining, parent.filled - closed)

    def tied(self, filled: ExchangeOrder) -> list[int]:
        """Working orders that a fill of this one cancels: the parent's other children, and its OCA group."""
        return [
            number
            for number, other in self.working.items()
            if _same_group(filled, other)
            or (filled.parent_perm_id is not None and other.parent_perm_id == filled.parent_perm_id)
        ]

    def pending(self, order: NewOrder | ExchangeOrder, without: int | None = None) -> int:
        """Contracts working on the order's side that add exposure; of one OCA group only one can fill."""
        return sum(
            other.remaining
            for number, other in self.working.items()
            if number != without
            and other.side is order.side
            and self.adds_exposure(other)
            and not _same_group(order, other)
        )

    def adds_exposure(self, order: ExchangeOrder) -> bool:
        """False for the protective legs of a bracket: they close what their parent opened."""
        parent = self.orders.get(order.parent_perm_id) if order.parent_perm_id is not None else None
        return parent is None or parent.side is order.side

    def parent_objection(self, new: NewOrder, place: int) -> str:
        """Why an order at that place of its group cannot have the parent it names, or nothing."""
        if new.parent_index is not None:
            known = 0 <= new.parent_index < place and new.parent_perm_id is None
            return "" if known else "its parent does not come before it in the group"
        if new.parent_perm_id is None:
            return ""
        parent = self.orders.get(new.parent_perm_id)
        if parent is None or (parent.state.is_final and parent.filled == 0):
            return "its parent is cancelled, rejected or unknown"
        return ""


def with_fill(order: ExchangeOrder, quantity: int, price_ticks: int, now_ns: int) -> ExchangeOrder:
    """The order after a fill; final when nothing is left of it."""
    filled = order.filled + quantity
    before = (order.average_price_ticks or Decimal(0)) * order.filled
    is_whole = filled == order.quantity
    return replace(
        order,
        state=OrderState.FILLED if is_whole else order.state,
        filled=filled,
        average_price_ticks=(before + Decimal(price_ticks) * quantity) / filled,
        finished_at_ns=now_ns if is_whole else None,
    )


def term_objection(order: NewOrder | ExchangeOrder) -> str:
    """Why the terms of an order make none, or nothing."""
    if order.quantity < 1:
        return f"quantity {order.quantity}: at least 1"
    for needed, price, name in (
        (order.order_type in LIMITED, order.limit_ticks, "limit"),
        (order.order_type in STOPPED, order.stop_ticks, "stop"),
    ):
        if needed and price is None:
            return f"{order.order_type.value} order without its {name} price"
        if needed and price is not None and price < 1:
            return f"{name} price of {price} ticks: must be positive"
    return ""


def _same_group(order: NewOrder | ExchangeOrder, other: ExchangeOrder) -> bool:
    return order.oca_group != "" and (order.oca_group, order.client_id) == (other.oca_group, other.client_id)
