"""The exchange as the executor and the guardian see a broker, without a wire between them.

The same facts in the same form as come over the TWS protocol: the identity is the order reference, a held
leg works, fills carry whole-second market times.
"""

from bisect import bisect_right
from collections.abc import Sequence

from mia_actors.core.errors import InvariantViolated, OrderRejected
from mia_actors.core.orders import (
    BrokerSnapshot,
    Fill,
    OrderReport,
    OrderSpec,
    OrderState,
    OrderTerms,
    Permit,
)
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.orders import ExchangeOrder, Execution, NewOrder

TRADING_CLIENT_ID = 11
GUARDIAN_CLIENT_ID = 12


class ExchangeDesk:
    """`OrderDesk` and `GuardianDesk` over a `SimulatedExchange` in the same process.

    Permits are the business of the gate in front of a desk (`core.permit_gate`); this one takes every order.
    """

    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._perm_ids: dict[str, int] = {}
        self._order_id = 0
        self._final: dict[int, OrderReport] = {}
        self._fills: list[Fill] = []

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `OrderDesk.place`.

        Raises:
            OrderRejected: the exchange said no, now or when the reference was first placed.
        """
        del permit
        self._submit([spec for spec in group if spec.order_ref not in self._perm_ids], TRADING_CLIENT_ID)
        reports = tuple(self._report_of(spec.order_ref) for spec in group)
        rejected = [report.reason for report in reports if report.state is OrderState.REJECTED]
        if rejected:
            raise OrderRejected(rejected[0])
        return reports

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderDesk.cancel`; a reference never placed has no report."""
        known = [ref for ref in order_refs if ref in self._perm_ids]
        for ref in known:
            self._exchange.cancel(self._perm_ids[ref])
        return tuple(self._report_of(ref) for ref in known)

    def snapshot(self) -> BrokerSnapshot:
        """See `OrderDesk.snapshot`; orders and fills since the start, of however many days."""
        return BrokerSnapshot(
            orders=tuple(self._report(order) for order in self._exchange.orders() if order.order_ref),
            fills=self.fills(),
            position_contracts=self._exchange.position_contracts,
        )

    def fills(self, after_ns: int = -1) -> tuple[Fill, ...]:
        """Executions with an event time after `after_ns`, oldest first."""
        self._fills += [self._fill(execution) for execution in self._exchange.executions(len(self._fills))]
        return tuple(self._fills[bisect_right(self._fills, after_ns, key=lambda fill: fill.event_time_ns) :])

    def global_cancel(self) -> None:
        """See `GuardianDesk.global_cancel`."""
        self._exchange.cancel_all()

    def working_orders(self) -> int:
        """See `GuardianDesk.working_orders`."""
        return len(self._exchange.working_orders())

    def position_contracts(self) -> int:
        """See `GuardianDesk.position_contracts`."""
        return self._exchange.position_contracts

    def place_offset(self, order: OrderSpec) -> OrderReport:
        """See `GuardianDesk.place_offset`."""
        if order.order_ref not in self._perm_ids:
            self._submit([order], GUARDIAN_CLIENT_ID)
        return self._report_of(order.order_ref)

    def offset_report(self, order_ref: str) -> OrderReport | None:
        """See `GuardianDesk.offset_report`."""
        return self._report_of(order_ref) if order_ref in self._perm_ids else None

    def order_terms(self, order_ref: str) -> OrderTerms | None:
        """Prices of an order, as the wire tells them; None for one that was never placed."""
        perm_id = self._perm_ids.get(order_ref)
        order = None if perm_id is None else self._exchange.order(perm_id)
        if order is None:
            return None
        return OrderTerms(order_ref=order_ref, limit_ticks=order.limit_ticks, stop_ticks=order.stop_ticks)

    def _submit(self, group: Sequence[OrderSpec], client_id: int) -> None:
        places = {spec.order_ref: place for place, spec in enumerate(group)}
        orders = [self._new_order(spec, places, client_id) for spec in group]
        for changed in self._exchange.submit(orders):
            self._perm_ids[changed.order.order_ref] = changed.order.perm_id

    def _new_order(self, spec: OrderSpec, places: dict[str, int], client_id: int) -> NewOrder:
        parent_perm_id = None
        if spec.parent_ref is not None and spec.parent_ref not in places:
            parent_perm_id = self._perm_ids.get(spec.parent_ref)
            if parent_perm_id is None:
                raise InvariantViolated(f"{spec.order_ref}: its parent {spec.parent_ref} was never placed")
        self._order_id += 1
        return NewOrder(
            client_id=client_id,
            order_id=self._order_id,
            order_ref=spec.order_ref,
            side=spec.side,
            quantity=spec.quantity,
            order_type=spec.order_type,
            limit_ticks=spec.limit_ticks,
            stop_ticks=spec.stop_ticks,
            tif=spec.tif,
            parent_perm_id=parent_perm_id,
            parent_index=places.get(spec.parent_ref) if spec.parent_ref is not None else None,
        )

    def _report_of(self, order_ref: str) -> OrderReport:
        order = self._exchange.order(self._perm_ids[order_ref])
        if order is None:
            raise InvariantViolated(f"{order_ref}: the exchange lost it")
        return self._report(order)

    def _report(self, order: ExchangeOrder) -> OrderReport:
        known = self._final.get(order.perm_id)
        if known is not None:
            return known
        report = OrderReport(
            order_ref=order.order_ref,
            perm_id=order.perm_id,
            state=order.state,
            filled=order.filled,
            remaining=order.remaining,
            reason=order.reason,
        )
        if order.state.is_final:
            self._final[order.perm_id] = report
        return report

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
