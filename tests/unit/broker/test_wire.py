"""Frames as they come off the socket, through the client library's decoder, to the listener."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from mia_actors.broker.wire import RequestError, WireIB

EXECUTION = (
    "11 -1 5 7 ES FUT 20131220 0.0 _ 50 CME USD ESZ3 ES sim.01 20131008_14:00:05_UTC DU1 CME BOT 1 1660.25 "
    "900 12 0 1 1660.25 MIA.ESZ3.20131008T140000.entry _ _ _ 2"
)


class RecordingListener:
    """Keeps what it hears, by name."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.failures: list[Exception] = []
        self.broken = False

    def wire_bar(self, start_s: int, prices: Sequence[float], volume: float) -> None:
        if self.broken:
            raise ValueError("cannot handle it")
        self.heard.append(("bar", (start_s, tuple(prices), volume)))

    def wire_open_order(self, order_id: int, order: Any, state: Any) -> None:
        self.heard.append(("open", (order_id, order.orderRef, state.status)))

    def wire_completed_order(self, order: Any, state: Any) -> None:
        self.heard.append(("completed", (order.orderRef, state.status)))

    def wire_order_status(self, **status: Any) -> None:
        self.heard.append(("status", status))

    def wire_execution(self, contract: Any, execution: Any) -> None:
        self.heard.append(("execution", (contract.conId, execution.orderRef, execution.price)))

    def wire_commission(self, report: Any) -> None:
        self.heard.append(("commission", (report.execId, report.commission)))

    def wire_position(self, contract: Any, position: float) -> None:
        self.heard.append(("position", (contract.conId, position)))

    def wire_price(self, tick_type: int, price: float) -> None:
        self.heard.append(("price", (tick_type, price)))

    def wire_pnl(self, unrealized: float) -> None:
        self.heard.append(("pnl", unrealized))

    def wire_account_value(self, tag: str, value: str, currency: str) -> None:
        self.heard.append(("account", (tag, value, currency)))

    def wire_error(self, request_id: int, code: int, text: str) -> None:
        self.heard.append(("error", (request_id, code, text)))

    def wire_failed(self, error: Exception) -> None:
        self.failures.append(error)


class Wire:
    """A client that was never connected, fed with frames."""

    def __init__(self) -> None:
        self.listener = RecordingListener()
        self.ib = WireIB(self.listener)
        self._decoder: Any = self.ib.client.decoder
        self._decoder.serverVersion = 176

    def receive(self, frame: str) -> None:
        """One message; blanks separate fields, `_` stands for nothing, and for a blank inside a field."""
        fields = ["" if field == "_" else field.replace("_", " ") for field in frame.split(" ")]
        self._decoder.interpret(fields)


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_a_bar_is_told_and_not_kept(wire: Wire) -> None:
    bars = wire.ib.wrapper.reqId2Subscriber.setdefault(3, [])
    wire.receive("50 3 3 1381240800 1660.0 1660.5 1659.75 1660.25 12 1660.1 4")
    assert wire.listener.heard == [("bar", (1381240800, (1660.0, 1660.5, 1659.75, 1660.25), 12.0))]
    assert bars == []


def test_an_execution_of_an_order_the_library_does_not_know_is_told(wire: Wire) -> None:
    """The library keeps these to itself: a guardian that connects late would miss every fill of the trader."""
    wire.receive(EXECUTION)
    wire.receive("59 1 sim.01 2.25 USD 1.7976931348623157E308 _ _")
    order_ref = "MIA.ESZ3.20131008T140000.entry"
    assert wire.listener.heard == [
        ("execution", (7, order_ref, 1660.25)),
        ("commission", ("sim.01", 2.25)),
    ]


def test_a_status_is_told_as_the_gateway_put_it(wire: Wire) -> None:
    wire.receive("3 5 Submitted 0 1 0.0 900 0 0.0 11 _ 0.0")
    (name, status) = wire.listener.heard[0]
    assert (name, status["order_id"], status["client_id"], status["status"]) == ("status", 5, 11, "Submitted")


def test_an_error_is_told_with_its_number(wire: Wire) -> None:
    wire.receive("4 2 5 10349 Order_TIF_was_set_to_DAY _")
    assert wire.listener.heard == [("error", (5, 10349, "Order TIF was set to DAY"))]


@pytest.mark.parametrize("code", [105, 200, 321, 329])
def test_a_request_that_the_gateway_refuses_ends_with_its_error(code: int) -> None:
    """ib_async takes some refusals for warnings: who asked would wait until the limit, and lose the session by it."""

    async def scenario() -> None:
        wire = Wire()
        answer = wire.ib.wrapper.startReq(5)  # type: ignore[no-untyped-call]
        wire.receive("4 2 -1 2104 Market_data_farm_is_OK _")
        wire.receive("4 2 5 2174 the_time_zone_is_missing _")
        assert not answer.done()
        wire.receive(f"4 2 5 {code} Error_validating_request _")
        with pytest.raises(RequestError, match=f"{code}: Error validating request"):
            await asyncio.wait_for(answer, 0)
        assert wire.listener.heard[-1] == ("error", (5, code, "Error validating request"))
        assert wire.ib.unanswered() == ()

    asyncio.run(scenario())


def test_a_vital_message_with_a_field_missing_is_a_failure_and_not_silence(wire: Wire) -> None:
    wire.receive(EXECUTION.rsplit(" ", 1)[0])
    wire.receive("50 3 3 noon 1660.0 1660.5 1659.75 1660.25 12 1660.1 4")
    assert [type(failure) for failure in wire.listener.failures] == [ValueError, ValueError]
    assert wire.listener.heard == []


def test_a_message_nobody_needs_may_be_damaged(wire: Wire) -> None:
    wire.receive("79 nonsense")
    wire.receive("9999 nonsense")
    assert wire.listener.failures == []


def test_a_listener_that_fails_is_told_so(wire: Wire) -> None:
    wire.listener.broken = True
    wire.receive("50 3 3 1381240800 1660.0 1660.5 1659.75 1660.25 12 1660.1 4")
    assert [str(failure) for failure in wire.listener.failures] == ["cannot handle it"]


def test_what_is_written_at_once_leaves_in_one_piece(wire: Wire) -> None:
    pieces: list[bytes] = []
    connection: Any = wire.ib.client.conn
    connection.sendMsg = pieces.append

    def write() -> None:
        for part in (b"parent", b"stop", b"target"):
            connection.sendMsg(part)
        assert pieces == []

    wire.ib.write_at_once(write)
    assert pieces == [b"parentstoptarget"]


def test_there_is_room_until_the_message_rate_is_used_up(wire: Wire) -> None:
    client: Any = wire.ib.client
    client._timeQ.extend([10.0] * (client.MaxRequests - 3))
    assert wire.ib.room_for(3, 10.5)
    assert not wire.ib.room_for(4, 10.5)
    assert wire.ib.room_for(4, 11.5)


def test_prices_the_open_profit_and_the_equity_are_told_and_not_kept(wire: Wire) -> None:
    wire.receive("1 6 5 4 1660.25 3 0")
    wire.receive("1 6 5 2 -1 0 0")
    wire.receive("95 6 1 -250.0 -125.0 -125.0 0")
    wire.receive("6 2 NetLiquidation 9875.00 USD DU1")
    assert wire.listener.heard == [
        ("price", (4, 1660.25)),
        ("price", (2, -1.0)),
        ("pnl", -125.0),
        ("account", ("NetLiquidation", "9875.00", "USD")),
    ]
    assert wire.listener.failures == []


def test_ten_thousand_damaged_messages_are_each_counted_and_the_vital_ones_told() -> None:
    """Fields cut off, words for numbers, kinds that do not exist; nothing is raised into the socket's callback."""
    wire, rng = Wire(), random.Random(5)  # noqa: S311 - no secret
    vital = 0
    for _ in range(10_000):
        fields = EXECUTION.split(" ")
        match rng.randrange(4):
            case 0:
                fields = fields[: rng.randrange(1, 10)]
            case 1:
                fields[rng.choice([4, 7, 17, 20, 22])] = "".join(rng.choices("abc%$", k=5))
            case 2:
                fields[0] = str(rng.randrange(1000, 10**6))
            case _:
                fields = ["".join(rng.choices("xyz-", k=3))]
        before = wire.ib.malformed
        wire.receive(" ".join(fields))
        if wire.ib.malformed > before:
            vital += not (fields[0].isdigit() and int(fields[0]) >= 1000)
        else:
            assert wire.listener.heard.pop()[0] == "execution"  # damaged where nobody reads
    assert len(wire.listener.failures) == vital > 5000
    assert wire.listener.heard == []
