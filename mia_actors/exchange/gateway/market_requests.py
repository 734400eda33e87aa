"""One client's quotes and 5-second bars."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mia_actors.core.calendar import is_regular_hours
from mia_actors.core.market import Bar
from mia_actors.exchange.gateway import market_frames
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily
from mia_actors.exchange.gateway.price_points import Shown
from mia_actors.exchange.gateway.quotes import RT_VOLUME_LIST, Quotes
from mia_actors.exchange.gateway.refusals import Refused, require_contract
from mia_actors.exchange.gateway.subscriptions import Subscriptions

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4
BAR_SECONDS = "5"
NO_TICKER = "Can't find EId with tickerId:{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BarStream:
    """5-second bars of one kind."""

    shown: Shown
    regular_only: bool


class MarketRequests(RequestFamily):
    """Quotes, snapshots of them, and 5-second bars."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer
        self._bars: Subscriptions[BarStream] = Subscriptions(unknown_code=300, unknown_text=NO_TICKER)
        self._quotes: Subscriptions[Quotes] = Subscriptions(unknown_code=300, unknown_text=NO_TICKER)
        self._data_type = LIVE

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {
            1: self._market_data,
            2: lambda fields: self._quotes.cancel(int(fields[2])),
            50: self._realtime_bars,
            51: lambda fields: self._bars.cancel(int(fields[2])),
            59: self._market_data_type,
        }

    def bar_shown(self, bar: Bar) -> None:
        """See `RequestFamily.bar_shown`."""
        peer = self._peer
        for request_id, stream in self._bars.items():
            if not stream.regular_only or is_regular_hours(bar.start_ns):
                peer.send(market_frames.realtime_bar(peer.dialect, request_id, bar, stream.shown))
        for request_id, quotes in self._quotes.items():
            self._send_quotes(request_id, quotes)

    def forget_streams(self) -> None:
        """See `RequestFamily.forget_streams`."""
        self._bars.clear()
        self._quotes.clear()

    @property
    def streams_bars(self) -> bool:
        """Whether this client is told of 5-second bars."""
        return bool(len(self._bars))

    def _need(self, request_id: int, fields: list[str]) -> None:
        contract = fields[3 : 3 + CONTRACT_FIELDS]
        require_contract(request_id, contract, self._gateway.contract, self._gateway.product)

    def _market_data_type(self, fields: list[str]) -> None:
        wanted = int(fields[2])
        if wanted not in {LIVE, FROZEN, DELAYED, DELAYED_FROZEN}:
            raise Refused(-1, 321, f"market data type {wanted}: allowed: {LIVE} to {DELAYED_FROZEN}")
        self._data_type = wanted

    def _given_type(self, request_id: int) -> int:
        """What the client gets: live data where it may have it, whatever it asked for, and frozen while closed."""
        freezes = self._data_type in {FROZEN, DELAYED_FROZEN} and not self._gateway.is_open
        if self._gateway.access.has_market_data:
            return FROZEN if freezes else LIVE
        if self._data_type in {LIVE, FROZEN}:
            self._gateway.access.need_market_data(request_id)
        text = "Requested market data is not subscribed. Displaying delayed market data."
        self._peer.send(self._peer.dialect.error(request_id, 10167, text))
        return DELAYED_FROZEN if freezes else DELAYED

    def _market_data(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields)
        generic, snapshot, regulatory = fields[16:19]
        if regulatory == "1":
            raise Refused(request_id, 321, "regulatory snapshots are of stocks")
        wanted = {int(number) for number in generic.split(",") if number}
        self._quotes.need_new(request_id)
        given = self._given_type(request_id)
        quotes = Quotes(
            is_delayed=given in {DELAYED, DELAYED_FROZEN}, wants_trades=int(RT_VOLUME_LIST) in wanted
        )
        peer = self._peer
        peer.send(market_frames.tick_terms(peer.dialect, request_id))
        peer.send([58, 1, request_id, given])
        self._send_quotes(request_id, quotes)
        if snapshot == "1":
            peer.send([57, 1, request_id])
        else:
            self._quotes.add(request_id, quotes)

    def _send_quotes(self, request_id: int, quotes: Quotes) -> None:
        gateway, peer = self._gateway, self._peer
        for frame in quotes.frames(peer.dialect, request_id, gateway.past.day, gateway.last_bar):
            peer.send(frame)

    def _realtime_bars(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields)
        seconds, what, regular = fields[15:18]
        if seconds != BAR_SECONDS or what not in set(Shown):
            text = f"real-time bars of {seconds} seconds of {what} are not simulated; {BAR_SECONDS} of"
            raise Refused(request_id, 321, f"{text} {', '.join(Shown)} are")
        self._gateway.access.need_market_data(request_id)
        self._bars.need_new(request_id)
        pacing = self._gateway.pacing
        if pacing is not None and not pacing.admits_realtime(self._gateway.monotonic_s()):
            raise Refused(request_id, 420, "Invalid Real-time Query: real-time bars pacing violation")
        self._bars.add(request_id, BarStream(shown=Shown(what), regular_only=regular == "1"))
