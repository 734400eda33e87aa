"""One client's tick-by-tick streams: simulated ticks derived from each 5-second bar."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from mia_actors.core.market import Bar
from mia_actors.exchange.gateway import history_frames
from mia_actors.exchange.gateway.dialect import Dialect
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily
from mia_actors.exchange.gateway.framing import Field
from mia_actors.exchange.gateway.history_requests import TICKS_MAX, HistoryRequests
from mia_actors.exchange.gateway.price_points import PricePoint, moves, trades
from mia_actors.exchange.gateway.refusals import Refused, require_contract
from mia_actors.exchange.gateway.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

STREAMS_MAX = 5


class TickKind(StrEnum):
    """What a stream tells."""

    LAST = "Last"
    ALL_LAST = "AllLast"
    BID_ASK = "BidAsk"
    MIDPOINT = "MidPoint"

    @property
    def number(self) -> int:
        """On the wire."""
        return list(TickKind).index(self) + 1

    @property
    def past(self) -> str:
        """The same kind in requests for ticks of the past."""
        return {TickKind.BID_ASK: "BID_ASK", TickKind.MIDPOINT: "MIDPOINT"}.get(self, "TRADES")


class TickRequests(RequestFamily):
    """Trades, quotes and midpoints."""

    def __init__(self, gateway: "Gateway", peer: Peer, history: HistoryRequests) -> None:
        self._gateway = gateway
        self._peer = peer
        self._history = history
        self._streams: Subscriptions[TickKind] = Subscriptions(
            unknown_code=300, unknown_text="Can't find EId with tickerId:{}"
        )

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {97: self._subscribe, 98: lambda fields: self._streams.cancel(int(fields[1]))}

    def bar_shown(self, bar: Bar) -> None:
        """See `RequestFamily.bar_shown`."""
        for request_id, kind in self._streams.items():
            for point in trades(bar) if kind in {TickKind.LAST, TickKind.ALL_LAST} else moves(bar):
                self._peer.send(tick(self._peer.dialect, request_id, kind, point))

    def forget_streams(self) -> None:
        """See `RequestFamily.forget_streams`."""
        self._streams.clear()

    def _subscribe(self, fields: list[str]) -> None:
        gateway, request_id = self._gateway, int(fields[1])
        require_contract(request_id, fields[2 : 2 + CONTRACT_FIELDS], gateway.contract, gateway.product)
        word, count = fields[14], int(fields[15])
        if word not in set(TickKind):
            raise Refused(request_id, 321, f"ticks of {word!r} are not simulated; {', '.join(TickKind)} are")
        if not 0 <= count <= TICKS_MAX:
            raise Refused(request_id, 321, f"{count} ticks of the past: allowed: 0 to {TICKS_MAX}")
        gateway.access.need_market_data(request_id)
        self._streams.need_new(request_id)
        if len(self._streams) >= STREAMS_MAX:
            raise Refused(request_id, 10190, "Max number of tick-by-tick requests has been reached.")
        kind = TickKind(word)
        if count:
            found = self._history.past_ticks(kind.past, gateway.now_ns, count, is_start=False)
            self._peer.send(history_frames.ticks(self._peer.dialect, request_id, found, kind.past))
        self._streams.add(request_id, kind)


def tick(dialect: Dialect, request_id: int, kind: TickKind, point: PricePoint) -> list[Field]:
    """One tick."""
    head: list[Field] = [99, request_id, kind.number, point.time_s]
    price = dialect.price(point.price_ticks)
    match kind:
        case TickKind.BID_ASK:
            return [*head, *history_frames.quote(dialect, point.price_ticks), 0]
        case TickKind.MIDPOINT:
            return [*head, price]
        case _:
            return [*head, price, point.size, 0, dialect.product.exchange, ""]
