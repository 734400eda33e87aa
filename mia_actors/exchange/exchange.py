"""The simulated exchange: one contract, one account, conservative matching on 5-second bars."""

from collections.abc import Sequence
from decimal import Decimal

from mia_actors.core.market import Bar
from mia_actors.core.units import Contract, Product
from mia_actors.exchange.orders import (
    AccountTerms,
    AccountValues,
    Costs,
    ExchangeEvent,
    ExchangeOrder,
    Execution,
    NewOrder,
)


class SimulatedExchange:
    """Pure and deterministic: the same calls in the same order give the same events.

    Guarantees:
    - an order submitted at market time T is matched from the first bar that starts at or after T;
    - events come in the order they happened; the event time of a fill is the end of its bar.
    """

    def __init__(
        self, *, contract: Contract, product: Product, costs: Costs, account: AccountTerms, start_ns: int
    ) -> None:
        raise NotImplementedError

    @property
    def contract(self) -> Contract:
        """The one contract traded."""
        raise NotImplementedError

    @property
    def product(self) -> Product:
        """Its units."""
        raise NotImplementedError

    @property
    def now_ns(self) -> int:
        """Market time: end of the last bar, or the start before the first."""
        raise NotImplementedError

    @property
    def last_ticks(self) -> int | None:
        """Last trade price; None before the first bar."""
        raise NotImplementedError

    @property
    def position_contracts(self) -> int:
        """Signed net position."""
        raise NotImplementedError

    @property
    def average_price_ticks(self) -> Decimal | None:
        """Average cost of the open position; None when flat."""
        raise NotImplementedError

    def order(self, perm_id: int) -> ExchangeOrder | None:
        """The order of that permanent id, whatever its state."""
        raise NotImplementedError

    def orders(self) -> tuple[ExchangeOrder, ...]:
        """Every order ever submitted, by permanent id."""
        raise NotImplementedError

    def working_orders(self) -> tuple[ExchangeOrder, ...]:
        """Orders that are not final (held children included), by permanent id."""
        raise NotImplementedError

    def executions(self, start: int = 0) -> tuple[Execution, ...]:
        """Executions in order, from the one at place `start`."""
        raise NotImplementedError

    def account(self) -> AccountValues:
        """The account marked at the last trade price."""
        raise NotImplementedError

    def submit(self, group: Sequence[NewOrder]) -> tuple[ExchangeEvent, ...]:
        """Accepts the whole group or rejects the whole group; one `OrderChanged` each, in its order."""
        raise NotImplementedError

    def modify(
        self, perm_id: int, *, quantity: int, limit_ticks: int | None, stop_ticks: int | None
    ) -> tuple[ExchangeEvent, ...]:
        """Replaces quantity and prices of a working order.

        Raises:
            OrderRejected: no such order, final already, or the new terms are not acceptable; nothing changed.
        """
        raise NotImplementedError

    def cancel(self, perm_id: int) -> tuple[ExchangeEvent, ...]:
        """Cancels an order and its children; an order that is final already changes nothing: no events.

        Raises:
            OrderRejected: there is no such order.
        """
        raise NotImplementedError

    def cancel_all(self) -> tuple[ExchangeEvent, ...]:
        """Cancels every working order of every client."""
        raise NotImplementedError

    def advance(self, bar: Bar) -> tuple[ExchangeEvent, ...]:
        """Matches one 5-second bar, then market time is its end.

        Raises:
            InvariantViolated: the bar starts before market time.
        """
        raise NotImplementedError
