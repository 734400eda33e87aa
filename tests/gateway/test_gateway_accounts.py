"""What clients are told of orders, executions and positions: their own, each other's, and after a restart."""

from datetime import timedelta

import pytest

from tests.gateway.stock import ExecutionFilter, MarketOrder, RequestError, refusals_are_told
from tests.gateway.tws_market import (
    MASTER,
    TRADER,
    Market,
    entered,
    far_limit,
    references,
    trading,
    until,
)

pytestmark = pytest.mark.gateway
COMMISSION_USD = 2.25


def test_another_client_cannot_cancel_ones_order(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        trade = await client.placed(far_limit(price, "MIA.one"))
        other = await market.client(21)
        other.ib.client.cancelOrder(trade.order.orderId, "")
        await until(lambda: other.codes(trade.order.orderId), "an answer")
        assert other.codes(trade.order.orderId) == [10147]
        assert references(await other.ib.reqAllOpenOrdersAsync()) == ["MIA.one"]

    market.play(scenario())


def test_global_cancel_by_another_client_reaches_the_owner(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        trades = [await client.placed(far_limit(price, f"MIA.{number}")) for number in range(2)]
        other = await market.client(21)
        other.ib.reqGlobalCancel()
        await until(lambda: all(trade.isDone() for trade in trades), "the owner hears of it")
        assert {trade.orderStatus.status for trade in trades} == {"Cancelled"}
        assert await other.ib.reqAllOpenOrdersAsync() == []

    market.play(scenario())


def test_open_orders_are_ones_own_and_all_open_orders_are_everybodys(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        await client.placed(far_limit(price, "MIA.mine"))
        other = await market.client(21)
        await other.placed(far_limit(price, "MIA.other"))
        assert references(await other.ib.reqOpenOrdersAsync()) == ["MIA.other"]
        assert references(await other.ib.reqAllOpenOrdersAsync()) == ["MIA.mine", "MIA.other"]

    market.play(scenario())


def test_completed_orders_are_found_by_their_reference_after_a_restart(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        trades = await entered(market, client, price)
        client.ib.cancelOrder(trades[1].order)
        await until(trades[1].isDone, "the target is cancelled")
        await client.leave()
        again = await market.client()
        completed = {
            trade.order.orderRef: trade for trade in await again.ib.reqCompletedOrdersAsync(apiOnly=False)
        }
        assert completed["MIA.one.entry"].orderStatus.status == "Filled"
        assert completed["MIA.one.entry"].order.filledQuantity == 1
        assert completed["MIA.one.target"].orderStatus.status == "Cancelled"
        assert completed["MIA.one.entry"].order.permId == trades[0].orderStatus.permId

    market.play(scenario())


def test_executions_and_their_commissions_are_read_again_after_a_restart(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        trades = await entered(market, client, price)
        before = trades[0].fills[0].execution
        await client.leave()
        again = await market.client()
        (fill,) = again.ib.fills()
        assert (fill.execution.execId, fill.execution.time) == (before.execId, before.time)
        assert fill.commissionReport.commission == COMMISSION_USD
        assert fill.execution.permId == trades[0].orderStatus.permId

    market.play(scenario())


def test_executions_are_filtered_by_every_field_of_the_request(market: Market) -> None:
    """A purchase of one client and a later sale of another; asked for by a third."""

    async def scenario() -> None:
        client, price = await trading(market)
        (bought,) = (await entered(market, client, price))[0].fills
        seller, asking = await market.client(21), await market.client(22)
        sold = await seller.placed(MarketOrder("SELL", 1, tif="GTC"))
        market.show()
        await until(lambda: sold.fills, "the sale")
        (account,) = asking.ib.managedAccounts()
        at = bought.execution.time
        both, purchase, sale, none = {"BOT", "SLD"}, {"BOT"}, {"SLD"}, set[str]()
        for wanted, sides in (
            (ExecutionFilter(), both),
            (ExecutionFilter(clientId=TRADER), purchase),
            (ExecutionFilter(clientId=99), none),
            (ExecutionFilter(acctCode=account), both),
            (ExecutionFilter(acctCode="DU1"), none),
            (ExecutionFilter(time=f"{at:%Y%m%d-%H:%M:%S}"), both),
            (ExecutionFilter(time=f"{at + timedelta(seconds=1):%Y%m%d-%H:%M:%S}"), sale),
            (ExecutionFilter(time=f"{at + timedelta(days=1):%Y%m%d-%H:%M:%S}"), none),
            (ExecutionFilter(symbol="ES", secType="FUT", exchange="CME"), both),
            (ExecutionFilter(symbol="NQ"), none),
            (ExecutionFilter(secType="STK"), none),
            (ExecutionFilter(exchange="NYSE"), none),
            (ExecutionFilter(side="BUY"), purchase),
            (ExecutionFilter(side="SELL"), sale),
            (ExecutionFilter(clientId=TRADER, side="SELL"), none),
        ):
            found = await asking.ib.reqExecutionsAsync(wanted)
            assert {fill.execution.side for fill in found} == sides, wanted

    market.play(scenario())


@refusals_are_told
def test_execution_filter_that_is_none_is_refused_by_its_number(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        for wanted in (ExecutionFilter(time="yesterday"), ExecutionFilter(side="BOT")):
            with pytest.raises(RequestError) as refused:
                await client.ib.reqExecutionsAsync(wanted)
            assert refused.value.code == 321
        assert client.codes(-1).count(321) == 0

    market.play(scenario())


def test_positions_follow_the_fill_and_are_known_to_a_new_client(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        assert client.ib.positions() == []
        trades = await entered(market, client, price)
        await until(client.ib.positions, "the position is told")
        (held,) = (await market.client(21)).ib.positions()
        assert held.position == 1
        assert held.avgCost == trades[0].fills[0].execution.price * 50
        assert "DUSIM" in held.account

    market.play(scenario())


def test_master_sees_fills_of_others_before_the_bar_and_others_do_not(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        master, stranger = await market.client(MASTER), await market.client(21)
        for watcher in (master, stranger):
            await watcher.subscribed()
        await entered(market, client, price)
        now_ns = market.now_ns()
        await until(lambda: ("bar", now_ns) in master.told and ("bar", now_ns) in stranger.told, "the bar")
        assert master.told == [("fill", now_ns), ("commission", now_ns), ("bar", now_ns)]
        assert stranger.told == [("bar", now_ns)]
        assert references(master.ib.openTrades()) == ["MIA.one.stop", "MIA.one.target"]
        assert stranger.ib.openTrades() == []

    market.play(scenario())


def test_order_on_its_way_when_its_client_leaves_is_taken_first(market: Market) -> None:
    """The client id is free again only after every byte of the old socket was worked off."""

    async def scenario() -> None:
        client, price = await trading(market)
        client.ib.placeOrder(market.contract, far_limit(price, "MIA.last"))
        await client.leave()
        again = await market.client()
        assert references(again.ib.openTrades()) == ["MIA.last"]
        assert again.ib.client.getReqId() > 1

    market.play(scenario())


def test_profit_is_streamed_with_the_market_and_the_portfolio_with_each_execution(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        account = client.ib.managedAccounts()[0]
        whole = client.ib.reqPnL(account)
        single = client.ib.reqPnLSingle(account, "", market.contract.conId)
        await client.placed(MarketOrder("BUY", 1, tif="GTC", outsideRth=True))
        market.show(2)
        await until(lambda: single.position == 1, "the position's profit")
        (item,) = client.ib.portfolio()
        assert (item.position, item.contract.localSymbol) == (1, market.gateway.hello["contract"])
        assert item.marketValue == item.marketPrice * 50
        first = single.unrealizedPnL
        assert item.unrealizedPNL == first
        for _ in range(8):
            market.show()
        await until(lambda: single.unrealizedPnL != first, "another price")
        assert whole.unrealizedPnL == single.unrealizedPnL
        client.ib.cancelPnL(account)
        client.ib.cancelPnLSingle(account, "", market.contract.conId)

    market.play(scenario())
