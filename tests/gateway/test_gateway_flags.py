"""`--read-only` and `--no-market-data`: what is refused, with TWS's words, and what is not."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.raw_client import RawClient
from tests.gateway.stock import IB, MarketOrder, RequestError, refusals_are_told
from tests.gateway.tws_market import HOST, WAIT_S, Market, until

pytestmark = pytest.mark.gateway


@pytest.mark.parametrize(
    "message",
    [(3, 7, "x"), (4, 1, 7, ""), (5, 1), (16, 1), (58, 1), (99, 0)],
    ids=lambda fields: str(fields[0]),
)
def test_read_only_gateway_refuses_orders_and_order_lists(
    open_market: Callable[..., Market], message: tuple[object, ...]
) -> None:
    market = open_market("--read-only")
    with RawClient(market.gateway.tws_port) as raw:
        raw.send(*message)
        _, _, request_id, code, text, *_ = raw.read_to("4", "53", "102")
        assert (request_id, code) == ("7" if message[0] in {3, 4} else "-1", "321")
        assert "The API interface is currently in Read-Only mode." in text


@refusals_are_told
def test_read_only_gateway_serves_a_client_that_only_reads(open_market: Callable[..., Market]) -> None:
    market = open_market("--read-only")

    async def scenario() -> None:
        ib: Any = IB()  # type: ignore[no-untyped-call]
        await ib.connectAsync(HOST, market.gateway.tws_port, 11, timeout=WAIT_S, readonly=True)
        try:
            await ib.qualifyContractsAsync(market.contract)
            bars = ib.reqRealTimeBars(market.contract, 5, "TRADES", False)
            assert await ib.reqExecutionsAsync() == []
            market.show()
            await until(lambda: len(bars) == 1, "a bar")
            trade = ib.placeOrder(market.contract, MarketOrder("BUY", 1, tif="GTC"))
            await until(trade.isDone, "the refusal")
            assert [entry.errorCode for entry in trade.log][-1] == 321
            assert market.control.status()["working_orders"] == 0
        finally:
            ib.disconnect()

    market.play(scenario())


def test_without_market_data_streams_are_refused_with_354_and_history_with_162(
    open_market: Callable[..., Market],
) -> None:
    market = open_market("--no-market-data")

    async def scenario() -> None:
        client = await market.client()
        ib, contract = client.ib, market.contract
        ib.reqMktData(contract)
        ib.reqRealTimeBars(contract, 5, "TRADES", False)
        ib.reqTickByTickData(contract, "Last")
        ib.reqMktDepth(contract)
        await until(lambda: client.codes().count(354) == 4, "the refusals")
        for request in (
            ib.reqHistoricalDataAsync(contract, "", "1 D", "1 min", "TRADES", useRTH=False),
            ib.reqHistoricalTicksAsync(contract, "", "20260309-22:00:00", 10, "TRADES", False),
            ib.reqHeadTimeStampAsync(contract, "TRADES", False, 1),
        ):
            with pytest.raises(RequestError) as refused:
                await request
            assert (refused.value.code, "No market data permissions" in refused.value.message) == (162, True)

    market.play(scenario())


def test_delayed_quotes_are_had_without_market_data(open_market: Callable[..., Market]) -> None:
    market = open_market("--no-market-data")

    async def scenario() -> None:
        client = await market.client()
        client.ib.reqMarketDataType(3)
        ticker = client.ib.reqMktData(market.contract)
        await client.ib.reqCurrentTimeAsync()
        market.show()
        await until(lambda: not math.isnan(ticker.last), "a price")
        assert ticker.marketDataType == 3
        assert {tick.tickType for tick in ticker.ticks} <= {*range(66, 77), 88}
        assert ticker.bid < ticker.last < ticker.ask
        assert client.codes(client.ib.wrapper.ticker2ReqId["mktData"][ticker]) == [10167]

    market.play(scenario())
