"""Everything one connection has heard: orders, executions, notices. Thread-safe.

The wire's calls come in the session's thread, in wire order; questions come from anywhere.
"""

import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from mia_actors.broker import parse
from mia_actors.broker.codes import Code, code_of
from mia_actors.broker.executions import Executions
from mia_actors.broker.fact_word import FactWord
from mia_actors.broker.order_book import OrderBook, OrderKey
from mia_actors.broker.position import HeardPosition
from mia_actors.core.errors import InvariantViolated, MiaError
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, OrderReport, OrderSpec
from mia_actors.core.units import Contract, Product


@dataclass(frozen=True, slots=True, kw_only=True)
class WordEvents:
    """Whom the word is passed on to, in the session's thread."""

    on_bar: Callable[[Bar], None]
    on_fill: Callable[[Fill], None]
    on_notice: Callable[[int, int, Code, str], None]
    """Request id (-1: none), code, its row, the broker's text; notices on orders are not among them."""
    on_failure: Callable[[MiaError], None]
    """A message that must not be lost could not be handled."""


class BrokerWord:
    """The `WireListener` of a session."""

    def __init__(
        self, product: Product, *, client_id: int, events: WordEvents, facts: FactWord | None = None
    ) -> None:
        """`facts` is told what is neither order state nor execution, where anybody wants it."""
        self._facts = facts
        self._product = product
        self._client_id = client_id
        self._events = events
        self._changed = threading.Condition(threading.RLock())
        self._book = OrderBook()
        self._executions = Executions()
        self._position = HeardPosition()
        self._listed: set[str] | None = None
        self._ended = False
        self._contract: Contract | None = None
        self._instrument = ""

    @property
    def contract(self) -> Contract | None:
        """The contract whose bars, executions and position count."""
        return self._contract

    def trade(self, contract: Contract) -> None:
        """Sets the contract; its executions are passed on from now on."""
        self._contract = contract
        self._instrument = contract.instrument  # of every bar: put together once

    def end(self) -> None:
        """Nothing more will be heard: whoever waits is released."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    # Questions.

    def report(self, order_ref: str) -> OrderReport | None:
        """The present word on an order; None when the broker has not been heard to have it."""
        with self._changed:
            return self._book.report(order_ref)

    def reports(self) -> tuple[OrderReport, ...]:
        """The present word on every order with a reference."""
        with self._changed:
            return self._book.reports()

    def fills(self) -> tuple[Fill, ...]:
        """Executions of the contract, corrections applied, commissions joined."""
        with self._changed:
            return self._executions.fills(self._contract.con_id) if self._contract else ()

    def entering_contracts(self) -> int:
        """Signed contracts that working entries could add to the position."""
        with self._changed:
            return self._book.entering_contracts()

    def agreed_position(self) -> int | None:
        """Position in the contract as streamed; None where the executions heard do not explain it."""
        with self._changed:
            return self._position.agreed(self._executed())

    def cancellable(self, order_refs: Sequence[str]) -> list[int]:
        """Order numbers, of this client, of those that are not final."""
        with self._changed:
            keys = [self._book.key(order_ref) for order_ref in order_refs]
        return [key.order_id for key in keys if key is not None and key.client_id == self._client_id]

    @property
    def commissions_missing(self) -> bool:
        """Whether an execution lacks its commission."""
        with self._changed:
            return self._executions.commissions_missing

    def wait_until(self, settled: Callable[[], bool], timeout_s: float) -> bool:
        """Blocks until news make `settled` true; False after `timeout_s`, or when nothing more will come."""
        with self._changed:
            self._changed.wait_for(lambda: settled() or self._ended, timeout_s)
            return settled()

    # What the session does.

    def position_asked(self, contracts: int) -> None:
        """The broker's answer on the position in the contract."""
        with self._changed:
            self._position.asked(contracts, executed=self._executed())

    def sent(self, group: Sequence[OrderSpec], order_ids: Sequence[int]) -> None:
        """A group is about to be written to the socket."""
        with self._changed:
            for spec, order_id in zip(group, order_ids, strict=True):
                self._book.sent(spec, self._own(order_id))

    def begin_lists(self) -> None:
        """The lists of orders and executions are about to be asked for."""
        with self._changed:
            self._listed = set()

    def end_lists(self) -> None:
        """The lists came to their ends: what is in none of them is settled."""
        with self._changed:
            listed: Collection[str] = self._listed or ()
            self._listed = None
            self._book.settle(listed)
            self._changed.notify_all()

    # The wire.

    def wire_bar(self, start_s: int, prices: Sequence[float], volume: float) -> None:
        """See `WireListener`."""
        if not self._instrument:
            raise InvariantViolated("a bar before a contract was chosen")
        self._events.on_bar(parse.live_bar(self._product, self._instrument, start_s, prices, volume))

    def wire_open_order(self, order_id: int, order: Any, state: Any) -> None:
        """See `WireListener`."""
        with self._changed:
            order_ref = self._book.opened(
                order_ref=order.orderRef,
                key=OrderKey(client_id=order.clientId, order_id=order_id),
                perm_id=order.permId,
                side=parse.SIDES[order.action],
                quantity=round(order.totalQuantity),
                status=state.status,
            )
            self._news(order_ref, in_list=True)
        if self._facts is not None:
            self._facts.order(order, state.status)

    def wire_completed_order(self, order: Any, state: Any) -> None:
        """See `WireListener`."""
        filled = round(order.filledQuantity) if abs(order.filledQuantity) < parse.UNSET_FROM else 0
        with self._changed:
            order_ref = self._book.completed(
                order_ref=order.orderRef,
                perm_id=order.permId,
                side=parse.SIDES[order.action],
                quantity=round(order.totalQuantity) or filled,
                status=state.status,
                filled=filled,
                reason=state.completedStatus,
            )
            self._news(order_ref, in_list=True)
        if self._facts is not None:
            self._facts.order(order, "")

    def wire_order_status(
        self, *, order_id: int, client_id: int, perm_id: int, status: str, filled: float, remaining: float
    ) -> None:
        """See `WireListener`."""
        with self._changed:
            order_ref = self._book.status(
                key=OrderKey(client_id=client_id, order_id=order_id),
                perm_id=perm_id,
                status=status,
                filled=round(filled),
                remaining=round(remaining),
            )
            self._news(order_ref)
        if self._facts is not None and order_ref is not None:
            self._facts.order_state(order_ref, perm_id, status)

    def wire_execution(self, contract: Any, execution: Any) -> None:
        """See `WireListener`."""
        if contract.symbol != self._product.symbol or contract.secType != "FUT":
            return
        fill = parse.fill_of(self._product, contract, execution)
        with self._changed:
            news = self._executions.add(fill, int(contract.conId))
            order_ref = self._book.executed(
                order_ref=fill.order_ref,
                key=OrderKey(client_id=execution.clientId, order_id=execution.orderId),
                perm_id=fill.perm_id,
                side=fill.side,
                quantity_total=round(execution.cumQty),
            )
            self._news(order_ref, in_list=True)
        self._pass_on(news)

    def wire_commission(self, report: Any) -> None:
        """See `WireListener`."""
        commission = parse.commission_usd(report)
        if commission is None:
            return
        with self._changed:
            news = self._executions.add_commission(report.execId, commission)
        self._pass_on(news)

    def wire_position(self, contract: Any, position: float) -> None:
        """See `WireListener`."""
        if self._contract is None or contract.conId != self._contract.con_id:
            return
        with self._changed:
            self._position.told(round(position))
        if self._facts is not None:
            self._facts.position(round(position))

    def wire_price(self, tick_type: int, price: float) -> None:
        """See `WireListener`."""
        if self._facts is not None:
            self._facts.price(tick_type, price)

    def wire_pnl(self, unrealized: float) -> None:
        """See `WireListener`."""
        if self._facts is not None:
            self._facts.pnl(unrealized)

    def wire_account_value(self, tag: str, value: str, currency: str) -> None:
        """See `WireListener`."""
        if self._facts is not None:
            self._facts.account_value(tag, value, currency)

    def wire_error(self, request_id: int, code: int, text: str) -> None:
        """See `WireListener`."""
        with self._changed:
            order_ref = self._book.objected(key=self._own(request_id), code=code, text=text)
            self._news(order_ref)
        if order_ref is None:
            self._events.on_notice(request_id, code, code_of(code), text)

    def wire_failed(self, error: Exception) -> None:
        """See `WireListener`."""
        known = error if isinstance(error, MiaError) else InvariantViolated(f"broker message: {error!r}")
        self._events.on_failure(known)

    def _executed(self) -> int:
        return sum(fill.side.sign * fill.quantity for fill in self.fills())

    def _own(self, order_id: int) -> OrderKey:
        return OrderKey(client_id=self._client_id, order_id=order_id)

    def _news(self, order_ref: str | None, *, in_list: bool = False) -> None:
        if order_ref is None:
            return
        if in_list and self._listed is not None:
            self._listed.add(order_ref)
        self._changed.notify_all()

    def _pass_on(self, fill: Fill | None) -> None:
        if fill is None or self._contract is None:
            return
        with self._changed:
            con_id = self._executions.con_id(fill)
        if con_id == self._contract.con_id:
            self._events.on_fill(fill)

    def quiet(self) -> AbstractContextManager[bool]:
        """Holds every word back while several questions are asked that must agree."""
        return self._changed
