"""Broker actors without a tree around them, against the simulated gateway: the real client library, in lockstep."""

import threading
from pathlib import Path
from typing import Any

from mia_actors.broker.actor import Broker, BrokerSettings
from mia_actors.broker.market_gate import LockstepGate
from mia_actors.broker.messages import BarClosed
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import OrderSpec, OrderType, Permit, Purpose, Side, order_ref
from mia_actors.core.session import BrokerMode, Connection, SessionInfo
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess
from mia_actors.guardian.latch import Latch
from mia_actors.supervision.activity import Activity

BARS = 6
HISTORY_DAYS = 2
SOURCE = "synthetic:7"
NEAR_TICKS = 10_000
"""Near the first prices of that tape."""
WAIT_S = 10.0
FOREVER_NS = 1 << 62
SMALL_NS = Timeframe.S5.ns


class FakeContext:
    """What a child is given, without a tree around it."""

    def __init__(self, session: SessionInfo, incarnation: int) -> None:
        self.child_id = "broker"
        self.incarnation = incarnation
        self.session = session
        self.clock = SystemClock()
        self.crashed: BaseException | None = None
        self.crash_seen = threading.Event()
        activity = Activity(self.clock)
        self.loop, self.progress = activity.doing, activity.progress

    def armed(self) -> None:
        """Nobody waits for it here."""

    def crash(self, error: BaseException) -> None:
        """The process would end here."""
        self.crashed = error
        self.crash_seen.set()


class Market:
    """A gateway, its two acknowledging roles, and any number of broker incarnations on one journal."""

    def __init__(self, folder: Path) -> None:
        arguments = ("--tape", SOURCE, "--cycles", str(BARS), "--history-days", str(HISTORY_DAYS))
        self.gateway = GatewayProcess.start(arguments)
        self.control = ControlClient("127.0.0.1", self.gateway.control_port)
        self.guardian = LockstepGate("127.0.0.1", self.gateway.control_port, "guardian")
        self.cycle = LockstepGate("127.0.0.1", self.gateway.control_port, "cycle")
        connection = Connection(
            host="127.0.0.1", port=self.gateway.tws_port, client_id=11, mode=BrokerMode.SIM
        )
        self.info = SessionInfo(
            session_id="test",
            state_dir=str(folder),
            session_dir=str(folder),
            symbol="ES",
            contract_month=None,
            base_timeframe=Timeframe.M1,
            lockstep=True,
            control_host="127.0.0.1",
            control_port=self.gateway.control_port,
            connections=(("trading", connection),),
        )
        self.latch = Latch.open(folder)
        self.brokers: list[Broker] = []
        self.contexts: list[FakeContext] = []

    @property
    def first_start_ns(self) -> int:
        return int(self.gateway.hello["first_bar_start_ns"])

    def broker(self, **settings: Any) -> Broker:
        context = FakeContext(self.info, len(self.brokers) + 1)
        given = {"history_days": HISTORY_DAYS, "connect_within_s": WAIT_S} | settings
        broker = Broker(BrokerSettings(**given), context)  # type: ignore[arg-type]
        broker.start()
        self.brokers.append(broker)
        self.contexts.append(context)
        return broker

    def show(self, bars: int) -> None:
        """Acknowledges as the guardian so that `bars` 5-second bars have been shown in all."""
        self.guardian.acknowledge(self.first_start_ns + (bars - 1) * SMALL_NS)

    def close(self) -> None:
        for broker in self.brokers:
            broker.stop()
        self.control.close()
        self.guardian.close()
        self.cycle.close()
        self.gateway.stop()
        self.latch.close()


def next_bar(broker: Broker, after: Bar | None) -> BarClosed:
    closed = broker.next_bar(after.start_ns if after else None, WAIT_S)
    assert closed is not None, "no bar in time"
    return closed


def bracket(market: Market, decided_at_ns: int, price_ticks: int, *, quantity: int = 1) -> list[OrderSpec]:
    instrument = str(market.gateway.hello["contract"])

    def leg(purpose: Purpose, order_type: OrderType, **more: Any) -> OrderSpec:
        return OrderSpec(
            order_ref=order_ref("MIA", instrument, decided_at_ns, purpose),
            instrument=instrument,
            side=Side.BUY if purpose is Purpose.ENTRY else Side.SELL,
            quantity=quantity,
            order_type=order_type,
            purpose=purpose,
            decided_at_ns=decided_at_ns,
            parent_ref=None
            if purpose is Purpose.ENTRY
            else order_ref("MIA", instrument, decided_at_ns, Purpose.ENTRY),
            **more,
        )

    return [
        leg(Purpose.ENTRY, OrderType.MARKET),
        leg(Purpose.STOP, OrderType.STOP, stop_ticks=price_ticks - 400),
        leg(Purpose.TARGET, OrderType.LIMIT, limit_ticks=price_ticks + 400),
    ]


def permit(*, epoch: int = 1, ttl_s: float = 60.0, limit: int = 1, incarnation: int = 1) -> Permit:
    return Permit(
        epoch=epoch,
        executor_incarnation=incarnation,
        as_of_ns=0,
        granted_monotonic_ns=round(SystemClock().monotonic_s() * NS_PER_S),
        expires_monotonic_ns=round((SystemClock().monotonic_s() + ttl_s) * NS_PER_S),
        position_contracts_max=limit,
    )
