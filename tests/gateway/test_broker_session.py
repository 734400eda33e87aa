"""Sessions and gates against the simulated gateway, and against sockets that misbehave."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mia_actors.broker.guardian_desk import GuardianSession, connected
from mia_actors.broker.market_gate import LockstepGate, OpenGate, market_gate
from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, PermanentError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill, OrderSpec, OrderState, OrderType, Purpose, Side
from mia_actors.core.session import BrokerMode, Connection, SessionInfo
from mia_actors.core.units import ES
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess

pytestmark = pytest.mark.gateway
TRADER, GUARDIAN = 11, 12
WAIT_S = 10.0
LIMITS = SessionLimits(connect_timeout_s=WAIT_S, request_timeout_s=WAIT_S, ack_timeout_s=WAIT_S)
CLOCK = SystemClock()
BARS = 2
GREETING = b"176\x0020131008 14:00:00 UTC\x00"


class Ears:
    """Keeps what a session tells."""

    def __init__(self) -> None:
        self.heard: list[Bar | Fill] = []
        self.disconnects = 0
        self._news = threading.Condition()
        self.events = SessionEvents(on_bar=self._hear, on_fill=self._hear, on_disconnect=self._end)

    def _hear(self, fact: Bar | Fill) -> None:
        with self._news:
            self.heard.append(fact)
            self._news.notify_all()

    def _end(self) -> None:
        with self._news:
            self.disconnects += 1
            self._news.notify_all()

    @property
    def bars(self) -> list[Bar]:
        return [fact for fact in self.heard if isinstance(fact, Bar)]

    @property
    def fills(self) -> list[Fill]:
        return [fact for fact in self.heard if isinstance(fact, Fill)]

    def wait_bars(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.bars) >= count, WAIT_S), "the bars did not come"

    def wait_disconnect(self) -> None:
        with self._news:
            assert self._news.wait_for(lambda: self.disconnects > 0, WAIT_S), "the session did not end"


class Market:
    """A gateway and what is connected to it."""

    def __init__(self) -> None:
        self.gateway = GatewayProcess.start(("--tape", "synthetic:7", "--cycles", str(BARS)))
        self.control = ControlClient("127.0.0.1", self.gateway.control_port)
        self._open: list[IbSession | GuardianSession] = []

    @property
    def start_ns(self) -> int:
        return int(self.gateway.hello["first_bar_start_ns"])

    def connection(self, client_id: int) -> Connection:
        return Connection(
            host="127.0.0.1", port=self.gateway.tws_port, client_id=client_id, mode=BrokerMode.SIM
        )

    def session(self, ears: Ears | None = None, *, limits: SessionLimits = LIMITS) -> IbSession:
        found = _session(self.connection(TRADER), ears or Ears(), limits=limits)
        self._open.append(found)
        return found

    def trader(self, ears: Ears | None = None, *, limits: SessionLimits = LIMITS) -> IbSession:
        found = self.session(ears, limits=limits)
        found.connect()
        found.choose_contract(month=None, roll_days=8)
        return found

    def guardian(self, ears: Ears) -> GuardianSession:
        def make() -> GuardianSession:
            return GuardianSession(
                self.connection(GUARDIAN),
                ES,
                contract_month=None,
                roll_days=8,
                limits=LIMITS,
                monotonic_ns=_monotonic_ns,
                events=ears.events,
            )

        found, _ = connected(make, within_s=WAIT_S, clock=CLOCK, stop=lambda: False)
        self._open.append(found)
        return found

    def show(self, bars: int) -> None:
        """Lets the gateway show `bars` 5-second bars in all."""
        self.control.start()
        self.control.ack("guardian", self.start_ns + (bars - 1) * Timeframe.S5.ns)

    def close(self) -> None:
        for session in self._open:
            session.close()
        self.control.close()
        self.gateway.stop()


def _monotonic_ns() -> int:
    return round(CLOCK.monotonic_s() * NS_PER_S)


def _session(connection: Connection, ears: Ears, *, limits: SessionLimits) -> IbSession:
    return IbSession(connection, ES, limits=limits, events=ears.events, monotonic_ns=_monotonic_ns)


@pytest.fixture
def market() -> Iterator[Market]:
    found = Market()
    yield found
    found.close()


def _order(ref: str, side: Side, order_type: OrderType = OrderType.MARKET, **more: Any) -> OrderSpec:
    return OrderSpec(
        order_ref=ref,
        instrument="",
        side=side,
        quantity=1,
        order_type=order_type,
        purpose=Purpose.ENTRY,
        decided_at_ns=0,
        **more,
    )


def _wire(session: IbSession, *errors: tuple[int, int, str]) -> None:
    """What the gateway would send, told in the session's thread."""
    for error in errors:
        session._thread.soon(lambda error=error: session._word.wire_error(*error))  # type: ignore[misc]


def test_the_guardian_hears_the_trader_s_fills_before_the_bar_they_happened_in(market: Market) -> None:
    ears = Ears()
    guardian = market.guardian(ears)
    trader = market.trader()
    trader.place([_order("a", Side.BUY)])
    assert guardian.working_orders() == 1
    market.show(1)
    ears.wait_bars(1)
    fill, with_commission, bar = ears.heard
    assert isinstance(fill, Fill)
    assert isinstance(with_commission, Fill)
    assert isinstance(bar, Bar)
    assert (fill.order_ref, fill.event_time_ns) == ("a", bar.end_ns)
    assert (fill.commission_usd, with_commission.commission_usd is not None) == (None, True)
    assert (guardian.position_contracts(), guardian.working_orders()) == (1, 0)


def test_a_request_that_is_not_valid_raises_and_leaves_the_session_as_it_was(market: Market) -> None:
    session = market.trader()

    def ticks_of_no_time(ib: Any) -> Any:
        return ib.reqHistoricalTicksAsync(session._ib_contract, "", "", 10, "TRADES", useRth=False)

    with pytest.raises(PermanentError, match="code 321"):
        session._ask("ticks", ticks_of_no_time)
    assert session.broker_time_ns() == market.start_ns


def test_a_guardian_that_comes_late_knows_the_fills_before_it_and_hears_those_after(market: Market) -> None:
    """The trader's working stop was placed before the guardian's session: its fill is heard all the same."""
    trader = market.trader()
    trader.place([_order("a", Side.BUY)])
    market.show(1)
    _wait_position(trader, 1)
    ears = Ears()
    guardian = market.guardian(ears)
    assert [fill.order_ref for fill in guardian.fills()] == ["a"]
    assert all(fill.commission_usd is not None for fill in guardian.fills())
    trader.place([_order("b", Side.SELL)])
    market.show(2)
    ears.wait_bars(1)
    assert {fill.order_ref for fill in ears.fills} == {"b"}
    last = guardian.last_bar()
    assert last is not None
    assert last.start_ns == market.start_ns + Timeframe.S5.ns


def test_the_global_cancel_ends_every_client_s_orders(market: Market) -> None:
    guardian = market.guardian(Ears())
    trader = market.trader()
    trader.place([_order("a", Side.BUY, OrderType.LIMIT, limit_ticks=1000)])
    guardian.global_cancel()
    assert guardian.working_orders() == 0
    (report,) = trader.snapshot().orders
    assert report.state is OrderState.CANCELLED


def test_an_offset_is_sent_once_under_its_reference_over_sessions(market: Market) -> None:
    guardian = market.guardian(Ears())
    first = guardian.place_offset(_order("g", Side.SELL))
    assert guardian.place_offset(_order("g", Side.SELL)).perm_id == first.perm_id
    guardian.close()
    successor = market.guardian(Ears())
    assert successor.place_offset(_order("g", Side.SELL)).perm_id == first.perm_id
    assert successor.working_orders() == 1
    report = successor.offset_report("g")
    assert report is not None
    assert report.perm_id == first.perm_id
    assert successor.offset_report("never sent") is None


def test_a_client_id_in_use_is_told_at_once_and_by_its_code(market: Market) -> None:
    market.trader()
    second = market.session()
    begun_s = CLOCK.monotonic_s()
    with pytest.raises(BrokerDisconnected, match="client id 11: code 326"):
        second.connect()
    assert CLOCK.monotonic_s() - begun_s < LIMITS.connect_timeout_s / 2


def test_a_dead_predecessor_s_client_id_is_free_within_a_moment(market: Market) -> None:
    first = market.trader()
    ib: Any = first._ib
    first._thread.soon(ib.client.conn.transport.abort)
    ears = Ears()
    clock, deadline_s = CLOCK, CLOCK.monotonic_s() + 1.0
    while True:
        try:
            market.session(ears).connect()
        except BrokerDisconnected:
            assert clock.monotonic_s() < deadline_s
            clock.sleep_s(0.02)
        else:
            return


@pytest.mark.parametrize("answers", [False, True])
def test_a_gateway_that_accepts_and_says_nothing_is_given_up(answers: bool) -> None:  # noqa: FBT001
    """Half-dead gateways hold the port open; some greet and then fall silent."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []

        def accept() -> None:
            peer, _ = server.accept()
            accepted.append(peer)
            if answers:
                peer.sendall(len(GREETING).to_bytes(4, "big") + GREETING)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        connection = Connection(
            host="127.0.0.1", port=server.getsockname()[1], client_id=TRADER, mode=BrokerMode.SIM
        )
        limits = SessionLimits(connect_timeout_s=0.2, request_timeout_s=0.2, ack_timeout_s=0.2)
        session = _session(connection, Ears(), limits=limits)
        with pytest.raises(BrokerDisconnected):
            session.connect()
        session.close()
        thread.join(WAIT_S)
        for peer in accepted:
            peer.close()


def test_lost_connectivity_stops_orders_and_its_return_ends_the_session(market: Market) -> None:
    """1100 leaves the socket up; after 1102 everything has to be read again, so the session is renewed."""
    ears = Ears()
    trader = market.trader(ears)
    _wire(trader, (-1, 1100, "lost"))
    with pytest.raises(BrokerDisconnected, match="1100"):
        trader.place([_order("a", Side.BUY)])
    assert ears.disconnects == 0
    _wire(trader, (-1, 1102, "restored"))
    ears.wait_disconnect()
    assert "1102" in str(trader.ended_by)


def test_connectivity_that_does_not_return_ends_the_session(market: Market) -> None:
    limits = SessionLimits(
        connect_timeout_s=WAIT_S, request_timeout_s=WAIT_S, ack_timeout_s=WAIT_S, suspended_max_s=0.05
    )
    ears = Ears()
    trader = market.trader(ears, limits=limits)
    _wire(trader, (-1, 1100, "lost"))
    ears.wait_disconnect()
    assert "1100" in str(trader.ended_by)


def test_a_data_farm_that_was_broken_and_is_back_ends_the_session(market: Market) -> None:
    """Streams have stayed silent after such a blip for hours; a farm that merely is OK means nothing."""
    ears = Ears()
    trader = market.trader(ears)
    _wire(trader, (-1, 2104, "OK"), (-1, 2103, "broken"))
    assert trader.position_contracts() == 0
    assert ears.disconnects == 0
    _wire(trader, (-1, 2104, "OK"))
    ears.wait_disconnect()


def test_a_message_that_cannot_be_handled_ends_the_session_as_a_bug(market: Market) -> None:
    ears = Ears()
    trader = market.trader(ears)
    word: Any = trader._word
    trader._thread.soon(lambda: word.wire_failed(ValueError("off the grid")))
    ears.wait_disconnect()
    assert isinstance(trader.ended_by, InvariantViolated)
    with pytest.raises(BrokerDisconnected, match="off the grid"):
        trader.snapshot()


def test_an_unanswered_request_ends_the_session(market: Market) -> None:
    """Its slot in the library stays taken: the next one of its kind would hang for ever."""
    ears = Ears()
    trader = market.trader(ears)
    ib: Any = trader._ib
    ib.client.reqPositions = lambda: None
    trader._limits = replace(LIMITS, request_timeout_s=0.1)  # what came before had all the time it needs
    with pytest.raises(BrokerDisconnected, match=r"positions: no answer within 0\.1 s"):
        trader.position_contracts()
    assert ears.disconnects == 1


@pytest.mark.parametrize("question", ["position", "place"])
def test_a_call_in_flight_when_the_connection_is_lost_fails_at_once(market: Market, question: str) -> None:
    trader = market.trader()
    ib: Any = trader._ib
    asked = threading.Event()

    def swallow(*_: object) -> None:
        asked.set()

    ib.client.reqPositions = ib.client.placeOrder = swallow
    errors: list[BrokerDisconnected] = []

    def ask() -> None:
        try:
            if question == "position":
                trader.position_contracts()
            else:
                trader.place([_order("a", Side.BUY)])
        except BrokerDisconnected as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(WAIT_S)
    trader._thread.soon(ib.client.conn.transport.abort)
    thread.join(LIMITS.request_timeout_s / 2)
    assert len(errors) == 1


def test_many_callers_may_ask_for_lists_at_once(market: Market) -> None:
    trader = market.trader()
    trader.place([_order("a", Side.BUY, OrderType.LIMIT, limit_ticks=1000)])
    answers: list[int] = []

    def ask() -> None:
        answers.append(len(trader.snapshot().orders) + trader.working_orders())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert answers == [2] * 4


def test_closing_a_session_is_no_news_and_harmless_twice(market: Market) -> None:
    ears = Ears()
    trader = market.trader(ears)
    trader.close()
    trader.close()
    assert ears.disconnects == 0
    with pytest.raises(BrokerDisconnected):
        trader.working_orders()


def test_the_gate_tells_the_end_of_the_tape_and_may_be_asked_again(market: Market) -> None:
    market.control.start()
    gate = LockstepGate("127.0.0.1", market.gateway.control_port, "guardian")
    end_ns = int(market.gateway.hello["last_bar_end_ns"])
    assert not gate.acknowledge(market.start_ns)
    assert gate.acknowledge(end_ns)
    gate.close()
    assert gate.acknowledge(end_ns)
    gate.close()


def test_a_gate_whose_gateway_is_gone_says_so(market: Market) -> None:
    gate = LockstepGate("127.0.0.1", market.gateway.control_port, "cycle", patience_s=0.1)
    gate.acknowledge(market.start_ns)
    market.gateway.stop()
    with pytest.raises(BrokerDisconnected, match="does not answer"):
        gate.acknowledge(market.start_ns)


def test_without_a_control_port_the_gate_is_open(tmp_path: Path) -> None:
    info = SessionInfo(
        session_id="test",
        state_dir=str(tmp_path),
        session_dir=str(tmp_path),
        symbol="ES",
        contract_month=None,
        base_timeframe=Timeframe.M1,
        lockstep=False,
        control_host="",
        control_port=0,
        connections=(),
    )
    gate = market_gate(info, role="cycle")
    assert isinstance(gate, OpenGate)
    assert not gate.acknowledge(1)


def _wait_position(session: IbSession, contracts: int) -> None:
    deadline_s = CLOCK.monotonic_s() + WAIT_S
    while session.position_contracts() != contracts:
        assert CLOCK.monotonic_s() < deadline_s, "not filled in time"
        CLOCK.sleep_s(0.02)
