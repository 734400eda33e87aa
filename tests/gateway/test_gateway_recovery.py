"""A gateway that is killed is followed by one with the same market, as stock clients see it."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mia_actors.broker.market_gate import LockstepGate
from mia_actors.core.clock import SystemClock, time_ns_of
from mia_actors.core.errors import BrokerDisconnected, TransientError
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.keeper import GatewayKeeper, KeeperLimits
from tests.gateway.stock import MarketOrder
from tests.gateway.tws_market import (
    FAR,
    HOST,
    SMALL_NS,
    Client,
    Market,
    bracket,
    entered,
    references,
    trading,
    until,
)

pytestmark = pytest.mark.gateway
CLOCK = SystemClock()


class KeptMarket:
    """A market whose gateway has a keeper."""

    def __init__(self, folder: Path, *arguments: str, restarts_max: int = 3, **more: Any) -> None:
        self.journal = folder / "gateway.journal"
        limits = KeeperLimits(restarts_max=restarts_max, period_s=600.0)
        start = partial(GatewayKeeper.start, journal=self.journal, limits=limits, clock=CLOCK)
        self.market = Market(*arguments, start=start, **more)
        assert isinstance(self.market.gateway, GatewayKeeper)
        self.keeper = self.market.gateway

    def kill(self) -> int:
        """SIGKILL; answers the pid it went to."""
        pid = int(self.market.control.status()["pid"])
        os.kill(pid, signal.SIGKILL)
        return pid


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Callable[..., KeptMarket]]:
    """Makes kept markets and closes them after the test."""
    made: list[KeptMarket] = []

    def make(*arguments: str, **more: Any) -> KeptMarket:
        made.append(KeptMarket(tmp_path, *arguments, **more))
        return made[-1]

    yield make
    for kept in made:
        kept.market.close()


async def told(client: Client) -> dict[str, Any]:
    """All that a client can ask of account, orders and history."""
    ib = client.ib
    fills = await ib.reqExecutionsAsync()
    open_trades, completed = await ib.reqAllOpenOrdersAsync(), await ib.reqCompletedOrdersAsync(False)
    return {
        "fills": [
            (
                one.execution.execId,
                one.execution.permId,
                one.execution.orderId,
                one.execution.time,
                one.execution.price,
            )
            for one in fills
        ],
        "open": sorted(
            (
                one.order.permId,
                one.order.orderId,
                one.order.orderRef,
                one.orderStatus.status,
                one.order.auxPrice,
            )
            for one in open_trades
        ),
        "completed": sorted((one.order.permId, one.order.orderRef) for one in completed),
        "positions": [(one.position, one.avgCost) for one in await ib.reqPositionsAsync()],
        "account": sorted((one.tag, one.value) for one in ib.accountValues()),
        "time": await ib.reqCurrentTimeAsync(),
        "next": ib.client.getReqId(),
    }


def test_orders_executions_position_account_and_time_are_those_before_the_kill(
    keep: Callable[..., KeptMarket],
) -> None:
    """And the market goes on with its next bar, the next execution with the next number."""
    kept = keep()
    market = kept.market

    async def scenario() -> None:
        first, price = await trading(market)
        await entered(market, first, price)
        await first.leave()
        before = await told(await market.client())
        pid, now_ns = kept.kill(), market.now_ns()
        after = await told(await market.client())
        assert market.control.status()["pid"] != pid
        assert before["fills"]
        assert len(before["open"]) == 2
        assert after == before
        client = await market.client(21)
        bars = await client.subscribed()
        await client.placed(MarketOrder("SELL", 1, orderRef="MIA.two"))
        assert market.show() == now_ns + SMALL_NS
        await until(lambda: bars, "the next bar")
        assert time_ns_of(bars[0].time) == now_ns
        fills = await client.ib.reqExecutionsAsync()
        assert sorted(one.execution.execId for one in fills) == ["sim.00000001.01", "sim.00000002.01"]

    market.play(scenario())


@pytest.mark.parametrize("waits", [False, True], ids=["before the answer", "after the answer"])
def test_a_bracket_on_its_way_when_the_gateway_dies_is_there_wholly_or_not_at_all(
    keep: Callable[..., KeptMarket],
    waits: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What was acknowledged is there; sent again under its reference it would be found, so nothing doubles."""
    kept = keep()
    market = kept.market

    async def scenario() -> None:
        client, price = await trading(market)
        pid = int(market.control.status()["pid"])
        legs = bracket(
            client, entry=MarketOrder("BUY", 1), stop=price - FAR, target=price + FAR, reference="MIA.one"
        )
        trades = [client.ib.placeOrder(market.contract, leg) for leg in legs]
        if waits:
            await until(lambda: all(trade.orderStatus.permId for trade in trades), "the bracket is taken")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not client.ib.isConnected(), "the client notices")
        again = await market.client()
        found = references(await again.ib.reqAllOpenOrdersAsync())
        assert found in ([], ["MIA.one.entry", "MIA.one.stop", "MIA.one.target"])
        assert found or not waits, "an order that was acknowledged is lost"
        assert sorted(order["order_ref"] for order in market.control.orders()) == found

    market.play(scenario())


def test_an_acknowledgement_whose_answer_was_lost_is_repeated_and_counts_once(
    keep: Callable[..., KeptMarket],
) -> None:
    kept = keep()
    market = kept.market
    market.control.start()
    gates = [LockstepGate(HOST, market.gateway.control_port, role) for role in ("guardian", "cycle")]
    for number in range(1, 13):
        assert gates[0].acknowledge(market.start_ns + number * SMALL_NS) is False
    pid = kept.kill()
    base_end_ns = market.start_ns + 12 * SMALL_NS
    assert gates[0].acknowledge(base_end_ns) is False
    status = market.control.status()
    assert (status["waiting_for"], status["market_time_ns"]) == (["cycle"], base_end_ns)
    assert status["pid"] != pid
    gates[1].acknowledge(base_end_ns)
    kept.kill()
    gates[1].acknowledge(base_end_ns)
    assert market.now_ns() == base_end_ns + SMALL_NS
    for gate in gates:
        gate.close()


def test_a_paced_market_that_had_begun_goes_on_by_itself(keep: Callable[..., KeptMarket]) -> None:
    kept = keep("--pace", "50x", cycles=2)
    control = kept.market.control
    control.start()
    pid = kept.kill()

    async def scenario() -> None:
        await until(lambda: control.status()["finished"], "the tape ends")

    kept.market.play(scenario())
    status = control.status()
    assert (status["market_time_ns"], status["bars_sent"]) == (kept.market.end_ns, 2)
    assert status["pid"] != pid


def test_more_deaths_than_the_limit_are_told_and_nobody_waits_for_another_gateway(
    keep: Callable[..., KeptMarket],
) -> None:
    kept = keep(restarts_max=1)
    market = kept.market
    ports = (market.gateway.tws_port, market.gateway.control_port)
    kept.kill()
    assert market.control.status()["started"] is False
    assert (market.gateway.tws_port, market.gateway.control_port) == ports
    kept.kill()

    async def scenario() -> None:
        await until(lambda: kept.keeper.failed, "the keeper gives up")

    market.play(scenario())
    assert kept.keeper.failed is not None
    assert (
        "within 600 s: 2, at most 1 are made good for; the last one was ended by signal 9"
        in kept.keeper.failed
    )
    refused = ControlClient(HOST, ports[1], patience_s=0.0)
    with pytest.raises(BrokerDisconnected, match="refused"):
        refused.status()


def test_stopped_on_purpose_it_stays_stopped(keep: Callable[..., KeptMarket]) -> None:
    kept = keep()
    kept.keeper.stop()
    assert kept.keeper.failed is None
    refused = ControlClient(HOST, kept.keeper.control_port, patience_s=0.0)
    with pytest.raises(TransientError, match="refused"):
        refused.status()
