"""Contract, bars, history and ticks by the stock client; never anything later than market time."""

from typing import Any

import pytest

from mia_actors.core.clock import NS_PER_S, time_ns_of
from tests.gateway.stock import Future, RequestError
from tests.gateway.tws_market import Client, Market, until

pytestmark = pytest.mark.gateway
SMALL_PER_BASE = 12


async def _history(client: Client, market: Market, size: str, duration: str, form: int = 2) -> Any:
    return await client.ib.reqHistoricalDataAsync(
        market.contract, "", duration, size, "TRADES", useRTH=False, formatDate=form
    )


def test_contract_is_qualified_and_a_foreign_one_is_refused_with_200(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        (details,) = await client.ib.reqContractDetailsAsync(Future("ES", exchange="CME"))
        assert details.contract.localSymbol == market.gateway.hello["contract"]
        assert details.minTick == 0.25
        (rule,) = await client.ib.reqMarketRuleAsync(int(details.marketRuleIds.split(",")[0]))
        assert rule.increment == 0.25
        with pytest.raises(RequestError) as refused:
            await client.ib.reqContractDetailsAsync(Future("CL", exchange="NYMEX"))
        assert refused.value.code == 200

    market.play(scenario())


def test_nothing_is_sent_before_start_and_time_is_market_time(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        assert time_ns_of(await client.ib.reqCurrentTimeAsync()) == market.start_ns
        assert list(bars) == []
        assert not market.control.status()["started"]
        now_ns = market.show()
        await until(lambda: len(bars) == 1, "the first bar")
        assert time_ns_of(bars[0].time) == market.start_ns
        assert time_ns_of(await client.ib.reqCurrentTimeAsync()) == now_ns == market.start_ns + 5 * NS_PER_S

    market.play(scenario())


def test_cancelled_bars_stop(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        market.show()
        await until(lambda: len(bars) == 1, "the first bar")
        client.ib.cancelRealTimeBars(bars)
        await client.ib.reqCurrentTimeAsync()
        market.show()
        await client.ib.reqCurrentTimeAsync()
        assert len(bars) == 1

    market.play(scenario())


def test_five_second_history_equals_the_bars_that_were_sent(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        market.show(SMALL_PER_BASE + 5)
        await until(lambda: len(bars) == SMALL_PER_BASE + 5, "the bars")
        history = await _history(client, market, "5 secs", f"{5 * len(bars)} S")
        assert [(bar.date, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in history] == [
            (bar.time, bar.open_, bar.high, bar.low, bar.close, bar.volume) for bar in bars
        ]

    market.play(scenario())


def test_minute_history_ends_with_the_last_closed_bar(market: Market) -> None:
    """Never beyond market time; the bar in progress is not in it, and both date formats agree."""

    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        market.show(SMALL_PER_BASE + 3)
        await until(lambda: len(bars) == SMALL_PER_BASE + 3, "the bars")
        epoch = await _history(client, market, "1 min", "1 D")
        text = await _history(client, market, "1 min", "1 D", form=1)
        first = bars[:SMALL_PER_BASE]
        last = epoch[-1]
        assert time_ns_of(last.date) == market.start_ns
        assert (last.open, last.close) == (first[0].open_, first[-1].close)
        assert (last.high, last.low) == (max(bar.high for bar in first), min(bar.low for bar in first))
        assert last.volume == sum(bar.volume for bar in first)
        assert [time_ns_of(bar.date) for bar in text] == [time_ns_of(bar.date) for bar in epoch]

    market.play(scenario())


def test_warm_up_history_is_there_before_the_market_starts(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        for size, seconds in (("1 min", 60), ("5 mins", 300), ("15 mins", 900), ("1 hour", 3600)):
            history = await _history(client, market, size, "2 D")
            starts_ns = [time_ns_of(bar.date) for bar in history]
            assert len(starts_ns) > 10, size
            assert starts_ns == sorted(set(starts_ns)), size
            assert all(start_ns % (seconds * NS_PER_S) == 0 for start_ns in starts_ns), size
            assert starts_ns[-1] + seconds * NS_PER_S <= market.start_ns, size

    market.play(scenario())


def test_ticks_follow_the_bars(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        client.ib.reqMarketDataType(1)
        ticker = client.ib.reqMktData(market.contract)
        await client.ib.reqCurrentTimeAsync()
        market.show()
        await until(lambda: len(bars) == 1, "the first bar")
        assert ticker.last == bars[0].close
        assert ticker.bid < ticker.ask

    market.play(scenario())


def test_account_figures_are_answered_at_each_way_of_asking(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        summary = {value.tag: value.value for value in await client.ib.accountSummaryAsync()}
        assert float(summary["NetLiquidation"]) == 25_000
        (account,) = client.ib.managedAccounts()
        profit = client.ib.reqPnL(account)
        single = client.ib.reqPnLSingle(account, "", market.contract.conId)
        await client.ib.reqCurrentTimeAsync()
        assert (profit.realizedPnL, single.position) == (0, 0)

    market.play(scenario())
