"""What a connection hears that is neither order state nor execution, as facts of the account. Pure.

The wire's calls come in the session's thread; each fact is stamped there with its time of arrival.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any

from mia_actors.broker.parse import UNSET_FROM, order_state
from mia_actors.core.facts import (
    BrokerEquity,
    BrokerPnl,
    BrokerPosition,
    Fact,
    OrderRefused,
    OrderSeen,
    Quote,
    Tick,
)
from mia_actors.core.orders import OrderState, OrderTerms
from mia_actors.core.units import Product

BIDS, ASKS, TRADES = frozenset({1, 66}), frozenset({2, 67}), frozenset({4, 68})
"""Tick types, live and delayed."""
WITH_LIMIT = frozenset({"LMT", "STP LMT"})
WITH_STOP = frozenset({"STP", "STP LMT"})
TERMS_KEPT = 10_000


class FactWord:
    """Turns the wire's words into facts and passes them on. Not thread-safe: the session's thread calls it."""

    def __init__(
        self, product: Product, *, on_fact: Callable[[Fact], None], arrival_ns: Callable[[], int]
    ) -> None:
        self._product = product
        self._on_fact = on_fact
        self._arrival_ns = arrival_ns
        self._bid_ticks: int | None = None
        self._ask_ticks: int | None = None
        self._terms: dict[str, OrderTerms] = {}
        self.is_live = False
        """The lists of the connect are over: an order heard of for the first time is a new one."""

    @property
    def terms(self) -> tuple[OrderTerms, ...]:
        """Prices of the orders heard of."""
        return tuple(self._terms.values())

    def price(self, tick_type: int, price: float) -> None:
        """A trade, or a new bid or ask; one that is missing or off the grid is unavailable."""
        ticks = self._ticks(price)
        if tick_type in TRADES and ticks is not None:
            self._on_fact(Tick(arrival_ns=self._arrival_ns(), price_ticks=ticks))
        elif tick_type in BIDS:
            self._bid_ticks = ticks
            self._quote()
        elif tick_type in ASKS:
            self._ask_ticks = ticks
            self._quote()

    def _quote(self) -> None:
        quote = Quote(arrival_ns=self._arrival_ns(), bid_ticks=self._bid_ticks, ask_ticks=self._ask_ticks)
        self._on_fact(quote)

    def pnl(self, unrealized: float) -> None:
        """The broker's open profit of the contract."""
        self._on_fact(BrokerPnl(arrival_ns=self._arrival_ns(), unrealized_usd=_usd(unrealized)))

    def account_value(self, tag: str, value: str, currency: str) -> None:
        """A line of the account updates."""
        if tag == "NetLiquidation" and currency in {"", "USD", "BASE"}:
            self._on_fact(BrokerEquity(arrival_ns=self._arrival_ns(), usd=_usd(value)))

    def position(self, contracts: int) -> None:
        """The position in the contract, streamed."""
        self._on_fact(BrokerPosition(contracts=contracts))

    def order(self, order: Any, status: str) -> None:
        """An open or completed order: its prices, and what became of it."""
        order_ref = str(order.orderRef)
        if order_ref:
            terms = OrderTerms(
                order_ref=order_ref,
                limit_ticks=self._ticks(order.lmtPrice) if order.orderType in WITH_LIMIT else None,
                stop_ticks=self._ticks(order.auxPrice) if order.orderType in WITH_STOP else None,
            )
            if self._terms.get(order_ref) != terms:
                self._terms[order_ref] = terms
                self._on_fact(terms)
            if len(self._terms) > TERMS_KEPT:
                self._terms.pop(next(iter(self._terms)))
        self.order_state(order_ref, int(order.permId), status)

    def order_state(self, order_ref: str, perm_id: int, status: str) -> None:
        """The state of an order by the gateway's word."""
        now_ns = self._arrival_ns()
        self._on_fact(
            OrderSeen(arrival_ns=now_ns, order_ref=order_ref, perm_id=perm_id, listed=not self.is_live)
        )
        if order_state(status) is OrderState.REJECTED:
            self._on_fact(OrderRefused(arrival_ns=now_ns, order_ref=order_ref, perm_id=perm_id))

    def _ticks(self, price: float) -> int | None:
        if not isfinite(price) or not 0 < price < UNSET_FROM:
            return None
        try:
            return self._product.ticks_of(price)
        except ValueError:
            return None


def _usd(value: float | str) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < Decimal(UNSET_FROM) else None
