"""The simulated account: position by average cost, cash, margin."""

from decimal import Decimal

from mia_actors.core.orders import Side
from mia_actors.core.units import Product
from mia_actors.exchange.orders import AccountTerms, AccountValues

ZERO = Decimal(0)


class Account:
    """Arithmetic of one account in one contract."""

    def __init__(self, product: Product, terms: AccountTerms) -> None:
        self._product = product
        self._terms = terms
        self._cash_usd = terms.cash_usd
        self._realized_usd = ZERO
        self._position = 0
        self._cost_ticks = ZERO

    @property
    def position_contracts(self) -> int:
        """Signed net position."""
        return self._position

    @property
    def average_price_ticks(self) -> Decimal | None:
        """Average entry price of the open position."""
        return self._cost_ticks / abs(self._position) if self._position else None

    def add(self, side: Side, quantity: int, price_ticks: int, commission_usd: Decimal) -> Decimal | None:
        """Books a fill; returns what it realised, commission off, or None when it closed nothing."""
        self._cash_usd -= commission_usd
        signed = side.sign * quantity
        realized: Decimal | None = None
        if self._position * signed < 0:
            closing = min(abs(self._position), quantity)
            average = self._cost_ticks / abs(self._position)
            ticks = (Decimal(price_ticks) - average) * closing * (1 if self._position > 0 else -1)
            gross = ticks * self._product.tick_value_usd
            self._cash_usd += gross
            realized = gross - commission_usd
            self._cost_ticks -= average * closing
            quantity -= closing
            self._position += side.sign * closing
        if quantity:
            self._position += side.sign * quantity
            self._cost_ticks += Decimal(price_ticks) * quantity
        self._realized_usd += realized if realized is not None else -commission_usd
        return realized

    def values(self, mark_ticks: int | None) -> AccountValues:
        """The account marked at a price."""
        unrealized = ZERO
        if self._position and mark_ticks is not None:
            sign = 1 if self._position > 0 else -1
            worth = (Decimal(mark_ticks) * abs(self._position) - self._cost_ticks) * sign
            unrealized = worth * self._product.tick_value_usd
        equity = self._cash_usd + unrealized
        margin = self._terms.initial_margin_usd_per_contract * abs(self._position)
        return AccountValues(
            net_liquidation_usd=equity,
            cash_usd=self._cash_usd,
            realized_usd=self._realized_usd,
            unrealized_usd=unrealized,
            initial_margin_usd=margin,
            available_usd=equity - margin,
        )
