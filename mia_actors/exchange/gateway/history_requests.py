"""One client's requests for what the market did before."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mia_actors.exchange.gateway import market_frames
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily, ignored
from mia_actors.exchange.gateway.history import BAR_SIZES
from mia_actors.exchange.gateway.refusals import Refused, require_contract

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway


class HistoryRequests(RequestFamily):
    """Historical bars."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {20: self._history, 25: ignored}

    def _history(self, fields: list[str]) -> None:
        request_id = int(fields[1])
        contract = fields[2 : 2 + CONTRACT_FIELDS]
        require_contract(request_id, contract, self._gateway.contract, self._gateway.product)
        end, size, duration, what, form, keep = (
            fields[15],
            fields[16],
            fields[17],
            fields[19],
            fields[20],
            fields[21],
        )
        if keep == "1" or end != "":
            raise Refused(request_id, 321, "keepUpToDate and an end time are not simulated; leave both out")
        timeframe = BAR_SIZES.get(size)
        if timeframe is None or what != "TRADES":
            allowed = ", ".join(BAR_SIZES)
            raise Refused(request_id, 321, f"{size} of {what} is not simulated; TRADES of {allowed} are")
        try:
            bars = self._gateway.history(timeframe, duration)
        except ValueError as error:
            raise Refused(request_id, 162, f"Historical Market Data Service error: {error}") from error
        self._peer.send(market_frames.historical(self._peer.dialect, request_id, bars, epoch=form == "2"))
