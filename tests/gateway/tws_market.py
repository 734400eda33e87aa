"""A simulated gateway under the test's hand: stock `ib_insync` clients and bare sockets beside its control port."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, Self

from ib_insync import IB, Contract, Future, LimitOrder, Order, RealTimeBarList, StopOrder, Trade

from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess

HOST = "127.0.0.1"
TRADER, MASTER = 11, 12
WAIT_S = 10.0
POLL_S = 0.002
SMALL_NS = 5 * NS_PER_S
TICK = 0.25
FAR_TICKS = 4_000
"""So far from the market that no bar of a short tape comes near."""


async def until(condition: Callable[[], object], what: str) -> None:
    """Waits for a condition, at most `WAIT_S`."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + WAIT_S
    while not condition():
        assert loop.time() < end_s, f"did not happen in time: {what}"
        await asyncio.sleep(POLL_S)


class Client:
    """A stock client and all that it was told, in order."""

    def __init__(self, market: "Market", client_id: int) -> None:
        self.ib = IB()
        self.ib.RaiseRequestErrors = True  # else a refused request looks like an empty answer
        self.client_id = client_id
        self.errors: list[tuple[int, int, str]] = []
        self.told: list[tuple[str, int]] = []
        """`fill`, `commission` or `bar`, each with its market time in ns."""
        self._market = market
        self.ib.errorEvent += self._on_error
        self.ib.execDetailsEvent += self._on_fill
        self.ib.commissionReportEvent += self._on_commission

    async def connect(self) -> Self:
        await self.ib.connectAsync(HOST, self._market.gateway.tws_port, self.client_id, timeout=WAIT_S)
        return self

    async def leave(self) -> None:
        """Disconnects, and waits until the gateway has worked that off."""
        self.ib.disconnect()
        await until(lambda: self.client_id not in self._market.control.status()["clients"], "the id is free")

    def subscribe(self) -> RealTimeBarList:
        bars = self.ib.reqRealTimeBars(self._market.contract, 5, "TRADES", False)
        bars.updateEvent += self._on_bar
        return bars

    async def subscribed(self) -> RealTimeBarList:
        """Subscribes; an answer to a later request shows that the gateway has taken it."""
        bars = self.subscribe()
        await self.ib.reqCurrentTimeAsync()
        return bars

    async def placed(self, order: Order) -> Trade:
        """Places an order and waits for the gateway's word."""
        trade = self.ib.placeOrder(self._market.contract, order)
        await until(lambda: trade.orderStatus.permId or trade.isDone(), "the order is known")
        return trade

    def codes(self, request_id: int | None = None) -> list[int]:
        return [code for number, code, _ in self.errors if request_id in {None, number}]

    def _on_error(self, request_id: int, code: int, text: str, _contract: Contract | None) -> None:
        self.errors.append((request_id, code, text))

    def _on_fill(self, _trade: Trade, fill: Any) -> None:
        self.told.append(("fill", time_ns_of(fill.execution.time)))

    def _on_commission(self, _trade: Trade, fill: Any, _report: Any) -> None:
        self.told.append(("commission", time_ns_of(fill.execution.time)))

    def _on_bar(self, bars: RealTimeBarList, _is_new: bool) -> None:  # noqa: FBT001 - the library's signature
        self.told.append(("bar", time_ns_of(bars[-1].time) + SMALL_NS))


class Market:
    """A gateway in lockstep whose market moves when the test says so."""

    def __init__(self, *arguments: str, tape: str = "synthetic:7", cycles: int = 4) -> None:
        self.gateway = GatewayProcess.start(
            ("--tape", tape, "--cycles", str(cycles), "--history-days", "2", *arguments)
        )
        self.control = ControlClient(HOST, self.gateway.control_port)
        hello = self.gateway.hello
        self.contract = Future("ES", "", "CME", localSymbol=hello["contract"])
        self.start_ns = int(hello["first_bar_start_ns"])
        self.end_ns = int(hello["last_bar_end_ns"])
        self._clients: list[Client] = []

    async def client(self, client_id: int = TRADER) -> Client:
        client = Client(self, client_id)
        self._clients.append(client)
        await client.connect()
        await client.ib.qualifyContractsAsync(self.contract)
        return client

    def now_ns(self) -> int:
        return int(self.control.status()["market_time_ns"])

    def show(self, bars: int = 1) -> int:
        """Shows 5-second bars, the first by starting the market; answers market time after them."""
        for _ in range(bars):
            status = self.control.status()
            if not status["started"]:
                self.control.start()
                continue
            now_ns = int(status["market_time_ns"])
            self.control.ack("guardian", now_ns)
            if "cycle" in self.control.status()["waiting_for"]:
                self.control.ack("cycle", now_ns)
        return self.now_ns()

    def play(self, scenario: Coroutine[Any, Any, None]) -> None:
        """Runs a scenario in a loop of its own and disconnects the clients that it left."""

        async def played() -> None:
            try:
                await asyncio.wait_for(scenario, 6 * WAIT_S)
            finally:
                for client in self._clients:
                    client.ib.disconnect()

        asyncio.run(played())

    def close(self) -> None:
        """Ends the gateway."""
        self.control.close()
        self.gateway.stop()


def bracket(client: Client, *, entry: Order, stop: float, target: float, reference: str) -> list[Order]:
    """Entry, target and stop as TWS wants them: the last one transmits all."""
    opposite = "SELL" if entry.action == "BUY" else "BUY"
    entry.orderId, entry.transmit = client.ib.client.getReqId(), False
    legs = [
        LimitOrder(opposite, entry.totalQuantity, target, orderId=client.ib.client.getReqId(), transmit=False),
        StopOrder(opposite, entry.totalQuantity, stop, orderId=client.ib.client.getReqId(), transmit=True),
    ]
    for leg in legs:
        leg.parentId = entry.orderId
    orders = [entry, *legs]
    for order, name in zip(orders, ("entry", "target", "stop"), strict=True):
        order.orderRef, order.tif = f"{reference}.{name}", "GTC"
    return orders


def far_limit(price: float, reference: str, **more: Any) -> LimitOrder:
    """A purchase that no bar of the tape reaches."""
    return LimitOrder("BUY", 1, price - FAR_TICKS * TICK, orderRef=reference, tif="GTC", **more)


def moment_ns(moment: datetime) -> int:
    """Nanoseconds of what the library made of a time on the wire."""
    return time_ns_of(moment)


class RawClient:
    """A socket that speaks the protocol by hand, for what the stock client never sends or never shows."""

    def __init__(self, port: int, *, versions: str = "v157..178", client_id: int | None = 31) -> None:
        self.open(port)
        greeting = versions.encode()
        self.send_bytes(b"API\0" + len(greeting).to_bytes(4, "big") + greeting)
        self.greeting = self.read()
        if client_id is not None:
            self.send(71, 2, client_id, "")
            self.read_to("9")
            self.read_errors_to_time()  # the notices of a new session

    def open(self, port: int) -> None:
        """Connects and says nothing."""
        self._socket = socket.create_connection((HOST, port), WAIT_S)
        self._buffer = b""

    @property
    def version(self) -> int:
        return int(self.greeting[0])

    def send(self, *fields: object) -> None:
        payload = "".join(f"{field}\0" for field in fields).encode()
        self.send_bytes(len(payload).to_bytes(4, "big") + payload)

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self) -> list[str]:
        """The next frame; empty once the gateway has closed the connection."""
        head = self._take(4)
        payload = self._take(int.from_bytes(head, "big")) if head else b""
        return payload.decode().split("\0")[:-1]

    def read_to(self, *message_ids: str) -> list[str]:
        """Reads on to the first frame of one of these kinds."""
        while (fields := self.read()) and fields[0] not in message_ids:
            pass
        assert fields, f"the connection ended before a message {message_ids}"
        return fields

    def read_errors_to_time(self) -> list[str]:
        """Codes of all errors up to the answer of a request for the time made now."""
        self.send(49, 1)
        codes = []
        while (fields := self.read_to("4", "49"))[0] == "4":
            codes.append(fields[3])
        return codes

    def is_closed_by_gateway(self) -> bool:
        """Reads to the end of the connection."""
        while self.read():
            pass
        return True

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                piece = self._socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return b""
            self._buffer += piece
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken


def references(trades: Iterable[Trade]) -> list[str]:
    """Order references, sorted."""
    return sorted(trade.order.orderRef for trade in trades)
