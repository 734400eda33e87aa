"""The wire by hand: versions, pieces of frames, bytes that are none."""

import pytest

from mia_actors.core.clock import NS_PER_S
from tests.gateway.raw_client import RawClient
from tests.gateway.stock import LimitOrder, MarketOrder
from tests.gateway.tws_market import TICK, Client, Market, far_limit, trading, until

pytestmark = pytest.mark.gateway
INSYNC, NEWER = "v157..176", "v157..178"


@pytest.mark.parametrize(
    ("versions", "agreed", "open_fields", "completed_fields", "execution_fields"),
    [(INSYNC, 176, 136, 101, 31), (NEWER, 178, 135, 100, 32), ("v157..225", 178, 135, 100, 32)],
)
def test_frames_have_the_fields_of_their_version(
    market: Market, versions: str, agreed: int, open_fields: int, completed_fields: int, execution_fields: int
) -> None:
    """A field too many or too few makes the stock client lose the order without a word."""

    async def scenario() -> None:
        client, price = await trading(market)
        await client.placed(far_limit(price, "MIA.open"))
        trade = await client.placed(LimitOrder("BUY", 1, price + 400 * TICK, tif="GTC"))
        market.show()
        await until(lambda: trade.fills, "the purchase")

    market.play(scenario())
    with RawClient(market.gateway.tws_port, versions=versions) as raw:
        assert (raw.version, len(raw.greeting)) == (agreed, 2)
        raw.send(16, 1)
        assert len(raw.read_to("5")) == open_fields
        raw.read_to("53")
        raw.send(99, 0)
        assert len(raw.read_to("101")) == completed_fields
        raw.send(7, 3, 5, 0, "", "", "", "", "", "")
        assert len(raw.read_to("11")) == execution_fields


def test_unknown_and_broken_requests_are_answered_with_321_and_the_session_goes_on(market: Market) -> None:
    with RawClient(market.gateway.tws_port) as raw:
        for fields in ((999, 1), ("word",), (20, 1), (4, 1, "seven", ""), (3, 1, 2, 3), (96, 7)):
            raw.send(*fields)
            assert raw.read_errors_to_time() == ["321"], fields


GARBAGE = (
    b"GET / HTTP/1.1\r\n\r\n",
    b"API\0\xff\xff\xff\xff",
    b"API\0\0\0\0\0",
    b"API\0\0\0\0\4\xff\xfe\xfd\xfc",
    b"API\0\0\0\0\tv100..120",
    b"API\0\0\0\0\tv157..176\0\0\0\00549\x001\x00",
)


def test_garbage_is_counted_and_ends_its_own_connection_only(market: Market) -> None:
    with RawClient(market.gateway.tws_port) as other:
        for number, garbage in enumerate(GARBAGE):
            stranger = RawClient.__new__(RawClient)
            stranger.open(market.gateway.tws_port)
            stranger.send_bytes(garbage)
            assert stranger.is_closed_by_gateway(), garbage
            stranger.close()
            assert market.control.status()["malformed"] == number + 1, garbage
        assert other.read_errors_to_time() == []


def test_frame_in_pieces_and_frames_in_one_piece_are_both_read(market: Market) -> None:
    with RawClient(market.gateway.tws_port) as raw:
        question = b"\0\0\0\x0549\x001\x00"
        for byte in question:
            raw.send_bytes(bytes([byte]))
        assert raw.read_to("49")[2] == str(market.start_ns // NS_PER_S)
        raw.send_bytes(question * 3)
        assert [raw.read_to("49")[0] for _ in range(3)] == ["49"] * 3


def test_too_many_messages_are_told_with_100_and_answered(market: Market) -> None:
    with RawClient(market.gateway.tws_port) as raw:
        raw.send_bytes(b"\0\0\0\x0549\x001\x00" * 80)
        found = [raw.read_to("4", "49") for _ in range(81)]
        assert "100" in {fields[3] for fields in found if fields[0] == "4"}
        answered = sum(fields[0] == "49" for fields in found)
        while answered < 80:
            answered += raw.read_to("4", "49")[0] == "49"


@pytest.mark.parametrize("version", [157, 163, 165])
def test_stock_client_of_an_older_version_trades(market: Market, version: int) -> None:
    """Contract details, errors and orders have other fields there."""

    async def scenario() -> None:
        client = Client(market, 11)
        client.ib.client.MaxClientVersion = version
        await client.connect()
        assert client.ib.client.serverVersion() == version
        (details,) = await client.ib.reqContractDetailsAsync(market.contract)
        assert (details.minTick, details.realExpirationDate) == (
            TICK,
            details.contract.lastTradeDateOrContractMonth,
        )
        trade = await client.placed(MarketOrder("BUY", 1, tif="GTC", orderRef="MIA.old"))
        market.show(2)
        await until(lambda: trade.fills, "the purchase")
        (completed,) = await client.ib.reqCompletedOrdersAsync(apiOnly=False)
        assert (completed.order.orderRef, completed.order.filledQuantity) == ("MIA.old", 1)
        assert not {code for code in client.codes() if code < 2000}
        client.ib.disconnect()

    market.play(scenario())


@pytest.mark.parametrize("is_reset", [True, False])
def test_client_that_breaks_off_within_a_frame_leaves_the_others_alive(
    market: Market, *, is_reset: bool
) -> None:
    """Half an order is none; its sender's id is free again, and bars go on to whoever is left."""

    async def scenario() -> None:
        client, price = await trading(market)
        raw = RawClient(market.gateway.tws_port, client_id=31)
        raw.send(50, 3, 1, *[""] * 12, 5, "TRADES", 0, "")
        raw.send_bytes((200).to_bytes(4, "big") + b"3\x007\x00")
        if is_reset:
            raw.reset()
        else:
            raw.close()
        await until(lambda: market.control.status()["clients"] == [11], "the id is free")
        now_ns = market.show()
        await until(lambda: ("bar", now_ns) in client.told, "the next bar")
        trade = await client.placed(far_limit(price, "MIA.after"))
        assert (await client.ib.reqAllOpenOrdersAsync()) == [trade]
        with RawClient(market.gateway.tws_port, client_id=31) as again:
            assert again.read_errors_to_time() == []

    market.play(scenario())
