"""What a fault script makes a stock client go through."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.gateway.keeper import GatewayKeeper, KeeperLimits
from mia_actors.exchange.gateway.process import GatewayProcess
from tests.gateway.stock import LimitOrder
from tests.gateway.tws_market import FAR, HOST, TRADER, WAIT_S, Client, Market, until

pytestmark = pytest.mark.gateway


def _far_order() -> LimitOrder:
    return LimitOrder("BUY", 1, 4000 - FAR + 2000, tif="GTC", outsideRth=True)


async def _cut(client: Client) -> None:
    await until(lambda: not client.ib.isConnected(), "the connection is cut")


def test_a_reset_at_a_market_time_cuts_the_client_named_and_nobody_else(market: Market) -> None:
    async def scenario() -> None:
        first, second = await market.client(), await market.client(31)
        market.control.fault(at="+0:00:10", do="reset", client=TRADER)
        market.show(1)
        await second.ib.reqCurrentTimeAsync()
        assert first.ib.isConnected()
        market.show(1)
        await _cut(first)
        assert second.ib.isConnected()
        await first.connect()
        assert market.control.status()["faults_struck"] == 1

    market.play(scenario())


@pytest.mark.parametrize("do", ["half_close", "truncate"])
def test_a_connection_that_ends_half_way_is_noticed(market: Market, do: str) -> None:
    async def scenario() -> None:
        client = await market.client()
        if do == "truncate":
            market.control.fault(sends="currentTime", do=do)
            with suppress(ConnectionError):
                await asyncio.wait_for(client.ib.reqCurrentTimeAsync(), WAIT_S)
        else:
            market.control.fault(at="+0:00:00", do=do)
        await _cut(client)

    market.play(scenario())


def test_a_black_hole_answers_nothing_and_holds_the_client_id(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        market.control.fault(at="+0:00:00", do="black_hole", client=TRADER, seconds=0.5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.ib.reqCurrentTimeAsync(), 0.2)
        assert client.ib.isConnected()
        await _cut(client)
        await client.connect()
        await client.ib.reqCurrentTimeAsync()

    market.play(scenario())


def test_an_order_may_be_dropped_silently(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        market.control.fault(receives="placeOrder", do="ignore")
        lost = client.ib.placeOrder(market.contract, _far_order())
        kept = await client.placed(_far_order())
        assert lost.orderStatus.permId == 0
        assert kept.orderStatus.status == "Submitted"
        assert len(await client.ib.reqAllOpenOrdersAsync()) == 1

    market.play(scenario())


def test_an_order_may_be_rejected_with_any_code(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        market.control.fault(
            receives="placeOrder", do="reject", code=201, text="Order rejected - reason:test"
        )
        trade = await client.placed(_far_order())
        assert client.codes(trade.order.orderId) == [201]
        assert await client.ib.reqAllOpenOrdersAsync() == []

    market.play(scenario())


def test_a_preset_notice_makes_the_stock_client_believe_in_a_cancel(market: Market) -> None:
    """10349: the order stays live, the library calls it cancelled."""

    async def scenario() -> None:
        client = await market.client()
        market.control.fault(receives="placeOrder", do="notice", code=10349, text="Order TIF was set to DAY")
        trade = client.ib.placeOrder(market.contract, _far_order())
        await until(lambda: 10349 in client.codes(trade.order.orderId), "the notice")
        assert trade.orderStatus.status == "Cancelled"
        (order,) = market.control.orders()
        assert order["state"] == "working"

    market.play(scenario())


def test_a_stock_client_s_modification_of_an_order_it_believes_cancelled_is_sent_and_raises(
    market: Market,
) -> None:
    async def scenario() -> None:
        client = await market.client()
        market.control.fault(receives="placeOrder", do="notice", code=10349, text="Order TIF was set to DAY")
        trade = client.ib.placeOrder(market.contract, _far_order())
        await until(trade.isDone, "the library gives it up")
        trade.order.lmtPrice -= 1
        with pytest.raises(AssertionError):
            client.ib.placeOrder(market.contract, trade.order)
        await client.ib.reqCurrentTimeAsync()
        other = await market.client(31)
        (live, *_) = await other.ib.reqAllOpenOrdersAsync()
        assert live.order.lmtPrice == trade.order.lmtPrice

    market.play(scenario())


def test_a_message_may_come_twice_or_not_at_all(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        statuses: list[str] = []
        client.ib.client.wrapper.orderStatus = lambda _id, status, *_: statuses.append(status)
        market.control.fault(sends="orderStatus", do="duplicate")
        client.ib.placeOrder(market.contract, _far_order())
        await client.ib.reqCurrentTimeAsync()
        assert statuses == ["Submitted", "Submitted"]
        market.control.fault(sends="orderStatus", do="omit")
        client.ib.placeOrder(market.contract, _far_order())
        await client.ib.reqCurrentTimeAsync()
        assert len(statuses) == 2

    market.play(scenario())


@pytest.mark.parametrize(("data", "code"), [("kept", 1102), ("lost", 1101)])
def test_connectivity_is_lost_and_comes_back(market: Market, data: str, code: int) -> None:
    """The connection stays up; orders meanwhile go nowhere, and the market waits."""

    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        market.show(2)
        await until(lambda: len(bars) == 2, "two bars")
        market.control.fault(at="+0:00:00", do="connectivity_lost", seconds=0.4, data=data)
        await until(lambda: 1100 in client.codes(), "1100")
        assert client.ib.isConnected()
        client.ib.placeOrder(market.contract, _far_order())
        now_ns = market.now_ns()
        market.control.ack("guardian", now_ns)
        assert market.now_ns() == now_ns
        await until(lambda: code in client.codes(), "connectivity")
        assert await client.ib.reqAllOpenOrdersAsync() == []
        await until(lambda: market.now_ns() > now_ns, "the market goes on")
        await client.ib.reqCurrentTimeAsync()
        assert len(bars) == (3 if data == "kept" else 2)

    market.play(scenario())


def test_after_a_farm_blip_the_streams_stay_silent(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        market.show(1)
        market.control.fault(at="+0:00:00", do="farm_broken", seconds=0.05)
        await until(lambda: client.codes().count(2104) == 2, "the farm is back")
        assert 2103 in client.codes()
        market.show(2)
        await client.ib.reqCurrentTimeAsync()
        assert len(bars) == 1

    market.play(scenario())


def test_a_cancel_in_the_daily_break_is_not_answered(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        trade = await client.placed(_far_order())
        market.control.fault(at="+0:00:00", do="close_market", seconds=0.3)
        client.ib.cancelOrder(trade.order)
        await client.ib.reqCurrentTimeAsync()
        assert trade.orderStatus.status == "PendingCancel"  # the library's own word
        (order,) = market.control.orders()
        assert order["state"] == "working"

    market.play(scenario())


def test_a_daily_restart_refuses_connections_and_offers_used_numbers_again(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        trade = await client.placed(_far_order())
        used = trade.order.orderId
        market.control.fault(at="+0:00:00", do="daily_restart", seconds=0.4)
        await _cut(client)
        with pytest.raises((ConnectionError, TimeoutError, asyncio.CancelledError)):
            await asyncio.wait_for(
                Client(market, 33).ib.connectAsync(HOST, market.gateway.tws_port, 33, timeout=0.2), 0.3
            )
        await asyncio.sleep(0.4)
        later = await market.client(32)
        assert later.ib.client.getReqId() >= 1
        assert len(await later.ib.reqAllOpenOrdersAsync()) == 1
        raw: list[int] = []
        again = Client(market, TRADER)
        again.ib.client.wrapper.nextValidId = raw.append
        await again.connect()
        await again.leave()
        assert raw[0] <= used

    market.play(scenario())


def test_a_gateway_that_restarts_does_not_strike_the_same_fault_again(tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text("version: 1\nfaults:\n  - {at: +0:00:10, do: restart}\n  - {at: +0:00:15, do: reset}\n")

    def start(arguments: Sequence[str]) -> GatewayKeeper:
        return GatewayKeeper.start(
            (*arguments, "--fault-script", str(script)),
            tmp_path / "gateway.journal",
            limits=KeeperLimits(restarts_max=3, period_s=60.0),
            clock=SystemClock(),
        )

    market = Market(start=start)
    try:

        async def scenario() -> None:
            pid = market.control.status()["pid"]
            client = await market.client()
            with suppress(Exception):
                market.show(2)
            await _cut(client)
            await until(lambda: market.control.status()["pid"] != pid, "another gateway")
            assert market.control.status()["faults_struck"] == 1
            await client.connect()
            market.show(1)
            await _cut(client)
            assert market.control.status()["faults_struck"] == 2

        market.play(scenario())
    finally:
        market.close()


@pytest.mark.parametrize(
    ("text", "named"),
    [("version: 1\nfaults:\n  - {at: soon, do: reset}\n", "soon"), ("faults: []\n", "version")],
)
def test_a_wrong_script_starts_nothing(text: str, named: str, tmp_path: Path) -> None:
    script = tmp_path / "faults.yaml"
    script.write_text(text)
    with pytest.raises(ConfigError, match=named):
        GatewayProcess.start(("--tape", "synthetic:7", "--cycles", "2", "--fault-script", str(script)))
