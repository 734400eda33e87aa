"""The exchange as the executor and the guardian see a broker, without a wire between them.

The same facts in the same form as come over the TWS protocol: the identity is the order reference, a held
leg works, fills carry whole-second market times.
"""

from collections.abc import Sequence

from mia_actors.core.errors import OrderRejected
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, OrderState, Permit
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.orders import ExchangeOrder, Execution, NewOrder

TRADING_CLIENT_ID = 11
GUARDIAN_CLIENT_ID = 12


class ExchangeDesk:
    """`OrderDesk` and `GuardianDesk` over a `SimulatedExchange` in the same process.

    Permits are the business of the gates in front of a desk; this one takes every order.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._perm_ids: dict[str, int] = {}
        self._order_id = 0

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `OrderDesk.place`.

        Raises:
            OrderRejected: the exchange said no.
        """
        del permit
        known = [spec.order_ref for spec in group if spec.order_ref in self._perm_ids]
        if not known:
            self._submit(group, TRADING_CLIENT_ID)
        reports = tuple(self._report(self._order(spec.order_ref)) for spec in group)
        rejected = [report.reason for report in reports if report.state is OrderState.REJECTED]
        if rejected:
            raise OrderRejected(rejected[0])
        return reports

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderDesk.cancel`."""
        for ref in order_refs:
            if ref in self._perm_ids:
                self._exchange.cancel(self._perm_ids[ref])
        return tuple(self._report(self._order(ref)) for ref in order_refs if ref in self._perm_ids)

    def snapshot(self) -> BrokerSnapshot:
        """See `OrderDesk.snapshot`."""
        return BrokerSnapshot(
            orders=tuple(self._report(order) for order in self._exchange.orders() if order.order_ref),
            fills=self.fills(),
            position_contracts=self._exchange.position_contracts,
        )

    def fills(self, after_ns: int = -1) -> tuple[Fill, ...]:
        """Executions with an event time after `after_ns`."""
        found = []
        for execution in reversed(self._exchange.executions()):
            if execution.event_time_ns <= after_ns:
                break
            found.append(self._fill(execution))
        return tuple(reversed(found))

    def global_cancel(self) -> None:
        """See `GuardianDesk.global_cancel`."""
        self._exchange.cancel_all()

    def working_orders(self) -> int:
        """See `GuardianDesk.working_orders`."""
        return sum(1 for order in self._exchange.orders() if not order.state.is_final)

    def position_contracts(self) -> int:
        """See `GuardianDesk.position_contracts`."""
        return self._exchange.position_contracts

    def place_offset(self, order: OrderSpec) -> OrderReport:
        """See `GuardianDesk.place_offset`."""
        if order.order_ref not in self._perm_ids:
            self._submit([order], GUARDIAN_CLIENT_ID)
        return self._report(self._order(order.order_ref))

    def _submit(self, group: Sequence[OrderSpec], client_id: int) -> None:
        places = {spec.order_ref: index for index, spec in enumerate(group)}
        orders = []
        for spec in group:
            self._order_id += 1
            orders.append(
                NewOrder(
                    client_id=client_id,
                    order_id=self._order_id,
                    order_ref=spec.order_ref,
                    side=spec.side,
                    quantity=spec.quantity,
                    order_type=spec.order_type,
                    limit_ticks=spec.limit_ticks,
                    stop_ticks=spec.stop_ticks,
                    tif=spec.tif,
                    parent_index=places[spec.parent_ref] if spec.parent_ref is not None else None,
                )
            )
        before = {order.perm_id for order in self._exchange.orders()}
        self._exchange.submit(orders)
        for order in self._exchange.orders():
            if order.perm_id not in before:
                self._perm_ids[order.order_ref] = order.perm_id

    def _order(self, order_ref: str) -> ExchangeOrder:
        order = self._exchange.order(self._perm_ids[order_ref])
        if order is None:
            raise KeyError(order_ref)
        return order

    def _report(self, order: ExchangeOrder) -> OrderReport:
        return OrderReport(
            order_ref=order.order_ref,
            perm_id=order.perm_id,
            state=order.state,
            filled=order.filled,
            remaining=order.remaining,
            reason=order.reason,
        )

    def _fill(self, execution: Execution) -> Fill:
        return Fill(
            exec_id=execution.exec_id,
            order_ref=execution.order.order_ref,
            perm_id=execution.order.perm_id,
            instrument=self._exchange.contract.instrument,
            side=execution.side,
            quantity=execution.quantity,
            price_ticks=execution.price_ticks,
            event_time_ns=execution.event_time_ns,
            commission_usd=execution.commission_usd,
        )
