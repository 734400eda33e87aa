"""Simulated trades and quotes within a 5-second bar: its open, both extremes and its close. Pure.

Nothing of it was measured: the bar says where the price was, the rest follows from it by rule, the same each time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar
from mia_actors.exchange.expansion import low_first

SECONDS_WITHIN = (0, 1, 3, 4)
EXTRA_FIRST = (3, 0, 2, 1)
"""Which points have what is left of a volume that four do not divide: the close first."""
QUOTE_TICKS = 1
"""How far bid and ask are from the last price."""


class Shown(StrEnum):
    """What bars are made of."""

    TRADES = "TRADES"
    BID = "BID"
    ASK = "ASK"
    MIDPOINT = "MIDPOINT"

    @property
    def shift_ticks(self) -> int:
        """How far its prices are from those of trades."""
        return {Shown.BID: -QUOTE_TICKS, Shown.ASK: QUOTE_TICKS}.get(self, 0)


@dataclass(frozen=True, slots=True)
class PricePoint:
    """A simulated trade."""

    time_s: int
    """UTC, since epoch."""
    price_ticks: int
    size: int
    """Contracts; 0: the price was there, but the volume does not reach for a trade at it."""


def points(bar: Bar) -> tuple[PricePoint, ...]:
    """Open, first extreme, second extreme, close; the extremes in the order of the bar's own path.

    Their sizes add up to the bar's volume.
    """
    turns = (bar.low_ticks, bar.high_ticks) if low_first(bar) else (bar.high_ticks, bar.low_ticks)
    prices = (bar.open_ticks, *turns, bar.close_ticks)
    share, rest = divmod(bar.volume, len(prices))
    lucky = EXTRA_FIRST[:rest]
    start_s = bar.start_ns // NS_PER_S
    return tuple(
        PricePoint(start_s + second, price, share + (place in lucky))
        for place, (second, price) in enumerate(zip(SECONDS_WITHIN, prices, strict=True))
    )


def trades(bar: Bar) -> Iterator[PricePoint]:
    """Points with a size."""
    return (point for point in points(bar) if point.size)


def moves(bar: Bar) -> Iterator[PricePoint]:
    """The open, and each point whose price differs from the one before: where quotes change."""
    before: int | None = None
    for point in points(bar):
        if point.price_ticks != before:
            yield point
        before = point.price_ticks
