"""A simulated gateway under the test's hand: stock clients beside its control port."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.keeper import GatewayKeeper
from mia_actors.exchange.gateway.process import GatewayProcess
from tests.gateway.stock import (
    IB,
    Contract,
    Future,
    LimitOrder,
    MarketOrder,
    Order,
    RealTimeBarList,
    StopOrder,
)

HOST = "127.0.0.1"
TRADER, MASTER = 11, 12
WAIT_S = 10.0
POLL_S = 0.002
SMALL_NS = 5 * NS_PER_S
TICK = 0.25
FAR_TICKS = 4_000
"""So far from the market that no bar of a short tape comes near."""
FAR = FAR_TICKS * TICK


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
        self.ib: Any = IB()  # type: ignore[no-untyped-call]
        self.ib.RaiseRequestErrors = True  # else a refused request looks like an empty answer
        self.client_id = client_id
        self.errors: list[tuple[int, int, str]] = []
        self.told: list[tuple[str, int]] = []
        """`fill`, `commission` or `bar`, each with its market time in ns."""
        self._market = market
        self.ib.errorEvent += self._on_error
        self.ib.execDetailsEvent += self._on_fill
        self.ib.commissionReportEvent += self._on_commission

    async def connect(self) -> None:
        await self.ib.connectAsync(HOST, self._market.gateway.tws_port, self.client_id, timeout=WAIT_S)

    async def leave(self) -> None:
        """Disconnects, and waits until the gateway has worked that off."""
        self.ib.disconnect()
        await until(lambda: self.client_id not in self._market.control.status()["clients"], "the id is free")

    def subscribe(self) -> Any:
        bars: Any = self.ib.reqRealTimeBars(self._market.contract, 5, "TRADES", False)
        bars.updateEvent += self._on_bar
        return bars

    async def subscribed(self) -> Any:
        """Subscribes; an answer to a later request shows that the gateway has taken it."""
        bars = self.subscribe()
        await self.ib.reqCurrentTimeAsync()
        return bars

    async def placed(self, order: Order) -> Any:
        """Places an order and waits for the gateway's word."""
        trade = self.ib.placeOrder(self._market.contract, order)
        await until(lambda: trade.orderStatus.permId or trade.isDone(), "the order is known")
        return trade

    def codes(self, request_id: int | None = None) -> list[int]:
        return [code for number, code, _ in self.errors if request_id in {None, number}]

    def _on_error(self, request_id: int, code: int, text: str, _contract: Contract | None) -> None:
        self.errors.append((request_id, code, text))

    def _on_fill(self, _trade: Any, fill: Any) -> None:
        self.told.append(("fill", time_ns_of(fill.execution.time)))

    def _on_commission(self, _trade: Any, fill: Any, _report: Any) -> None:
        self.told.append(("commission", time_ns_of(fill.execution.time)))

    def _on_bar(self, bars: RealTimeBarList, _is_new: bool) -> None:  # noqa: FBT001 - the library's signature
        self.told.append(("bar", time_ns_of(bars[-1].time) + SMALL_NS))


class Market:
    """A gateway in lockstep whose market moves when the test says so."""

    def __init__(
        self,
        *arguments: str,
        tape: str = "synthetic:7",
        cycles: int = 4,
        start: Callable[[Sequence[str]], GatewayProcess | GatewayKeeper] = GatewayProcess.start,
    ) -> None:
        self.gateway = start(("--tape", tape, "--cycles", str(cycles), "--history-days", "2", *arguments))
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
        LimitOrder(
            opposite, entry.totalQuantity, target, orderId=client.ib.client.getReqId(), transmit=False
        ),
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
    return LimitOrder("BUY", 1, price - FAR, orderRef=reference, tif="GTC", **more)


async def trading(market: Market, client_id: int = TRADER) -> tuple[Client, float]:
    """A client with bars, after the first one; and the last price."""
    client = await market.client(client_id)
    bars = await client.subscribed()
    market.show()
    await until(lambda: len(bars) == 1, "the first bar")
    return client, bars[0].close


async def taken(market: Market, client: Client, orders: Iterable[Order]) -> list[Any]:
    """Places orders and waits for the gateway's word on all of them."""
    trades = [client.ib.placeOrder(market.contract, order) for order in orders]
    await until(lambda: all(trade.orderStatus.permId for trade in trades), "the orders are taken")
    return trades


async def entered(market: Market, client: Client, price: float) -> list[Any]:
    """A bracket whose entry has filled in the second bar and whose legs are far away."""
    orders = bracket(
        client,
        entry=MarketOrder("BUY", 1),
        stop=price - FAR,
        target=price + FAR,
        reference="MIA.one",
    )
    trades = await taken(market, client, orders)
    market.show()
    await until(trades[0].isDone, "the entry fills")
    return trades


def references(trades: Iterable[Any]) -> list[str]:
    """Order references, sorted."""
    return sorted(trade.order.orderRef for trade in trades)
