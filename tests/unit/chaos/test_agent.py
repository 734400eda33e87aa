"""The agent at work on processes of this test, with a tree file and a decision journal written by hand."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mia_actors.chaos.agent import ChaosAgent, ChaosLimits, ChaosReport
from mia_actors.chaos.comparison import BrokerOrder
from mia_actors.chaos.plan import Fault, FaultKind
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.market import Timeframe
from mia_actors.core.session import BrokerMode, Connection, SessionInfo
from mia_actors.supervision.processes import ProcessId, own_process
from mia_actors.supervision.snapshot import (
    ChildView,
    ProcessView,
    SupervisorView,
    TreeSnapshot,
    write_tree,
)

CLOCK = SystemClock()
WITHIN_S = 10.0
TRADING_ID = 11


def eventually(condition: Callable[[], Any]) -> Any:
    deadline_s = CLOCK.monotonic_s() + WITHIN_S
    while not (found := condition()):
        assert CLOCK.monotonic_s() < deadline_s
        CLOCK.sleep_s(0.005)
    return found


@dataclass
class FakeGateway:
    """Takes back a dropped client when it is looked at for the second time; answers while its process lives."""

    connected: bool = True
    dropped: list[int] = field(default_factory=list)
    looks: int = 0
    process: ProcessId = field(default_factory=own_process)

    def status(self) -> dict[str, Any]:
        self._answer()
        self.looks += 1
        self.connected = self.connected or self.looks > 1
        clients = [TRADING_ID] if self.connected else []
        return {"clients": clients, "pid": self.process.pid, "start_time": self.process.start_time}

    def orders(self) -> list[dict[str, Any]]:
        self._answer()
        return [
            {"order_ref": "one.entry", "state": "filled", "filled": 1},
            {"order_ref": "one.stop", "state": "rejected", "filled": 0},
        ]

    def drop(self, client_id: int) -> bool:
        self._answer()
        was_connected, self.connected = self.connected, False
        self.dropped.append(client_id)
        return was_connected

    def _answer(self) -> None:
        if not self.process.alive():
            raise BrokerDisconnected("connection refused")


@dataclass
class Stage:
    """A session of one child, `worker`, whose process this test starts."""

    folder: Path
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    agent: ChaosAgent | None = None

    def spawn(self) -> ProcessId:
        """A process that reads its standard input for ever."""
        program = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
        self.processes.append(subprocess.Popen(program, stdin=subprocess.PIPE))
        found = ProcessId.of(self.processes[-1].pid)
        assert found is not None
        return found

    def show(self, process: ProcessId, incarnation: int, state: str = "up") -> None:
        """Writes the tree."""
        view = ProcessView(host_id="h", pid=process.pid, start_time=process.start_time, node_id="n")
        child = ChildView(
            id="worker",
            run="m:C",
            state=state,
            incarnation=incarnation,
            restarts=incarnation - 1,
            process=view,
            last_exit=None,
            last_cause="",
        )
        root = SupervisorView(
            id="root",
            strategy="one_for_one",
            state="up",
            intensity=1,
            period_s=1.0,
            restarts_in_window=0,
            cause="",
            children=(child,),
        )
        tree = TreeSnapshot(
            version=1,
            time_ns=0,
            boot_id="b",
            namespace="n",
            supervisor=view,
            root=root,
            spares=(),
            hosts_coming=0,
            epoch=1,
            standby=None,
        )
        write_tree(self.folder, tree)

    def decide(self, cycles: int) -> None:
        """So many cycles more."""
        journal = sqlite3.connect(self.folder / "decisions.db")
        journal.execute("CREATE TABLE IF NOT EXISTS decisions (number INTEGER)")
        journal.executemany("INSERT INTO decisions VALUES (?)", [(number,) for number in range(cycles)])
        journal.commit()
        journal.close()

    def begin(self, *faults: Fault, hang_detected_s: float = 30.0, finish_s: float = 5.0) -> None:
        trading = Connection(host="h", port=1, client_id=TRADING_ID, mode=BrokerMode.SIM)
        session = SessionInfo(
            session_id="s",
            state_dir=str(self.folder),
            session_dir=str(self.folder),
            symbol="ES",
            contract_month=None,
            base_timeframe=Timeframe.M1,
            lockstep=True,
            control_host="h",
            control_port=1,
            connections=(("trading", trading),),
        )
        limits = ChaosLimits(hang_detected_s=hang_detected_s, finish_s=finish_s)
        self.agent = ChaosAgent(
            faults, session, control=self.gateway, clock=CLOCK, limits=limits, trading="trading"
        )
        self.agent.start()

    def finish(self) -> ChaosReport:
        assert self.agent is not None
        return self.agent.finish()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(folder=tmp_path)
    yield made
    if made.agent is not None:
        made.agent.abort()
    for process in made.processes:
        process.kill()
        process.communicate()


def fault(kind: FaultKind = FaultKind.KILL, *, after_cycles: int = 2, target: str = "worker") -> Fault:
    return Fault(number=1, kind=kind, target=target, after_cycles=after_cycles, delay_ms=1.0)


def is_stopped(process: ProcessId) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def test_a_kill_waits_for_its_cycle_and_the_next_one_for_the_next_life(stage: Stage) -> None:
    first = stage.spawn()
    stage.show(first, incarnation=1)
    stage.decide(1)
    stage.begin(fault(), fault(after_cycles=3))
    CLOCK.sleep_s(0.05)
    assert first.alive(), "one cycle was decided, two are asked for"
    stage.decide(2)
    eventually(lambda: not first.alive())
    second = stage.spawn()
    stage.show(second, incarnation=2)
    eventually(lambda: not second.alive())
    stage.show(stage.spawn(), incarnation=3)
    report = stage.finish()
    assert [(one.incarnation, one.pid, one.gone) for one in report.strikes] == [
        (1, first.pid, True),
        (2, second.pid, True),
    ]
    assert report.not_carried_out == ()
    assert ProcessId.of(stage.processes[-1].pid) is not None, "a life that no fault asked for was left alone"


def test_a_pid_that_was_given_to_somebody_else_is_left_alone(stage: Stage) -> None:
    process = stage.spawn()
    stage.show(replace(process, start_time=process.start_time - 1), incarnation=1)
    stage.decide(9)
    stage.begin(fault(), finish_s=0.2)
    report = stage.finish()
    assert process.alive()
    assert (report.strikes, len(report.not_carried_out)) == ((), 1)


def test_a_hang_that_nobody_notices_ends_after_its_limit_and_is_counted(stage: Stage) -> None:
    process = stage.spawn()
    stage.show(process, incarnation=1)
    stage.decide(9)
    stage.begin(fault(FaultKind.HANG), hang_detected_s=0.3)
    eventually(lambda: is_stopped(process))
    eventually(lambda: not is_stopped(process))
    report = stage.finish()
    assert process.alive()
    assert report.hangs_not_detected == 1
    assert [one.gone for one in report.strikes] == [False]


def test_a_hung_child_that_its_supervisor_ended_was_detected(stage: Stage) -> None:
    process = stage.spawn()
    stage.show(process, incarnation=1)
    stage.decide(9)
    stage.begin(fault(FaultKind.HANG))
    eventually(lambda: is_stopped(process))
    process.kill(WITHIN_S)
    stage.show(stage.spawn(), incarnation=2)
    report = stage.finish()
    assert (report.hangs_not_detected, [one.gone for one in report.strikes]) == (0, [True])


def test_nothing_stays_stopped_when_the_session_is_given_up(stage: Stage) -> None:
    process = stage.spawn()
    stage.show(process, incarnation=1)
    stage.decide(9)
    stage.begin(fault(FaultKind.HANG))
    eventually(lambda: is_stopped(process))
    assert stage.agent is not None
    stage.agent.abort()
    eventually(lambda: not is_stopped(process))


def test_a_cut_connection_has_recovered_when_its_client_is_back(stage: Stage) -> None:
    stage.show(stage.spawn(), incarnation=1)
    stage.decide(9)
    stage.begin(fault(FaultKind.SOCKET, target="trading"))
    report = stage.finish()
    (strike,) = report.strikes
    assert stage.gateway.dropped == [TRADING_ID]
    assert strike.recovered_ns is not None
    assert strike.recovered_ns > strike.at_ns


def test_a_gateway_has_recovered_when_another_one_answers_and_the_trading_client_is_back(
    stage: Stage,
) -> None:
    first = stage.gateway.process = stage.spawn()
    stage.show(stage.spawn(), incarnation=1)
    stage.decide(9)
    stage.begin(fault(FaultKind.GATEWAY, target="gateway"), fault(FaultKind.SOCKET, target="trading"))
    eventually(lambda: not first.alive())
    stage.gateway.connected, stage.gateway.looks = False, 0
    answered_ns = CLOCK.now_ns()
    stage.gateway.process = stage.spawn()
    report = stage.finish()
    struck, cut = report.strikes
    assert (struck.pid, struck.gone, cut.fault.kind) == (first.pid, True, FaultKind.SOCKET)
    assert struck.recovered_ns is not None
    assert struck.recovered_ns > answered_ns
    assert stage.gateway.dropped == [TRADING_ID], "a connection is not cut while there is no gateway"
    assert cut.at_ns >= struck.recovered_ns
    assert stage.gateway.process.alive(), "a gateway that no fault asked for was left alone"
    assert len(report.broker_orders) == 2


def test_a_gateway_that_does_not_come_back_is_told(stage: Stage) -> None:
    stage.gateway.process = stage.spawn()
    stage.show(stage.spawn(), incarnation=1)
    stage.decide(9)
    stage.begin(fault(FaultKind.GATEWAY, target="gateway"), finish_s=0.2)
    with pytest.raises(BrokerDisconnected):
        stage.finish()


def test_the_broker_s_books_are_read_at_the_end(stage: Stage) -> None:
    stage.show(stage.spawn(), incarnation=1)
    stage.begin(fault())
    report = stage.finish()
    assert report.broker_orders == (
        BrokerOrder(order_ref="one.entry", filled=1, rejected=False),
        BrokerOrder(order_ref="one.stop", filled=0, rejected=True),
    )
    assert len(report.not_carried_out) == 1, "no cycle was decided, and it does not wait for one"
