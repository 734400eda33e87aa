"""How far the market went against and for a trade while it was open, along the path the exchange simulated. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mia_actors.core.market import Bar
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.exchange.expansion import expand

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursions:
    """Ticks from the average entry price, neither below 0."""

    adverse_ticks: Decimal
    favourable_ticks: Decimal


def excursions(trade: ClosedTrade, bars: Sequence[Bar]) -> Excursions:
    """From the 5-second bar of the first fill, which counts whole, to the price of the exit.

    Of the 5-second bar of the exit only its price counts: what came after it there did not touch the trade.

    Args:
        trade: A round trip.
        bars: Base bars in order of time, those of the trade among them.
    """
    sign, entry = trade.side.sign, trade.entry_price_ticks
    moves = [sign * (trade.exit_price_ticks - entry)]
    for bar in _while_open(trade, bars):
        moves += [sign * (Decimal(bar.high_ticks) - entry), sign * (Decimal(bar.low_ticks) - entry)]
    return Excursions(adverse_ticks=max(ZERO, -min(moves)), favourable_ticks=max(ZERO, *moves))


def _while_open(trade: ClosedTrade, bars: Sequence[Bar]) -> Iterator[Bar]:
    """Whole bars in between, the 5-second bars of the first and the last."""
    first = max(0, bisect_right(bars, trade.opened_at_ns - 1, key=lambda bar: bar.start_ns) - 1)
    for bar in bars[first:]:
        if bar.start_ns >= trade.closed_at_ns:
            return
        if bar.start_ns >= trade.opened_at_ns and bar.end_ns < trade.closed_at_ns:
            yield bar
        else:
            yield from (
                small for small in expand(bar) if trade.opened_at_ns <= small.end_ns < trade.closed_at_ns
            )
