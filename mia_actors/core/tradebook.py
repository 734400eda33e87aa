"""Folds fills into position, closed trades and realised profit: one pure piece of arithmetic for everybody.

Execution, guardian, cycle, mentor and the ledger all use it, so that no two of them can disagree on what a
set of fills means.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from mia_actors.core.orders import Fill, Side
from mia_actors.core.units import Product

ZERO_USD = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """A round trip: from flat through a position back to flat (or through zero to the other side)."""

    instrument: str
    side: Side
    quantity: int
    """Largest number of contracts held."""
    entry_ref: str
    exit_ref: str
    opened_at_ns: int
    closed_at_ns: int
    entry_price_ticks: Decimal
    """Average, may lie off the grid."""
    exit_price_ticks: Decimal
    gross_usd: Decimal
    commission_usd: Decimal

    @property
    def net_usd(self) -> Decimal:
        """Profit after commissions."""
        return self.gross_usd - self.commission_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTrade:
    """The position in progress, by average cost."""

    side: Side
    quantity: int
    quantity_max: int
    entry_ref: str
    opened_at_ns: int
    cost_ticks: Decimal
    """Sum of quantity times price of what is still open."""
    entered: int
    entered_ticks: Decimal
    exited: int
    exited_ticks: Decimal
    commission_usd: Decimal


def fill_order(fill: Fill) -> tuple[int, str, int, str]:
    """Canonical order of fills: event time, then decision time and purpose in the reference, then execution.

    Within one bar an entry comes before the stop that ended it, and the end of one trade before the entry
    of the next, because references sort by decision time and `entry` sorts before its exits.
    """
    parts = fill.order_ref.split(".")
    stamp = parts[2] if len(parts) > 3 else ""
    rank = 0 if len(parts) > 3 and parts[3] == "entry" else 1
    return (fill.event_time_ns, stamp, rank, fill.exec_id)


class TradeBook:
    """Position and profit of one instrument. Fills must come in `fill_order`; an `exec_id` counts once."""

    def __init__(self, product: Product) -> None:
        self._product = product
        self._open: OpenTrade | None = None
        self._closed: list[ClosedTrade] = []
        self._realized_gross = ZERO_USD
        self._commission = ZERO_USD
        self._seen: set[str] = set()

    @classmethod
    def of(cls, product: Product, fills: Iterable[Fill]) -> "TradeBook":
        """The book after all `fills`, sorted canonically first."""
        book = cls(product)
        for fill in sorted(fills, key=fill_order):
            book.add(fill)
        return book

    @property
    def position_contracts(self) -> int:
        """Signed net position."""
        return self._open.side.sign * self._open.quantity if self._open else 0

    @property
    def open_trade(self) -> OpenTrade | None:
        """The trade in progress."""
        return self._open

    @property
    def closed_trades(self) -> tuple[ClosedTrade, ...]:
        """Round trips so far, oldest first."""
        return tuple(self._closed)

    @property
    def commission_usd(self) -> Decimal:
        """All commissions so far."""
        return self._commission

    @property
    def realized_usd(self) -> Decimal:
        """Realised profit after all commissions so far, those of the open position included."""
        return self._realized_gross - self._commission

    def unrealized_usd(self, mark_ticks: int) -> Decimal:
        """Profit of the open position at a price, before the commission of closing it."""
        if self._open is None:
            return ZERO_USD
        worth = Decimal(mark_ticks) * self._open.quantity - self._open.cost_ticks
        return worth * self._open.side.sign * self._product.tick_value_usd

    def add(self, fill: Fill) -> tuple[ClosedTrade, ...]:
        """Applies one fill; a repeat of a known execution changes nothing. Returns the trades it closed."""
        if fill.exec_id in self._seen:
            return ()
        self._seen.add(fill.exec_id)
        commission = fill.commission_usd or ZERO_USD
        self._commission += commission
        if self._open is None:
            self._open = _opened(fill, fill.quantity, commission)
            return ()
        if self._open.side is fill.side:
            self._open = _increased(self._open, fill, commission)
            return ()
        return self._reduce(self._open, fill, commission)

    def _reduce(self, held: OpenTrade, fill: Fill, commission: Decimal) -> tuple[ClosedTrade, ...]:
        closing = min(held.quantity, fill.quantity)
        share = commission * closing / fill.quantity
        average = held.cost_ticks / held.quantity
        profit_ticks = (Decimal(fill.price_ticks) - average) * closing * held.side.sign
        self._realized_gross += profit_ticks * self._product.tick_value_usd
        held = replace(
            held,
            quantity=held.quantity - closing,
            cost_ticks=held.cost_ticks - average * closing,
            exited=held.exited + closing,
            exited_ticks=held.exited_ticks + Decimal(fill.price_ticks) * closing,
            commission_usd=held.commission_usd + share,
        )
        if held.quantity:
            self._open = held
            return ()
        trade = self._closed_trade(held, fill)
        self._closed.append(trade)
        rest = fill.quantity - closing
        self._open = _opened(fill, rest, commission - share) if rest else None
        return (trade,)

    def _closed_trade(self, held: OpenTrade, fill: Fill) -> ClosedTrade:
        entry = held.entered_ticks / held.entered
        leave = held.exited_ticks / held.exited
        gross_ticks = (held.exited_ticks - held.entered_ticks) * held.side.sign
        return ClosedTrade(
            instrument=fill.instrument,
            side=held.side,
            quantity=held.quantity_max,
            entry_ref=held.entry_ref,
            exit_ref=fill.order_ref,
            opened_at_ns=held.opened_at_ns,
            closed_at_ns=fill.event_time_ns,
            entry_price_ticks=entry,
            exit_price_ticks=leave,
            gross_usd=gross_ticks * self._product.tick_value_usd,
            commission_usd=held.commission_usd,
        )


def _opened(fill: Fill, quantity: int, commission: Decimal) -> OpenTrade:
    ticks = Decimal(fill.price_ticks) * quantity
    return OpenTrade(
        side=fill.side,
        quantity=quantity,
        quantity_max=quantity,
        entry_ref=fill.order_ref,
        opened_at_ns=fill.event_time_ns,
        cost_ticks=ticks,
        entered=quantity,
        entered_ticks=ticks,
        exited=0,
        exited_ticks=ZERO_USD,
        commission_usd=commission,
    )


def _increased(held: OpenTrade, fill: Fill, commission: Decimal) -> OpenTrade:
    quantity = held.quantity + fill.quantity
    ticks = Decimal(fill.price_ticks) * fill.quantity
    return replace(
        held,
        quantity=quantity,
        quantity_max=max(held.quantity_max, quantity),
        cost_ticks=held.cost_ticks + ticks,
        entered=held.entered + fill.quantity,
        entered_ticks=held.entered_ticks + ticks,
        commission_usd=held.commission_usd + commission,
    )
