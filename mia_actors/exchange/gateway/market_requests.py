"""One client's requests about the contract and its market, and the streams it subscribed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mia_actors.core.market import Bar
from mia_actors.exchange.gateway import market_frames
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily, ignored
from mia_actors.exchange.gateway.refusals import Refused, require_contract

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

LIVE_DATA = 1


class MarketRequests(RequestFamily):
    """Contract details, quotes and 5-second bars."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer
        self._bars: set[int] = set()
        self._quotes: set[int] = set()

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {
            1: self._market_data,
            2: lambda fields: self._quotes.discard(int(fields[2])),
            9: self._contract_details,
            50: self._realtime_bars,
            51: lambda fields: self._bars.discard(int(fields[2])),
            59: ignored,
            91: lambda fields: self._peer.send(market_frames.market_rule(self._peer.dialect, fields[1])),
        }

    def bar_shown(self, bar: Bar) -> None:
        """See `RequestFamily.bar_shown`."""
        peer = self._peer
        for request_id in self._bars:
            peer.send(market_frames.realtime_bar(peer.dialect, request_id, bar))
        for request_id in self._quotes:
            for frame in market_frames.quotes(peer.dialect, request_id, bar):
                peer.send(frame)

    def forget_streams(self) -> None:
        """Nothing is streamed any more, and nobody is told."""
        self._bars.clear()
        self._quotes.clear()

    @property
    def streams_bars(self) -> bool:
        """Whether this client is told of 5-second bars."""
        return bool(self._bars)

    def _need(self, request_id: int, fields: list[str]) -> None:
        contract = fields[3 : 3 + CONTRACT_FIELDS]
        require_contract(request_id, contract, self._gateway.contract, self._gateway.product)

    def _contract_details(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields)
        self._peer.send(market_frames.contract_details(self._peer.dialect, request_id))
        self._peer.send([52, 1, request_id])

    def _market_data(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields)
        self._quotes.add(request_id)
        self._peer.send([58, 1, request_id, LIVE_DATA])

    def _realtime_bars(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        self._need(request_id, fields)
        if fields[16] != "TRADES":
            raise Refused(request_id, 321, "only TRADES bars are simulated")
        self._bars.add(request_id)
