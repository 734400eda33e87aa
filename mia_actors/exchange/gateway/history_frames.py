"""Frames about the past: bars, the one in progress, sessions, ticks. Pure."""

from collections.abc import Sequence

from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.depth import BookSide, level
from mia_actors.exchange.gateway.dialect import Dialect, stamp
from mia_actors.exchange.gateway.framing import Field
from mia_actors.exchange.gateway.historical_bars import HistoricalBar
from mia_actors.exchange.gateway.price_points import PricePoint, Shown
from mia_actors.exchange.gateway.trading_hours import ZONE, Session, chicago_text

NO_TRADES = -1
"""Volume, weighted price and count of bars that are not of trades."""


def flow(dialect: Dialect, bar: Bar | HistoricalBar, shown: Shown) -> list[Field]:
    """Volume, weighted price and count of trades of a bar."""
    if shown is not Shown.TRADES:
        return [NO_TRADES, NO_TRADES, NO_TRADES]
    return [bar.volume, dialect.weighted_price(bar), 1]


def historical(
    dialect: Dialect, request_id: int, bars: Sequence[HistoricalBar], shown: Shown, *, epoch: bool
) -> list[Field]:
    """Bars of a historical request; the frame also ends it."""
    first = stamp(bars[0].start_ns, epoch=False) if bars else ""
    last = stamp(bars[-1].end_ns, epoch=False) if bars else ""
    found: list[Field] = [17, request_id, first, last, len(bars)]
    for bar in bars:
        found += [
            _date(bar, epoch=epoch),
            *dialect.prices(bar, shown.shift_ticks),
            *flow(dialect, bar, shown),
        ]
    return found


def update(
    dialect: Dialect, request_id: int, bar: HistoricalBar, shown: Shown, *, epoch: bool
) -> list[Field]:
    """The bar in progress of a request that is kept up to date."""
    opened, high, low, closed = dialect.prices(bar, shown.shift_ticks)
    volume, weighted, count = flow(dialect, bar, shown)
    return [
        90,
        request_id,
        count,
        _date(bar, epoch=epoch),
        opened,
        closed,
        high,
        low,
        weighted,
        volume,
    ]


def schedule(request_id: int, sessions: Sequence[Session]) -> list[Field]:
    """Sessions by the exchange calendar."""
    first = chicago_text(sessions[0].start_ns) if sessions else ""
    last = chicago_text(sessions[-1].end_ns) if sessions else ""
    found: list[Field] = [106, request_id, first, last, ZONE, len(sessions)]
    for one in sessions:
        found += [chicago_text(one.start_ns), chicago_text(one.end_ns), f"{one.day:%Y%m%d}"]
    return found


def head(request_id: int, time_ns: int, *, epoch: bool) -> list[Field]:
    """Since when there are bars."""
    text = str(stamp(time_ns, epoch=False)).removesuffix(" UTC").replace(" ", "-")
    return [88, request_id, stamp(time_ns, epoch=True) if epoch else text]


def ticks(dialect: Dialect, request_id: int, found: Sequence[PricePoint], kind: str) -> list[Field]:
    """Simulated ticks of the past; the frame also ends the request."""
    number, one = {"TRADES": (98, _trade), "BID_ASK": (97, _quote), "MIDPOINT": (96, _midpoint)}[kind]
    frame: list[Field] = [number, request_id, len(found)]
    for point in found:
        frame += one(dialect, point)
    return [*frame, True]


def quote(dialect: Dialect, last_ticks: int) -> list[Field]:
    """Bid, ask and their sizes around a last price."""
    (bid, bid_size), (ask, ask_size) = (level(side, last_ticks, 0) for side in (BookSide.BID, BookSide.ASK))
    return [dialect.price(bid), dialect.price(ask), bid_size, ask_size]


def _trade(dialect: Dialect, point: PricePoint) -> list[Field]:
    return [point.time_s, 0, dialect.price(point.price_ticks), point.size, dialect.product.exchange, ""]


def _quote(dialect: Dialect, point: PricePoint) -> list[Field]:
    return [point.time_s, 0, *quote(dialect, point.price_ticks)]


def _midpoint(dialect: Dialect, point: PricePoint) -> list[Field]:
    return [point.time_s, 0, dialect.price(point.price_ticks), 0]


def _date(bar: HistoricalBar, *, epoch: bool) -> Field:
    return stamp(bar.start_ns, epoch=epoch) if bar.day is None else f"{bar.day:%Y%m%d}"
