"""One client's order requests: placed, held until transmitted, modified, cancelled, or refused."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from mia_actors.core.errors import OrderRejected
from mia_actors.core.orders import OrderState, OrderType, Side, TimeInForce
from mia_actors.exchange.gateway import order_frames
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily
from mia_actors.exchange.gateway.order_lists import OrderLists
from mia_actors.exchange.gateway.place_order_fields import place_order_names
from mia_actors.exchange.gateway.refusals import REJECTED, Refused, require_contract
from mia_actors.exchange.orders import ExchangeOrder, NewOrder

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

Word = TypeVar("Word", bound=StrEnum)


class OrderRequests(RequestFamily):
    """Orders of one connection. One that was never transmitted is lost with it."""

    def __init__(self, gateway: "Gateway", peer: Peer, lists: OrderLists) -> None:
        self._gateway = gateway
        self._peer = peer
        self._lists = lists
        self._names = place_order_names(peer.dialect.version)
        self._held: dict[int, dict[str, str]] = {}

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {
            3: self.place,
            4: lambda fields: self.cancel(int(fields[2])),
            58: lambda _: self._gateway.global_cancel(self._peer.client_id),
        }

    def place(self, fields: list[str]) -> None:
        """A new order; under a known number, a change of that order; or the question what it would take.

        Raises:
            Refused: nothing is placed or changed.
        """
        order_id = int(fields[1])
        if len(fields) != len(self._names):
            text = (
                f"placeOrder has {len(fields)} fields, {len(self._names)} are simulated"
                " (no legs, scale or algo)"
            )
            raise Refused(order_id, 321, text)
        values = dict(zip(self._names, fields, strict=True))
        require_contract(
            order_id, fields[2 : 2 + CONTRACT_FIELDS], self._gateway.contract, self._gateway.product
        )
        if values["whatIf"] == "1":
            self._what_if(order_id, values)
            return
        known = self._own(order_id)
        if known is not None:
            self._modify(known, values)
            return
        self._new_order(order_id, values)  # refuses now what would be refused when it is transmitted
        self._held[order_id] = values
        if values["transmit"] == "1":
            self._transmit(order_id)

    def cancel(self, order_id: int) -> None:
        """Cancels an own order, transmitted or not.

        Raises:
            Refused: no such order of this client, or one that has ended.
        """
        if self._held.pop(order_id, None) is not None:
            return
        known = self._own(order_id)
        if known is None:
            raise Refused(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        if known.state.is_final:
            text = (
                f"OrderId {order_id} that needs to be cancelled can not be cancelled, state: {known.state}."
            )
            raise Refused(order_id, 10148, text)
        self._gateway.cancel(known.perm_id)

    def tell_ended(self, order: ExchangeOrder) -> None:
        """The notice that goes before the last state of a cancelled or rejected order of one's own."""
        if order.state is OrderState.CANCELLED:
            text = f"Order Canceled - reason:{order.reason}"
            self._peer.send(self._peer.dialect.error(order.order_id, 202, text))
        if order.state is OrderState.REJECTED:
            text = f"Order rejected - reason:{order.reason}"
            self._peer.send(self._peer.dialect.error(order.order_id, REJECTED, text))

    def _own(self, order_id: int) -> ExchangeOrder | None:
        return self._gateway.order_of(self._peer.client_id, order_id)

    def _transmit(self, last_id: int) -> None:
        """Submits the last order and all that was held for it: its parent, the parent's other children."""
        parent_id = int(self._held[last_id]["parentId"] or 0)
        family = [
            order_id
            for order_id, values in self._held.items()
            if order_id == last_id
            or (parent_id and (order_id == parent_id or int(values["parentId"] or 0) == parent_id))
        ]
        family.sort()
        places = {number: at for at, number in enumerate(family)}
        self._gateway.submit(
            [self._new_order(order_id, self._held.pop(order_id), places) for order_id in family]
        )

    def _new_order(
        self, order_id: int, values: dict[str, str], places: dict[int, int] | None = None
    ) -> NewOrder:
        order_type = _word(OrderType, order_id, "order type", values["orderType"])
        quantity = Decimal(values["totalQuantity"])
        if quantity != int(quantity) or quantity < 1:
            raise Refused(order_id, 434, f"The order size {quantity} is not a positive whole number")
        limited = order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
        stopped = order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
        parent_id = int(values["parentId"] or 0)
        parent = self._own(parent_id) if parent_id else None
        place = places.get(parent_id) if places and parent is None and parent_id else None
        if parent_id and parent is None and place is None and parent_id not in self._held:
            # Alone, a protective leg would open the position that it should close.
            raise Refused(
                order_id, REJECTED, f"Order rejected - reason:parent order {parent_id} is not found"
            )
        return NewOrder(
            client_id=self._peer.client_id,
            order_id=order_id,
            order_ref=values["orderRef"],
            side=_word(Side, order_id, "action", values["action"]),
            quantity=int(quantity),
            order_type=order_type,
            limit_ticks=self._ticks(order_id, values["lmtPrice"]) if limited else None,
            stop_ticks=self._ticks(order_id, values["auxPrice"]) if stopped else None,
            tif=_word(TimeInForce, order_id, "time in force", values["tif"] or "DAY"),
            parent_perm_id=parent.perm_id if parent else None,
            parent_index=place,
            oca_group=values["ocaGroup"],
        )

    def _ticks(self, order_id: int, price: str) -> int:
        try:
            return self._gateway.product.ticks_of(price)
        except (ValueError, ArithmeticError):
            text = "The price does not conform to the minimum price variation for this contract."
            raise Refused(order_id, 110, text) from None

    def _modify(self, known: ExchangeOrder, values: dict[str, str]) -> None:
        if known.state.is_final:
            raise Refused(known.order_id, 104, "Cannot modify a filled or cancelled order.")
        try:
            self._gateway.modify(known.perm_id, self._modification(known, values))
        except (Refused, OrderRejected) as refusal:
            code = refusal.code if isinstance(refusal, Refused) else REJECTED
            self._peer.send(self._peer.dialect.error(known.order_id, code, str(refusal)))
            self._lists.send_order(known)  # it works as before: the client would take the error for its end

    def _modification(self, known: ExchangeOrder, values: dict[str, str]) -> NewOrder:
        """Quantity and prices can change, nothing else."""
        wanted = self._new_order(known.order_id, values)
        if (wanted.side, wanted.order_type) != (known.side, known.order_type):
            raise Refused(known.order_id, 105, "Order being modified does not match original order.")
        return wanted

    def _what_if(self, order_id: int, values: dict[str, str]) -> None:
        wanted = self._new_order(order_id, values)
        terms = self._gateway.exchange.terms
        margin_usd = terms.initial_margin_usd_per_contract * wanted.quantity
        self._peer.send(order_frames.what_if(self._peer.dialect, wanted, margin_usd))


def _word(kind: type[Word], order_id: int, name: str, text: str) -> Word:
    try:
        return kind(text)
    except ValueError:
        raise Refused(order_id, 321, f"{name} {text!r} is not simulated; {', '.join(kind)} are") from None
