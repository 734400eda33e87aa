"""Frames of a market data subscription: last, bid and ask, and the figures of the day. Pure.

Bid and ask are simulated, a tick to each side of the last price; delayed data has other tick types and is not late.
"""

from collections.abc import Iterator

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.depth import BookSide, level
from mia_actors.exchange.gateway.dialect import Dialect
from mia_actors.exchange.gateway.framing import Field
from mia_actors.exchange.gateway.history import DayFigures
from mia_actors.exchange.gateway.price_points import trades

BID_SIZE, BID, ASK, ASK_SIZE, LAST, LAST_SIZE = 0, 1, 2, 3, 4, 5
HIGH, LOW, VOLUME, CLOSE, OPEN = 6, 7, 8, 9, 14
LAST_TIME, RT_VOLUME = 45, 48
DELAYED = {
    BID: 66,
    ASK: 67,
    LAST: 68,
    BID_SIZE: 69,
    ASK_SIZE: 70,
    LAST_SIZE: 71,
    HIGH: 72,
    LOW: 73,
    VOLUME: 74,
    CLOSE: 75,
    OPEN: 76,
    LAST_TIME: 88,
}
RT_VOLUME_LIST = "233"
"""Asks for each trade with time and volume of the day."""


class Quotes:
    """One subscription: knows what it told, so that figures of the day are told when they change."""

    def __init__(self, *, is_delayed: bool, wants_trades: bool) -> None:
        self._is_delayed = is_delayed
        self._wants_trades = wants_trades and not is_delayed
        self._told: dict[int, int] = {}

    def frames(
        self, dialect: Dialect, request_id: int, day: DayFigures | None, bar: Bar | None
    ) -> Iterator[list[Field]]:
        """What is new, after a bar; without one, the figures of the day alone."""
        if bar is not None:
            bid, ask = (level(side, bar.close_ticks, 0) for side in (BookSide.BID, BookSide.ASK))
            size = next((one.size for one in reversed(list(trades(bar)))), 0)
            for price_type, size_type, (ticks, contracts) in (
                (LAST, LAST_SIZE, (bar.close_ticks, size)),
                (BID, BID_SIZE, bid),
                (ASK, ASK_SIZE, ask),
            ):
                yield self._price(dialect, request_id, price_type, ticks, contracts)
                yield self._size(request_id, size_type, contracts)
            yield [46, 6, request_id, self._kind(LAST_TIME), bar.end_ns // NS_PER_S]
        if day is None:
            return
        figures: tuple[tuple[int, int | None], ...] = (
            (OPEN, day.open_ticks),
            (HIGH, day.high_ticks),
            (LOW, day.low_ticks),
            (CLOSE, day.close_before_ticks),
        )
        for kind, figure in figures:
            if figure is not None and self._told.get(kind) != figure:
                self._told[kind] = figure
                yield self._price(dialect, request_id, kind, figure, 0)
        if self._told.get(VOLUME) != day.volume:
            self._told[VOLUME] = day.volume
            yield self._size(request_id, VOLUME, day.volume)
        if bar is not None and self._wants_trades:
            yield from _trades(dialect, request_id, day, bar)

    def _kind(self, kind: int) -> int:
        return DELAYED[kind] if self._is_delayed else kind

    def _price(self, dialect: Dialect, request_id: int, kind: int, ticks: int, size: int) -> list[Field]:
        return [1, 6, request_id, self._kind(kind), dialect.price(ticks), size, 0]

    def _size(self, request_id: int, kind: int, size: int) -> list[Field]:
        return [2, 6, request_id, self._kind(kind), size]


def _trades(dialect: Dialect, request_id: int, day: DayFigures, bar: Bar) -> Iterator[list[Field]]:
    """Each simulated trade with the volume of the day after it; the bar is the day's last one."""
    volume = day.volume - bar.volume
    for trade in trades(bar):
        volume += trade.size
        values = (dialect.price(trade.price_ticks), trade.size, trade.time_s * 1000, volume)
        weighted = dialect.weighted_price(bar)
        yield [46, 6, request_id, RT_VOLUME, ";".join(map(str, (*values, weighted, "true")))]
