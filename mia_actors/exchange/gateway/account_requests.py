"""One client's requests about the account, and what it subscribed of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mia_actors.core.market import Bar
from mia_actors.exchange.gateway import account_frames
from mia_actors.exchange.gateway.family import Handler, Peer, RequestFamily, ignored

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.server import Gateway

CLOCK = slice(9, 14)


class AccountRequests(RequestFamily):
    """Positions, account values and profit."""

    def __init__(self, gateway: "Gateway", peer: Peer) -> None:
        self._gateway = gateway
        self._peer = peer
        self._wants_positions = False
        self._wants_values = False
        self._profits: set[int] = set()
        self._position_profits: set[int] = set()

    def handlers(self) -> Mapping[int, Handler]:
        """See `RequestFamily.handlers`."""
        return {
            6: self._updates,
            17: lambda _: self._peer.send([15, 1, self._gateway.account]),
            61: self._positions,
            62: self._summary,
            63: ignored,
            64: self._stop_positions,
            76: self._multi,
            77: ignored,
            92: self._profit,
            93: lambda fields: self._profits.discard(int(fields[1])),
            94: self._profit_of_position,
            95: lambda fields: self._position_profits.discard(int(fields[1])),
        }

    def account_changed(self) -> None:
        """See `RequestFamily.account_changed`."""
        if self._wants_positions:
            self._send_position()
        if self._wants_values:
            self._send_values()

    def bar_shown(self, bar: Bar) -> None:
        """See `RequestFamily.bar_shown`: the market's price is another one."""
        del bar
        for request_id in self._profits:
            self._send_profit(request_id)
        for request_id in self._position_profits:
            self._send_position_profit(request_id)

    def _positions(self, _fields: list[str]) -> None:
        self._wants_positions = True
        self._send_position()
        self._peer.send([62, 1])

    def _stop_positions(self, _fields: list[str]) -> None:
        self._wants_positions = False

    def _send_position(self) -> None:
        """The position as it is; told once it has existed."""
        exchange, peer = self._gateway.exchange, self._peer
        if exchange.executions():
            contracts, average = exchange.position_contracts, exchange.average_price_ticks
            peer.send(account_frames.position(peer.dialect, contracts, average))

    def _updates(self, fields: list[str]) -> None:
        self._wants_values = fields[2] == "1"
        if self._wants_values:
            self._send_values()
            self._peer.send([8, 1, self._gateway.clock_text()[CLOCK]])
            self._peer.send([54, 1, self._gateway.account])

    def _send_values(self) -> None:
        for tag, value in self._lines():
            self._peer.send(account_frames.account_value(self._peer.dialect, tag, value))
        exchange = self._gateway.exchange
        if exchange.executions():
            self._peer.send(
                account_frames.portfolio(
                    self._peer.dialect,
                    exchange.position_contracts,
                    exchange.average_price_ticks,
                    exchange.last_ticks,
                    exchange.account(),
                )
            )

    def _multi(self, fields: list[str]) -> None:
        request_id = int(fields[2])
        for tag, value in self._lines():
            self._peer.send([73, 1, request_id, self._gateway.account, "", tag, value, "USD"])
        self._peer.send([74, 1, request_id])

    def _summary(self, fields: list[str]) -> None:
        request_id, wanted = int(fields[2]), set(fields[4].split(","))
        for tag, value in self._lines():
            if tag in wanted or "All" in wanted:
                self._peer.send([63, 1, request_id, self._gateway.account, tag, value, "USD"])
        self._peer.send([64, 1, request_id])

    def _lines(self) -> tuple[tuple[str, str], ...]:
        return account_frames.account_lines(self._gateway.exchange.account())

    def _profit(self, fields: list[str]) -> None:
        self._profits.add(int(fields[1]))
        self._send_profit(int(fields[1]))

    def _send_profit(self, request_id: int) -> None:
        self._peer.send(account_frames.profit(request_id, self._gateway.exchange.account()))

    def _profit_of_position(self, fields: list[str]) -> None:
        self._position_profits.add(int(fields[1]))
        self._send_position_profit(int(fields[1]))

    def _send_position_profit(self, request_id: int) -> None:
        exchange, product = self._gateway.exchange, self._gateway.product
        contracts = exchange.position_contracts
        value_usd = product.price_of(exchange.last_ticks or 0) * product.multiplier * contracts
        self._peer.send(
            account_frames.profit_of_position(request_id, contracts, value_usd, exchange.account())
        )
