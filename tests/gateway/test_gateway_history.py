"""Historical bars of every size and kind, kept up to date, schedules, head time stamps: by the stock client."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mia_actors.core.clock import NS_PER_S, time_ns_of, utc_datetime
from mia_actors.exchange.gateway.historical_bars import BAR_SIZES
from tests.gateway.stock import RequestError, refusals_are_told
from tests.gateway.tws_market import TICK, Client, Market

pytestmark = pytest.mark.gateway
SMALL_PER_BASE = 12
EASTERN = ZoneInfo("US/Eastern")


async def history(client: Client, market: Market, size: str, duration: str, **more: Any) -> Any:
    wanted = {"endDateTime": "", "whatToShow": "TRADES", "useRTH": False, "formatDate": 2} | more
    return await client.ib.reqHistoricalDataAsync(
        market.contract, durationStr=duration, barSizeSetting=size, timeout=0, **wanted
    )


def prices(bar: Any) -> tuple[float, ...]:
    return (bar.open, bar.high, bar.low, bar.close)


def test_bars_of_every_size_hold_the_same_trades(market: Market) -> None:
    """An hour of the warm-up: whatever its parts, first, highest, lowest, last and volume are the same."""

    async def scenario() -> None:
        client = await market.client()
        (*_, hour) = await history(client, market, "1 hour", "1 D")
        starts_ns = time_ns_of(hour.date)
        for size, length in BAR_SIZES.items():
            if length.seconds > 3600:
                continue
            end = utc_datetime(starts_ns + 3600 * NS_PER_S)
            parts = await history(client, market, size, "3600 S", endDateTime=end)
            assert len(parts) == 3600 / length.seconds, size
            assert (parts[0].open, parts[-1].close) == (hour.open, hour.close), size
            assert max(part.high for part in parts) == hour.high, size
            assert min(part.low for part in parts) == hour.low, size
            assert sum(part.volume for part in parts) == hour.volume, size

    market.play(scenario())


@refusals_are_told
def test_end_is_understood_in_each_form_and_never_reaches_beyond_market_time(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        market.show(SMALL_PER_BASE + 1)
        moment = utc_datetime(market.start_ns - 3600 * NS_PER_S)
        eastern = moment.astimezone(EASTERN)
        forms = (
            moment,
            f"{moment:%Y%m%d-%H:%M:%S}",
            f"{moment:%Y%m%d %H:%M:%S}",
            f"{eastern:%Y%m%d %H:%M:%S} US/Eastern",
        )
        found = [await history(client, market, "1 min", "1800 S", endDateTime=form) for form in forms]
        assert len(found[0]) == 30
        assert time_ns_of(found[0][-1].date) == time_ns_of(moment) - 60 * NS_PER_S
        assert all([prices(bar) for bar in one] == [prices(bar) for bar in found[0]] for one in found)
        later = await history(client, market, "5 secs", "60 S", endDateTime=moment + timedelta(days=30))
        assert time_ns_of(later[-1].date) == market.start_ns + 60 * NS_PER_S
        with pytest.raises(RequestError) as refused:
            await history(client, market, "1 min", "1 D", endDateTime="20131008 09:30:00 Mars/Olympus")
        assert refused.value.code == 321

    market.play(scenario())


@pytest.mark.parametrize(("what", "ticks"), [("BID", -1), ("ASK", 1), ("MIDPOINT", 0)])
def test_bars_of_quotes_are_a_tick_beside_those_of_trades(market: Market, what: str, ticks: int) -> None:
    async def scenario() -> None:
        client = await market.client()
        trades = await history(client, market, "5 mins", "1 D")
        quotes = await history(client, market, "5 mins", "1 D", whatToShow=what)
        assert [prices(bar) for bar in quotes] == [
            tuple(price + ticks * TICK for price in prices(bar)) for bar in trades
        ]
        assert {bar.volume for bar in quotes} == {-1}

    market.play(scenario())


def test_regular_hours_and_days(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        for bar in await history(client, market, "30 mins", "2 D", useRTH=True):
            eastern = bar.date.astimezone(EASTERN)
            assert "09:30" <= f"{eastern:%H:%M}" <= "15:30"
        market.show(2)
        days = await history(client, market, "1 day", "2 D")
        assert [type(bar.date) for bar in days] == [date, date]
        schedule = await client.ib.reqHistoricalScheduleAsync(market.contract, 2, "", False)
        assert schedule.timeZone == "US/Central"
        assert schedule.sessions[-1].refDate == f"{days[-1].date:%Y%m%d}"
        assert schedule.sessions[-1].endDateTime.endswith("-16:00:00")
        regular = await client.ib.reqHistoricalScheduleAsync(market.contract, 2, "", True)
        assert regular.sessions[-1].endDateTime.endswith("-15:00:00")
        head = await client.ib.reqHeadTimeStampAsync(market.contract, "TRADES", False, 2)
        text = await client.ib.reqHeadTimeStampAsync(market.contract, "TRADES", False, 1)
        first = (await history(client, market, "1 min", "1 M"))[0].date
        assert head == first == text.replace(tzinfo=UTC)

    market.play(scenario())


@pytest.mark.parametrize("form", [1, 2])
def test_bars_kept_up_to_date_are_those_of_a_new_request(market: Market, form: int) -> None:
    async def scenario() -> None:
        client = await market.client()
        kept = await history(client, market, "30 secs", "1 D", keepUpToDate=True, formatDate=form)
        before, new = len(kept), []
        kept.updateEvent += lambda _, is_new: new.append(is_new)
        market.show(SMALL_PER_BASE + 7)
        await client.ib.reqCurrentTimeAsync()
        assert new == [True, *[False] * 5] * 3 + [True]
        assert len(kept) == before + 4
        asked = await history(client, market, "30 secs", "1 D", formatDate=form)
        assert len(asked) == 3
        assert [(bar.date, *prices(bar), bar.volume) for bar in kept[-4:-1]] == [
            (bar.date, *prices(bar), bar.volume) for bar in asked
        ]
        client.ib.cancelHistoricalData(kept)
        market.show(3)
        await client.ib.reqCurrentTimeAsync()
        assert len(new) == 19
        joined = await history(client, market, "1 min", "1 D", keepUpToDate=True)
        (*_, last) = await history(client, market, "5 secs", "5 S")
        assert joined[-1].close == last.close  # the bar in progress is there from the beginning

    market.play(scenario())


@refusals_are_told
@pytest.mark.parametrize(
    ("size", "what", "more", "code"),
    [
        ("7 mins", "TRADES", {}, 321),
        ("1 min", "BID_ASK", {}, 321),
        ("1 min", "TRADES", {"keepUpToDate": True, "endDateTime": datetime(2013, 10, 8, tzinfo=UTC)}, 321),
        ("1 min", "TRADES", {"durationStr": "soon"}, 162),
    ],
)
def test_history_that_cannot_be_is_refused(
    market: Market, size: str, what: str, more: dict[str, Any], code: int
) -> None:
    async def scenario() -> None:
        client = await market.client()
        duration = more.pop("durationStr", "1 D")
        with pytest.raises(RequestError) as refused:
            await history(client, market, size, duration, whatToShow=what, **more)
        assert refused.value.code == code

    market.play(scenario())
