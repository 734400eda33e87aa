"""Ticks, market depth, quotes and real-time bars of every kind by the stock client: all derived from the bars."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mia_actors.core.clock import time_ns_of
from tests.gateway.raw_client import RawClient
from tests.gateway.tws_market import TICK, Client, Market, until

pytestmark = pytest.mark.gateway
BARS = 8
UNKNOWN = 4711


async def ticks_of(client: Client, market: Market, kind: str) -> list[Any]:
    """A list that grows with the ticks of a new stream."""
    found: list[Any] = []
    ticker = client.ib.reqTickByTickData(market.contract, kind)
    ticker.updateEvent += lambda told: found.extend(told.tickByTicks)
    await client.ib.reqCurrentTimeAsync()
    return found


def trades(ticks: list[Any]) -> list[tuple[float, float]]:
    return [(tick.price, tick.size) for tick in ticks]


def test_ticks_of_trades_add_up_to_the_bars_and_touch_their_prices(market: Market) -> None:
    async def scenario() -> None:
        client, other = await market.client(), await market.client(21)
        bars = await client.subscribed()
        last, every = await ticks_of(client, market, "Last"), await ticks_of(other, market, "AllLast")
        market.show(BARS)
        await until(lambda: len(bars) == BARS, "the bars")
        await other.ib.reqCurrentTimeAsync()
        left = list(last)
        for bar in bars:
            within = [left.pop(0)]
            while sum(tick.size for tick in within) < bar.volume:
                within.append(left.pop(0))
            assert sum(tick.size for tick in within) == bar.volume
            prices = [tick.price for tick in within]
            assert (prices[0], prices[-1]) == (bar.open_, bar.close)
            assert (max(prices), min(prices)) == (bar.high, bar.low)
        assert left == []
        assert {tick.tickType for tick in every} == {2}
        assert trades(every) == trades(last)

    market.play(scenario())


def test_quotes_tick_by_tick_are_a_tick_to_each_side_of_the_midpoint(market: Market) -> None:
    async def scenario() -> None:
        client, other = await market.client(), await market.client(21)
        quotes, middles = await ticks_of(client, market, "BidAsk"), await ticks_of(other, market, "MidPoint")
        market.show(BARS)
        await client.ib.reqCurrentTimeAsync()
        await other.ib.reqCurrentTimeAsync()
        assert len(quotes) > BARS
        assert all(quote.askPrice - quote.bidPrice == 2 * TICK and quote.bidSize > 0 for quote in quotes)
        assert [(quote.bidPrice + quote.askPrice) / 2 for quote in quotes] == [
            tick.midPoint for tick in middles
        ]

    market.play(scenario())


def test_past_ticks_are_those_that_were_streamed_and_go_before_a_new_stream(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        streamed = await ticks_of(client, market, "Last")
        now_ns = market.show(BARS)
        await client.ib.reqCurrentTimeAsync()
        start, end = (datetime.fromtimestamp(ns / 1e9, UTC) for ns in (market.start_ns, now_ns))
        for times in ((start, ""), ("", end)):
            past = await client.ib.reqHistoricalTicksAsync(
                market.contract, *times, len(streamed), "TRADES", False
            )
            assert trades(past) == trades(streamed)
            assert time_ns_of(past[0].time) == market.start_ns
        quotes = await client.ib.reqHistoricalTicksAsync(market.contract, "", end, 3, "BID_ASK", False)
        assert [quote.priceAsk - quote.priceBid for quote in quotes] == [2 * TICK] * 3
        (middle,) = await client.ib.reqHistoricalTicksAsync(market.contract, "", end, 1, "MIDPOINT", False)
        assert middle.price == streamed[-1].price
        con_id = market.contract.conId
        with RawClient(market.gateway.tws_port) as raw:
            raw.send(97, 5, con_id, *[""] * 11, "Last", 2, 0)
            number, price, size, *_, done = (found := raw.read_to("98"))[2:3] + found[11:]
            assert (int(number), float(price), float(size), done) == (
                2,
                streamed[-1].price,
                streamed[-1].size,
                "1",
            )

    market.play(scenario())


def ladder(ticker: Any) -> list[list[tuple[float, float]]]:
    return [[(row.price, row.size) for row in rows] for rows in (ticker.domBids, ticker.domAsks)]


@pytest.mark.parametrize("is_smart", [False, True])
def test_book_kept_by_its_changes_is_the_book_that_a_newcomer_is_told(
    market: Market,
    is_smart: bool,  # noqa: FBT001 - parametrised
) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        kept = client.ib.reqMktDepth(market.contract, 5, isSmartDepth=is_smart)
        await client.ib.reqCurrentTimeAsync()
        for shown in range(1, 20):
            market.show()
            await client.ib.reqCurrentTimeAsync()
            assert len(bars) == shown
            bids, asks = ladder(kept)
            assert [price for price, _ in bids] == [bars[-1].close - TICK * row for row in range(1, 6)]
            assert [price for price, _ in asks] == [bars[-1].close + TICK * row for row in range(1, 6)]
            assert all(size > 0 for _, size in bids + asks)
        newcomer = await market.client(21)
        told = newcomer.ib.reqMktDepth(market.contract, 5)
        await newcomer.ib.reqCurrentTimeAsync()
        assert ladder(told) == ladder(kept)
        assert {row.marketMaker for row in kept.domBids} == ({"CME"} if is_smart else {""})
        client.ib.cancelMktDepth(market.contract, is_smart)
        await client.ib.reqCurrentTimeAsync()
        assert not client.codes()[3:]

    market.play(scenario())


def test_fourth_book_and_sixth_stream_of_ticks_are_refused(market: Market) -> None:
    future = market.contract
    with RawClient(market.gateway.tws_port) as raw:
        contract = (0, future.symbol, "FUT", "", 0, "", "", "CME", "", "USD", future.localSymbol, "")
        for number in range(4):
            raw.send(10, 5, 100 + number, *contract, 5, 0, "")
        assert raw.read_errors_to_time() == ["309"]
        for number in range(6):
            raw.send(97, 200 + number, *contract, "Last", 0, 0)
        assert raw.read_errors_to_time() == ["10190"]
        raw.send(98, 200)
        raw.send(97, 201, *contract, "Last", 0, 0)
        assert raw.read_errors_to_time() == ["322"]


@pytest.mark.parametrize(
    ("cancel", "code"),
    [
        ((2, 2, UNKNOWN), "300"),
        ((51, 1, UNKNOWN), "300"),
        ((98, UNKNOWN), "300"),
        ((11, 1, UNKNOWN, 0), "310"),
        ((25, 1, UNKNOWN), "366"),
    ],
)
def test_cancel_of_what_was_never_asked_for_is_told(
    market: Market, cancel: tuple[int, ...], code: str
) -> None:
    with RawClient(market.gateway.tws_port) as raw:
        raw.send(*cancel)
        error = raw.read_to("4")
        assert (error[2], error[3]) == (str(UNKNOWN), code)


def test_quotes_carry_the_figures_of_the_day(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        ticker = client.ib.reqMktData(market.contract, "233")
        await client.ib.reqCurrentTimeAsync()
        market.show(BARS)
        await until(lambda: len(bars) == BARS, "the bars")
        closes = await client.ib.reqHistoricalDataAsync(
            market.contract, "", "2 D", "1 day", "TRADES", useRTH=False
        )
        before, today = closes[-2:]
        assert (ticker.open, ticker.close) == (today.open, before.close)
        assert (ticker.high, ticker.low) == (today.high, today.low)
        assert ticker.volume == ticker.rtVolume == today.volume
        assert (ticker.bid, ticker.last, ticker.ask) == (
            bars[-1].close - TICK,
            bars[-1].close,
            bars[-1].close + TICK,
        )

    market.play(scenario())


def test_snapshot_is_answered_once_and_ends(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        market.show(BARS)
        client.ib.reqMarketDataType(3)  # delayed data is for who may not have live data
        (ticker,) = await client.ib.reqTickersAsync(market.contract)
        assert ticker.marketDataType == 1
        last = ticker.last
        assert ticker.bid < last < ticker.ask
        before = ticker.time
        market.show(BARS)
        await client.ib.reqCurrentTimeAsync()
        assert ticker.time == before

    market.play(scenario())


@pytest.mark.parametrize(("what", "ticks"), [("BID", -1), ("ASK", 1), ("MIDPOINT", 0)])
def test_real_time_bars_of_quotes_are_those_of_trades_shifted(market: Market, what: str, ticks: int) -> None:
    async def scenario() -> None:
        client = await market.client()
        told = await client.subscribed()
        bars = client.ib.reqRealTimeBars(market.contract, 5, what, False)
        regular = client.ib.reqRealTimeBars(market.contract, 5, what, True)
        await client.ib.reqCurrentTimeAsync()
        market.show(BARS)
        await until(lambda: len(told) == len(bars) == BARS, "the bars")
        shift = ticks * TICK
        assert [(bar.open_, bar.high, bar.low, bar.close, bar.volume) for bar in bars] == [
            (bar.open_ + shift, bar.high + shift, bar.low + shift, bar.close + shift, -1) for bar in told
        ]
        assert len(regular) in {0, BARS}
        with RawClient(market.gateway.tws_port) as raw:
            raw.send(50, 3, 1, market.contract.conId, *[""] * 11, 10, what, 0, "")
            assert raw.read_errors_to_time() == ["321"]

    market.play(scenario())


def test_contract_details_tell_hours_and_that_they_are_simulated(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        (details,) = await client.ib.reqContractDetailsAsync(market.contract)
        assert "simulated" in details.longName
        days = details.tradingHours.split(";")
        assert len(days) == 6
        assert any(day.endswith(":CLOSED") for day in days)
        assert sum("1700-" in day and day.endswith("1600") for day in days) >= 3
        assert any("0830-" in day and day.endswith("1500") for day in details.liquidHours.split(";"))
        (sample,) = await client.ib.reqMatchingSymbolsAsync("e-mini")
        assert (sample.contract.symbol, sample.derivativeSecTypes) == ("ES", ["FUT"])
        assert await client.ib.reqMatchingSymbolsAsync("CL") == []
        (exchange,) = await client.ib.reqMktDepthExchangesAsync()
        assert exchange.exchange == "CME"

    market.play(scenario())
