"""One client's questions about the contract."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mia_actors.exchange.gateway import market_frames
from mia_actors.exchange.gateway.family import CONTRACT_FIELDS, Handler, Peer, RequestFamily
from mia_actors.exchange.gateway.listed import meant

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway


class ContractRequests(RequestFamily):
    """Details, search by name, price steps, exchanges."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        peer = self._peer
        return {
            9: self._contract_details,
            81: lambda fields: peer.send(
                market_frames.symbol_samples(peer.dialect, int(fields[1]), fields[2])
            ),
            82: lambda _: peer.send(market_frames.depth_exchanges(peer.dialect)),
            91: lambda fields: peer.send(market_frames.market_rule(peer.dialect, fields[1])),
        }

    def _contract_details(self, fields: list[str]) -> None:
        gateway, request_id = self._gateway, int(fields[2])
        found = meant(request_id, fields[3 : 3 + CONTRACT_FIELDS], gateway.listed, gateway.product)
        for contract in found:
            dialect = replace(self._peer.dialect, contract=contract)
            self._peer.send(market_frames.contract_details(dialect, request_id, now_ns=gateway.now_ns))
        self._peer.send([52, 1, request_id])
