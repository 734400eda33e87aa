"""The simulated account: position and profit by the common trade book, marked, and the margin it needs."""

from decimal import Decimal

from mia_actors.core.orders import Fill, Side
from mia_actors.core.tradebook import TradeBook
from mia_actors.core.units import Product
from mia_actors.exchange.orders import AccountTerms, AccountValues

ZERO_USD = Decimal(0)


class Account:
    """One account in one contract."""

    def __init__(self, product: Product, terms: AccountTerms) -> None:
        self._terms = terms
        self._book = TradeBook(product)

    @property
    def position_contracts(self) -> int:
        """Signed net position."""
        return self._book.position_contracts

    @property
    def average_price_ticks(self) -> Decimal | None:
        """Average entry price of the open position."""
        held = self._book.open_trade
        return held.cost_ticks / held.quantity if held else None

    def add(self, fill: Fill) -> Decimal | None:
        """Books a fill; returns what it realised, its commission off, or None when it closed nothing."""
        reduces = self.position_contracts * fill.side.sign < 0
        before = self._book.realized_usd
        self._book.add(fill)
        return self._book.realized_usd - before if reduces else None

    def values(self, mark_ticks: int | None) -> AccountValues:
        """The account marked at a price; without one, open positions count at cost."""
        unrealized = ZERO_USD if mark_ticks is None else self._book.unrealized_usd(mark_ticks)
        realized = self._book.realized_usd
        cash = self._terms.cash_usd + realized
        margin = self._terms.initial_margin_usd_per_contract * abs(self.position_contracts)
        return AccountValues(
            net_liquidation_usd=cash + unrealized,
            cash_usd=cash,
            realized_usd=realized,
            unrealized_usd=unrealized,
            initial_margin_usd=margin,
            available_usd=cash + unrealized - margin,
        )

    def margin_objection(self, side: Side, quantity: int, pending: int, mark_ticks: int | None) -> str:
        """Why an order may not work, or nothing. `pending` contracts on its side add exposure already.

        An order that by itself only reduces the position is never refused.
        """
        held = self.position_contracts
        if held * side.sign < 0 and quantity <= abs(held):
            return ""
        resulting = abs(held + side.sign * (pending + quantity))
        needed = self._terms.initial_margin_usd_per_contract * resulting
        equity = self.values(mark_ticks).net_liquidation_usd
        if needed <= equity:
            return ""
        return f"margin: {needed:.2f} USD needed for {resulting} contracts, equity is {equity:.2f} USD"
