"""Who may connect, what the market waits for, and the control port."""

from collections.abc import Callable

import pytest

from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.errors import TransientError
from mia_actors.exchange.gateway.control_client import ControlClient
from tests.gateway.raw_client import RawClient
from tests.gateway.stock import MarketOrder
from tests.gateway.tws_market import (
    HOST,
    MASTER,
    TRADER,
    Market,
    entered,
    far_limit,
    taken,
    trading,
    until,
)

pytestmark = pytest.mark.gateway
SMALL_PER_BASE = 12
MINUTE_NS = 60 * NS_PER_S


def test_stock_client_connects_and_every_first_request_is_answered(market: Market) -> None:
    """A request that is not answered would be told as a timeout, or raise."""

    async def scenario() -> None:
        client = await market.client()
        assert client.ib.client.serverVersion() == client.ib.client.MaxClientVersion
        (account,) = client.ib.managedAccounts()
        assert "DUSIM" in account
        assert {2104, 2106, 2158} <= set(client.codes(-1))
        assert {"NetLiquidation", "AvailableFunds"} <= {value.tag for value in client.ib.accountValues()}
        assert market.control.status()["clients"] == [TRADER]

    market.play(scenario())


def test_client_id_in_use_is_refused_with_326_and_free_after_its_owner_left(market: Market) -> None:
    async def scenario() -> None:
        first = await market.client()
        with RawClient(market.gateway.tws_port, client_id=None) as second:
            second.send(71, 2, TRADER, "")
            assert second.read()[:4] == ["4", "2", "-1", "326"]
            assert second.is_closed_by_gateway()
        assert first.ib.isConnected()
        await first.leave()
        assert (await market.client()).ib.isConnected()

    market.play(scenario())


def test_market_waits_for_the_guardian_at_each_bar_and_the_cycle_at_each_base_bar(market: Market) -> None:
    control = market.control
    control.start()
    control.start()  # a repeat changes nothing
    for number in range(1, SMALL_PER_BASE + 1):
        now_ns = market.start_ns + number * 5 * NS_PER_S
        assert market.now_ns() == now_ns
        assert control.ack("guardian", now_ns - 1) is False
        assert market.now_ns() == now_ns, "an older acknowledgement moves nothing"
        expected = {"guardian", "cycle"} if number == SMALL_PER_BASE else {"guardian"}
        assert set(control.status()["waiting_for"]) == expected
        control.ack("guardian", now_ns)
    assert control.status()["waiting_for"] == ["cycle"]
    assert control.status()["bars_sent"] == 1
    control.ack("cycle", market.start_ns + MINUTE_NS)
    assert market.now_ns() == market.start_ns + MINUTE_NS + 5 * NS_PER_S


@pytest.mark.parametrize("roles", [("guardian", "cycle"), ("cycle", "guardian")])
def test_no_bar_is_sent_before_both_roles_acknowledged(market: Market, roles: tuple[str, str]) -> None:
    async def scenario() -> None:
        client = await market.client()
        bars = await client.subscribed()
        base_end_ns = market.start_ns + MINUTE_NS
        assert market.show(SMALL_PER_BASE) == base_end_ns
        await client.ib.reqCurrentTimeAsync()
        assert len(bars) == SMALL_PER_BASE
        market.control.ack(roles[0], base_end_ns)
        await client.ib.reqCurrentTimeAsync()
        assert len(bars) == SMALL_PER_BASE, f"{roles[0]} alone"
        market.control.ack(roles[1], base_end_ns)
        await client.ib.reqCurrentTimeAsync()
        assert len(bars) == SMALL_PER_BASE + 1
        assert time_ns_of(bars[-1].time) == base_end_ns

    market.play(scenario())


def test_acknowledgement_of_the_future_opens_the_way_of_its_role_only(market: Market) -> None:
    """The guardian is done for good: the market runs to the end of the base bar and waits for the cycle."""
    market.control.start()
    market.control.ack("guardian", market.end_ns)
    assert market.now_ns() == market.start_ns + MINUTE_NS
    assert market.control.status()["waiting_for"] == ["cycle"]
    assert market.control.ack("cycle", market.end_ns) is True
    assert market.now_ns() == market.end_ns


def test_roles_not_named_are_not_waited_for(open_market: Callable[..., Market]) -> None:
    """Acknowledging base bars alone plays the tape to its end, and the last answer says so."""
    market = open_market("--lockstep-roles", "cycle", cycles=2)
    market.control.start()
    assert market.now_ns() == market.start_ns + MINUTE_NS
    assert market.control.ack("cycle", market.start_ns + MINUTE_NS) is False
    assert market.control.ack("cycle", market.end_ns) is True
    assert market.control.status()["finished"] is True


def test_pace_sends_bars_by_the_clock_without_acknowledgements(open_market: Callable[..., Market]) -> None:
    market = open_market("--pace", "5000x", "--autostart", cycles=2)

    async def scenario() -> None:
        client = await market.client()
        await until(lambda: market.control.status()["finished"], "the tape ends")
        assert time_ns_of(await client.ib.reqCurrentTimeAsync()) == market.end_ns

    market.play(scenario())


def test_control_port_refuses_what_it_does_not_know_and_goes_on(market: Market) -> None:
    with pytest.raises(TransientError, match="refused"):
        market.control.ack("mentor", 1)
    assert market.control.status()["ok"] is True
    second = ControlClient(HOST, market.gateway.control_port)
    assert second.status()["bars_total"] == 4
    second.close()


def test_client_that_starts_twice_keeps_its_first_id_and_frees_it(market: Market) -> None:
    with RawClient(market.gateway.tws_port, client_id=31) as raw:
        raw.send(71, 2, 32, "")
        assert raw.read_errors_to_time() == ["321"]
        assert market.control.status()["clients"] == [31]
    market.play(_free_of_clients(market))


async def _free_of_clients(market: Market) -> None:
    await until(lambda: market.control.status()["clients"] == [], "the ids are free")


def test_a_dropped_client_is_cut_off_and_its_id_is_free_at_once(market: Market) -> None:
    async def scenario() -> None:
        first, other = await market.client(), await market.client(MASTER)
        assert market.control.drop(TRADER) is True
        assert market.control.status()["clients"] == [MASTER]
        await until(lambda: not first.ib.isConnected(), "the client notices")
        assert market.control.drop(TRADER) is False
        assert other.ib.isConnected()
        again = await market.client()
        assert again.ib.isConnected()
        assert market.control.status()["clients"] == [TRADER, MASTER]

    market.play(scenario())


def test_orders_of_a_dropped_client_go_on_and_the_control_port_lists_them(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        await taken(market, client, [far_limit(price, "MIA.one")])
        market.control.drop(TRADER)
        (listed,) = market.control.orders()
        assert (listed["order_ref"], listed["client_id"]) == ("MIA.one", TRADER)
        assert (listed["state"], listed["filled"]) == ("working", 0)

    market.play(scenario())


def test_a_holder_that_is_named_holds_the_market_at_any_bar(open_market: Callable[..., Market]) -> None:
    market = open_market("--lockstep-roles", "guardian,holder")
    control = market.control
    control.start()
    control.ack("guardian", market.end_ns)
    moment_ns = market.start_ns + 3 * 5 * NS_PER_S
    control.ack("holder", moment_ns - 1)
    assert (market.now_ns(), control.status()["waiting_for"]) == (moment_ns, ["holder"])
    control.ack("holder", moment_ns)
    assert market.now_ns() == moment_ns + 5 * NS_PER_S


def test_a_global_cancel_is_noted_with_its_delay_and_the_moment_the_account_was_flat(market: Market) -> None:
    """By number, with what was ordered before it; the delay counts from the bar that went to this very client."""

    async def scenario() -> None:
        client, price = await trading(market)
        await entered(market, client, price)
        other = await market.client(MASTER)
        orders_before = len(market.control.orders())
        other.ib.reqGlobalCancel()
        client.ib.reqGlobalCancel()
        await until(lambda: len(market.control.global_cancels()) == 2, "both arrived")
        first, second = market.control.global_cancels()
        assert [one["client_id"] for one in (first, second)] == [MASTER, TRADER]
        assert first["after_bar_ms"] is None, "it has asked for no bars"
        assert second["after_bar_ms"] > 0
        assert (first["market_time_ns"], first["orders_before"]) == (market.now_ns(), orders_before)
        assert first["flat_at_ns"] is None, "the position is still there"
        await taken(market, client, [MarketOrder("SELL", 1, orderRef="flat", tif="DAY")])
        flat_ns = market.show()
        assert [one["flat_at_ns"] for one in market.control.global_cancels()] == [flat_ns, flat_ns]
        assert [one["number"] for one in market.control.global_cancels(after=1)] == [2]

    market.play(scenario())
