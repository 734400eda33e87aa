"""With `--pacing` the gateway holds clients to TWS's limits, whoever connects anew; without it it does not."""

from collections.abc import Callable

import pytest

from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.errors import PacingExceeded
from mia_actors.core.market import Timeframe
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import ES
from tests.gateway.raw_client import RawClient
from tests.gateway.stock import RequestError
from tests.gateway.tws_market import HOST, TRADER, WAIT_S, Client, Market

pytestmark = pytest.mark.gateway
LIMITS = SessionLimits(connect_timeout_s=WAIT_S, request_timeout_s=WAIT_S, ack_timeout_s=WAIT_S)
CLOCK = SystemClock()
TIME = b"\0\0\0\x0549\x001\x00"


async def five_seconds(client: Client, market: Market) -> None:
    await client.ib.reqHistoricalDataAsync(
        market.contract, "", "60 S", "5 secs", "TRADES", useRTH=False, formatDate=2, timeout=0
    )


def test_identical_history_within_seconds_is_a_violation_even_of_a_new_connection(
    open_market: Callable[..., Market],
) -> None:
    market = open_market("--pacing")

    async def scenario() -> None:
        client = await market.client()
        await five_seconds(client, market)
        await client.leave()
        again = await market.client()
        with pytest.raises(RequestError) as refused:
            await five_seconds(again, market)
        assert (refused.value.code, "pacing violation" in refused.value.message) == (162, True)
        for _ in range(2):  # long bars are not limited
            await again.ib.reqHistoricalDataAsync(market.contract, "", "1 D", "1 min", "TRADES", useRTH=False)

    market.play(scenario())


def test_our_own_session_tells_a_pacing_violation_by_its_name(open_market: Callable[..., Market]) -> None:
    """Two sessions within seconds, as after a cut; minutes are not limited."""
    market = open_market("--pacing")
    for number in range(2):
        session = IbSession(
            Connection(host=HOST, port=market.gateway.tws_port, client_id=TRADER, mode=BrokerMode.SIM),
            ES,
            limits=LIMITS,
            events=SessionEvents(on_bar=lambda _: None, on_fill=lambda _: None, on_disconnect=lambda: None),
            monotonic_ns=lambda: round(CLOCK.monotonic_s() * NS_PER_S),
        )
        try:
            session.connect()
            session.choose_contract(month=None, roll_days=8)
            assert session.history(Timeframe.M1, "1 D")
            if number == 0:
                session.history(Timeframe.S5, "60 S")
            else:
                with pytest.raises(PacingExceeded, match="pacing violation"):
                    session.history(Timeframe.S5, "60 S")
        finally:
            session.close()


def test_third_message_above_the_rate_ends_the_connection_and_no_other(
    open_market: Callable[..., Market],
) -> None:
    market = open_market("--pacing")
    with RawClient(market.gateway.tws_port) as raw, RawClient(market.gateway.tws_port, client_id=32) as other:
        raw.send_bytes(TIME * 80)
        found = []
        while fields := raw.read():
            found.append(fields)
        assert [fields[3] for fields in found if fields[0] == "4"] == ["100"] * 3
        assert found[-1][0] == "4"
        assert sum(fields[0] == "49" for fields in found) <= 50
        assert other.read_errors_to_time() == []
    with RawClient(market.gateway.tws_port) as raw:
        assert raw.read_errors_to_time() == []


def test_sixty_first_subscription_of_bars_is_a_violation(open_market: Callable[..., Market]) -> None:
    """Of all clients together; none of the two comes near the rate of messages."""
    market = open_market("--pacing")
    contract = (0, "ES", "FUT", "", 0, "", "", "CME", "", "USD", "", "")
    codes = []
    for client_id in (31, 32):
        with RawClient(market.gateway.tws_port, client_id=client_id) as raw:
            for number in range(31):
                raw.send(50, 3, number, *contract, 5, "TRADES", 0, "")
            codes += raw.read_errors_to_time()
    assert codes == ["420", "420"]


def test_without_the_flag_nothing_is_refused_for_its_pace(market: Market) -> None:
    async def scenario() -> None:
        client = await market.client()
        for _ in range(8):
            await five_seconds(client, market)
        assert not {code for code in client.codes() if code < 2000}

    market.play(scenario())
    with RawClient(market.gateway.tws_port) as raw:
        raw.send_bytes(TIME * 80)
        answered = 0
        while answered < 80:
            answered += raw.read_to("49")[0] == "49"
