"""When an order fills within one 5-second bar, and at what price. Pure arithmetic, conservative everywhere.

Every rule is written once, for a purchase; a sale sees the mirrored market, so that neither side has an
advantage. A `level` is the price the market stood at when an order began to work within the bar: the open, or
where its parent filled; slippage is added to it.
"""

from dataclasses import dataclass

from mia_actors.core.market import Bar
from mia_actors.core.orders import Side


@dataclass(frozen=True, slots=True)
class FillPrice:
    """Where an order fills."""

    price_ticks: int
    """With slippage."""
    level_ticks: int
    """Without: where the market stood, from which the order's children begin to work."""


def market_fill(side: Side, level_ticks: int, slippage_ticks: int) -> FillPrice:
    """A market order pays the slippage on top of the level."""
    return FillPrice(level_ticks + side.sign * slippage_ticks, level_ticks)


def stop_fill(
    side: Side, stop_ticks: int, bar: Bar, level_ticks: int, slippage_ticks: int
) -> FillPrice | None:
    """A stop touched fills at its price, or at the level where the market is beyond it, plus slippage."""
    sign = side.sign
    if _furthest(side, bar) < sign * stop_ticks:
        return None
    return market_fill(side, sign * max(sign * stop_ticks, sign * level_ticks), slippage_ticks)


def within_limit(side: Side, fill: FillPrice, limit_ticks: int) -> bool:
    """Whether a fill costs no more than a limit allows."""
    return side.sign * fill.price_ticks <= side.sign * limit_ticks


def limit_fill(
    side: Side, limit_ticks: int, bar: Bar, *, is_arriving: bool, slippage_ticks: int
) -> FillPrice | None:
    """A limit fills at its price where the market traded through it by a tick: being touched is not enough.

    One that arrives marketable (in its first bar the open, slippage added, is within it) takes what the
    market offers, as a market order would.
    """
    if is_arriving:
        taken = market_fill(side, bar.open_ticks, slippage_ticks)
        if within_limit(side, taken, limit_ticks):
            return taken
    if -_furthest(side.opposite, bar) < side.sign * limit_ticks:
        return FillPrice(limit_ticks, limit_ticks)
    return None


def _furthest(side: Side, bar: Bar) -> int:
    """How far the bar went in a side's direction: its high for a purchase, its negated low for a sale."""
    return bar.high_ticks if side is Side.BUY else -bar.low_ticks
