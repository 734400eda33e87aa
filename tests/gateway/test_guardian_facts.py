"""What the guardian's session hears of market, account and other clients' orders, over the real wire."""

import threading
from collections.abc import Iterator

import pytest

from mia_actors.broker.guardian_desk import GuardianSession, connected
from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.facts import BrokerEquity, BrokerPnl, BrokerPosition, Fact, OrderSeen, Quote, Tick
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import OrderSpec, OrderTerms, OrderType, Purpose, Side
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import ES
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess

pytestmark = pytest.mark.gateway

CLOCK = SystemClock()
WAIT_S = 20.0
LIMITS = SessionLimits(connect_timeout_s=10.0, request_timeout_s=10.0, ack_timeout_s=10.0)


class Ear:
    """Every fact, and a way to wait for one."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self._news = threading.Condition()
        self.events = SessionEvents(
            on_bar=lambda _: None,
            on_fill=lambda _: None,
            on_disconnect=lambda: None,
            on_fact=self.hear,
            arrival_ns=CLOCK.now_ns,
        )

    def hear(self, fact: Fact) -> None:
        with self._news:
            self.facts.append(fact)
            self._news.notify_all()

    def wait_for(self, *kinds: type) -> None:
        with self._news:
            heard = self._news.wait_for(
                lambda: all(any(isinstance(fact, kind) for fact in self.facts) for kind in kinds), WAIT_S
            )
        assert heard, f"of {kinds} only {self.facts} came"


@pytest.fixture
def gateway() -> Iterator[GatewayProcess]:
    found = GatewayProcess.start(("--tape", "synthetic:7", "--cycles", "4"))
    yield found
    found.stop()


def connection(gateway: GatewayProcess, client_id: int) -> Connection:
    return Connection(host="127.0.0.1", port=gateway.tws_port, client_id=client_id, mode=BrokerMode.SIM)


def monotonic_ns() -> int:
    return round(CLOCK.monotonic_s() * NS_PER_S)


def test_prices_profit_equity_position_and_the_orders_of_another_client_are_heard(
    gateway: GatewayProcess,
) -> None:
    ear, deaf = Ear(), Ear()
    guardian, _ = connected(
        lambda: GuardianSession(
            connection(gateway, 12),
            ES,
            contract_month=None,
            roll_days=8,
            limits=LIMITS,
            monotonic_ns=monotonic_ns,
            events=ear.events,
            live=True,
        ),
        within_s=WAIT_S,
        clock=CLOCK,
        stop=lambda: False,
    )
    trader = IbSession(
        connection(gateway, 11), ES, limits=LIMITS, events=deaf.events, monotonic_ns=monotonic_ns
    )
    control = ControlClient("127.0.0.1", gateway.control_port)
    try:
        ear.wait_for(BrokerPnl, BrokerEquity)
        trader.connect()
        trader.choose_contract(month=None, roll_days=8)
        control.start()
        start_ns = int(gateway.hello["first_bar_start_ns"])
        order = OrderSpec(
            order_ref="MIA.x.20131008T143500.entry",
            instrument="",
            side=Side.BUY,
            quantity=1,
            order_type=OrderType.MARKET,
            purpose=Purpose.ENTRY,
            decided_at_ns=0,
        )
        trader.place([order])
        for number in range(1, 4):
            control.ack("guardian", start_ns + number * Timeframe.S5.ns)
        ear.wait_for(Tick, Quote, OrderSeen, OrderTerms, BrokerPosition)
        assert guardian.all_order_terms() == (
            OrderTerms(order_ref=order.order_ref, limit_ticks=None, stop_ticks=None),
        )
        assert {fact.contracts for fact in ear.facts if isinstance(fact, BrokerPosition)} == {1}
        spreads = {fact.spread_ticks for fact in ear.facts if isinstance(fact, Quote)}
        assert 2 in spreads
        assert guardian.account().startswith("DU")
    finally:
        control.close()
        trader.close()
        guardian.close()
