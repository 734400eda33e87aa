"""One client's questions what orders and executions there are."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mia_actors.exchange.gateway import order_frames
from mia_actors.exchange.gateway.execution_filter import ExecutionFilter
from mia_actors.exchange.gateway.family import Handler, Peer, RequestFamily, ignored
from mia_actors.exchange.gateway.refusals import Refused
from mia_actors.exchange.orders import ExchangeOrder

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

EXECUTION_FILTER = slice(3, 10)


class OrderLists(RequestFamily):
    """Open orders, of this client or of all, completed orders, executions."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {
            5: self._open_orders,
            7: self._executions,
            15: ignored,
            16: self._all_open_orders,
            99: self._completed,
        }

    def send_order(self, order: ExchangeOrder) -> None:
        """An order's present state: openOrder, then orderStatus."""
        parent = self._gateway.exchange.order(order.parent_perm_id) if order.parent_perm_id else None
        parent_id = parent.order_id if parent else 0
        self._peer.send(order_frames.open_order(self._peer.dialect, order, parent_id))
        self._peer.send(order_frames.order_status(self._peer.dialect, order, parent_id))

    def _open_orders(self, _fields: list[str]) -> None:
        for order in self._gateway.exchange.working_orders():
            if order.client_id == self._peer.client_id:
                self.send_order(order)
        self._peer.send([53, 1])

    def _all_open_orders(self, _fields: list[str]) -> None:
        for order in self._gateway.exchange.working_orders():
            self.send_order(order)
        self._peer.send([53, 1])

    def _completed(self, _fields: list[str]) -> None:
        for order in self._gateway.exchange.orders():
            if order.state.is_final:
                self._peer.send(order_frames.completed_order(self._peer.dialect, order))
        self._peer.send([102])

    def _executions(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        try:
            wanted = ExecutionFilter.parsed(fields[EXECUTION_FILTER])
        except ValueError as error:
            raise Refused(request_id, 321, f"Error validating request: {error}") from error
        gateway, peer = self._gateway, self._peer
        for execution in gateway.exchange.executions():
            if wanted.admits(
                execution,
                account=gateway.account,
                symbol=gateway.contract.symbol,
                security_type="FUT",
                exchange=gateway.product.exchange,
            ):
                peer.send(order_frames.execution(peer.dialect, request_id, execution))
                peer.send(order_frames.commission(execution))
        peer.send([55, 1, request_id])
