"""Who takes part in `mia bench throughput`: our broker actor, asked through Ray, and a bare script."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mia_actors.broker.halt_fence import STORE
from mia_actors.cli import bench_throughput_script
from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.errors import TransientError
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import OrderSpec, OrderType, Permit, Purpose, Side, order_ref
from mia_actors.core.session import BrokerMode, Connection, SessionInfo
from mia_actors.exchange.gateway.process import LOOPBACK
from mia_actors.supervision.events import Call, CallOutcome, HoldChildCall, ReleaseChildCall
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System

OUR_CLIENT_ID, SCRIPT_CLIENT_ID = 11, 31
CHILD, TREE = "broker", "bench"
PERMIT_S = 10.0
PERMIT_EPOCH = 1
ASK_WITHIN_S = 90.0
UP_WITHIN_S = 120.0
LOOK_EVERY_S = 0.05
CALM_S = 1.0
FAR_TICKS = 4000
STOP_BELOW_TICKS = 40
MS_PER_S = 1000.0
US_PER_S = 1e6


@dataclass(slots=True)
class Heard:
    """Bars in bursts: microseconds for a message, of each burst."""

    messages: int = 0
    us: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def add(self, messages: int, seconds: float, cpu_s: float) -> None:
        """One more burst; `messages` are those after the first, from which on time was taken."""
        self.messages += messages
        self.us.append(seconds / messages * US_PER_S)
        self.cpu_us.append(cpu_s / messages * US_PER_S)


@dataclass(slots=True)
class Figures:
    """What one contender did."""

    live: Heard = field(default_factory=Heard)
    backlog: Heard = field(default_factory=Heard)
    place_ms: list[float] = field(default_factory=list)
    cancel_ms: list[float] = field(default_factory=list)


class Contender(Protocol):
    """One way to hear bars and to send orders; it takes part in rounds, and is off the gateway between them."""

    figures: Figures

    @property
    def pid(self) -> int:
        """The process that hears and sends."""
        ...

    def begin(self) -> None:
        """Connects and subscribes."""
        ...

    def expect(self, count: int) -> None:
        """So many bars are about to come."""
        ...

    def received(self) -> tuple[float, float]:
        """Waits for them: seconds from the first to the last, and CPU seconds of its process."""
        ...

    def orders(self, count: int, pause_s: float) -> None:
        """So many brackets far from the market, each placed and then cancelled, with a pause after each."""
        ...

    def end(self) -> None:
        """Leaves the gateway."""
        ...


class Ours:
    """The broker as a supervised child; the caller asks it as the executor does."""

    def __init__(self, folder: Path, *, tws_port: int, pool: PoolSpec, clock: Clock) -> None:
        self.figures = Figures()
        self.inside_ms: dict[str, list[float]] = {"place": [], "cancel": []}
        self._clock = clock
        self._spares = pool.hosts
        self._instrument = ""
        self._price_ticks = 0
        self._decided_ns = 0
        state = folder / "state"
        state.mkdir(parents=True)
        _open_fence(state)
        info = SessionInfo(
            session_id="bench",
            state_dir=str(state),
            session_dir=str(folder),
            symbol="ES",
            contract_month=None,
            base_timeframe=Timeframe.M1,
            lockstep=True,
            control_host=LOOPBACK,
            control_port=0,
            connections=(("trading", _connection(tws_port)),),
        )
        child = ChildSpec(
            id=CHILD,
            run="mia_actors.cli.bench_throughput_broker:MeasuredBroker",
            settings={"history_days": 1},
            alive_within_s=30.0,
        )
        self._system = System.start(
            SupervisorSpec(id=TREE, intensity=10, period_s=60.0, children=(child,)),
            pool,
            info,
            folder,
            namespace="mia-throughput",
        )
        self._system.wait_up(UP_WITHIN_S)
        self._ref = self._system.ref(CHILD)
        self._is_up = True

    @property
    def pid(self) -> int:
        """See `Contender`."""
        process = next(child.process for child in self._system.tree().children if child.id == CHILD)
        if process is None:
            raise TransientError("the broker actor has no process")
        return process.pid

    def begin(self) -> None:
        """See `Contender`."""
        if not self._is_up:
            self._call(ReleaseChildCall(supervisor_id=TREE, child_id=CHILD))
            self._is_up = True
        self._instrument = self._ref.ask("contract", timeout_s=ASK_WITHIN_S).instrument
        self._wait_calm()

    def _wait_calm(self) -> None:
        """Spare processes that are being started would take what is measured away."""
        deadline_s = self._clock.monotonic_s() + UP_WITHIN_S
        while (
            (now := self._system.tree()).hosts_coming or len(now.spares) < self._spares or now.standby is None
        ):
            if self._clock.monotonic_s() > deadline_s:
                raise TransientError(f"the tree is not at rest after {UP_WITHIN_S:g} s")
            self._clock.sleep_s(LOOK_EVERY_S)
        self._clock.sleep_s(CALM_S)

    def expect(self, count: int) -> None:
        """See `Contender`."""
        self._ref.ask("expect", count, timeout_s=ASK_WITHIN_S)

    def received(self) -> tuple[float, float]:
        """See `Contender`."""
        found = self._ref.ask("received", timeout_s=ASK_WITHIN_S)
        self._price_ticks = self._ref.ask("expect", 0, timeout_s=ASK_WITHIN_S)
        return found["seconds"], found["cpu_s"]

    def orders(self, count: int, pause_s: float) -> None:
        """See `Contender`."""
        for _ in range(count):
            group = self._bracket()
            self.figures.place_ms.append(self._timed_ms("place", group, self._permit()))
            self._clock.sleep_s(pause_s)
            self.figures.cancel_ms.append(self._timed_ms("cancel", [group[0].order_ref]))
            self._clock.sleep_s(pause_s)
        for name, values in self._ref.ask("inside_ms", timeout_s=ASK_WITHIN_S).items():
            self.inside_ms[name] += values

    def end(self) -> None:
        """See `Contender`."""
        self._call(HoldChildCall(supervisor_id=TREE, child_id=CHILD, cause="the other's turn"))
        self._is_up = False

    def close(self) -> None:
        """Ends the tree."""
        self._system.stop()

    def _timed_ms(self, method: str, *facts: Any) -> float:
        began_s = self._clock.monotonic_s()
        self._ref.ask(method, *facts, timeout_s=ASK_WITHIN_S)
        return (self._clock.monotonic_s() - began_s) * MS_PER_S

    def _bracket(self) -> list[OrderSpec]:
        self._decided_ns += NS_PER_S
        limit_ticks = self._price_ticks - FAR_TICKS
        entry = OrderSpec(
            order_ref=order_ref("MIA", self._instrument, self._decided_ns, Purpose.ENTRY),
            instrument=self._instrument,
            side=Side.BUY,
            quantity=1,
            order_type=OrderType.LIMIT,
            purpose=Purpose.ENTRY,
            decided_at_ns=self._decided_ns,
            limit_ticks=limit_ticks,
        )
        stop = OrderSpec(
            order_ref=order_ref("MIA", self._instrument, self._decided_ns, Purpose.STOP),
            instrument=self._instrument,
            side=Side.SELL,
            quantity=1,
            order_type=OrderType.STOP,
            purpose=Purpose.STOP,
            decided_at_ns=self._decided_ns,
            stop_ticks=limit_ticks - STOP_BELOW_TICKS,
            parent_ref=entry.order_ref,
        )
        return [entry, stop]

    def _permit(self) -> Permit:
        now_ns = round(self._clock.monotonic_s() * NS_PER_S)
        return Permit(
            epoch=PERMIT_EPOCH,
            executor_incarnation=1,
            as_of_ns=self._decided_ns,
            granted_monotonic_ns=now_ns,
            expires_monotonic_ns=now_ns + round(PERMIT_S * NS_PER_S),
            position_contracts_max=1,
        )

    def _call(self, call: Call) -> None:
        answer = self._system.administer(call)
        if answer.outcome is not CallOutcome.OK:
            raise TransientError(f"{call}: {answer.outcome.value} {answer.cause}")


class Script:
    """A process without Ray and without us: the library and a loop."""

    def __init__(self, python: Path, library: str, *, tws_port: int, local_symbol: str) -> None:
        self.figures = Figures()
        self.version = ""
        self._command = [
            str(python),
            bench_throughput_script.__file__,
            library,
            str(tws_port),
            str(SCRIPT_CLIENT_ID),
            "ES",
            "CME",
            local_symbol,
        ]
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """See `Contender`."""
        return self._running().pid

    def begin(self) -> None:
        """See `Contender`."""
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = str(self._answer()["version"])

    def expect(self, count: int) -> None:
        """See `Contender`."""
        self._ask(do="expect", count=count)

    def received(self) -> tuple[float, float]:
        """See `Contender`."""
        found = self._ask(do="received")
        return found["seconds"], found["cpu_s"]

    def orders(self, count: int, pause_s: float) -> None:
        """See `Contender`."""
        found = self._ask(do="orders", count=count, pause_s=pause_s)
        self.figures.place_ms += found["place_ms"]
        self.figures.cancel_ms += found["cancel_ms"]

    def end(self) -> None:
        """See `Contender`."""
        self._ask(do="end")
        self.close()

    def close(self) -> None:
        """Ends the process; harmless when it has none."""
        process, self._process = self._process, None
        if process is not None:
            process.communicate()

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            raise TransientError("the bare script does not run")
        return self._process

    def _ask(self, **request: Any) -> dict[str, Any]:
        process = self._running()
        if process.stdin is not None:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        process = self._running()
        line = process.stdout.readline() if process.stdout is not None else ""
        if not line:
            raise TransientError(
                f"the bare script ended with code {process.wait()}; it needs {self._command[2]} in {self._command[0]}"
            )
        found: dict[str, Any] = json.loads(line)
        return found


def stopped(pid: int, fill: Callable[[], None]) -> None:
    """Runs `fill` while a process is stopped; it goes on whatever happens."""
    os.kill(pid, signal.SIGSTOP)
    try:
        fill()
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _connection(port: int) -> Connection:
    return Connection(host=LOOPBACK, port=port, client_id=OUR_CLIENT_ID, mode=BrokerMode.SIM)


def _open_fence(state: Path) -> None:
    """The guardian's store as the fence reads it: nothing was ever halted."""
    with closing(sqlite3.connect(state / STORE)) as store, store:
        store.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER)")
        store.execute("INSERT INTO facts VALUES ('epoch', ?)", (PERMIT_EPOCH,))
