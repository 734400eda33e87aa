"""One trial of `mia bench halt`: a position, what the case does, one falling bar, the halt, attempts, resume."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.cli.bench_halt_attempts import (
    ATTEMPT_WITHIN_S,
    BENCH_PREFIX,
    STALE_PREFIX,
    ask_for_risk,
    bracket_of,
    far_entry,
    word_of,
)
from mia_actors.cli.bench_halt_floor import BareSocket
from mia_actors.cli.bench_halt_tape import TrialPlan
from mia_actors.core.clock import NS_PER_S, Clock, iso_utc
from mia_actors.core.errors import InvariantViolated, TransientError
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import OrderState, Permit, Purpose
from mia_actors.core.session import Connection, SessionInfo
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.market import Role
from mia_actors.guardian import console
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.snapshot import ChildView
from mia_actors.supervision.system import System

EXECUTION, BROKER, GUARDIAN = "execution", "broker", "guardian"
BUSY_PROCESSES = 4
BUSY_PROGRAM = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""Ends with the bench, however that ends."""
BAR_LASTS_S = 1.0
"""After the halt the next bar comes so much later, unless FLAT was confirmed before."""
LOOK_EVERY_S = 0.005
ARRIVE_WITHIN_S = 60.0
CALM_WITHIN_S = 120.0
DEATH_WITHIN_S = 10.0
QUIET_S = 1.0
"""After a trial's last bars, which come as fast as they are acknowledged: the guardian looks at the account at each of
them, and its next messages would wait for the library's limit of messages per second."""
ROLL_DAYS = 8
ROUND_TRIPS = 5
SYNCS = 3
LIMITS = SessionLimits(connect_timeout_s=10.0, request_timeout_s=20.0, ack_timeout_s=20.0)


class Case(StrEnum):
    """What is the matter when the limit breaks."""

    HEALTHY = "healthy"
    EXECUTOR_KILLED = "executor_killed"
    TRADERS_STOPPED = "executor_and_broker_stopped"
    SUPERVISOR_KILLED = "supervisor_killed"
    LOADED = "machine_loaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What one halt was like."""

    cancel_ms: float
    """From the bar leaving the gateway to the guardian's global cancel arriving there."""
    flat_market_s: float
    """Market time from that cancel until the account had no position and no order."""
    confirmed_ms: float
    """From the bar leaving to FLAT confirmed twice and on the guardian's disk, as an onlooker sees it."""
    attempts: int
    """Orders that would have increased risk, tried after the halt."""
    accepted: int
    """How many such orders the gateway took after the halt, from anybody but the guardian."""
    answers: tuple[str, ...]
    """What became of each attempt, by the word of whom it was asked of."""
    floor_ms: tuple[float, ...]
    """Round trips over a bare socket, right after it."""
    sync_ms: tuple[float, ...]
    """Bare writes to the disk of the latch, until they are on it, right after it."""


class HaltTrials:
    """Conducts a session: the market stands until this lets it go on."""

    def __init__(
        self, session: SessionInfo, system: System, case: Case, *, spares: int, clock: Clock
    ) -> None:
        """`spares` is how many hosts the pool has at rest."""
        self._guardian_id = session.connection(GUARDIAN).client_id
        self._spares = spares
        self._system = system
        self._case = case
        self._clock = clock
        self._state = Path(session.state_dir)
        self._control = ControlClient(session.control_host, session.control_port)
        self._latch = Latch.open(self._state)
        self._desk = _desk(session, clock)
        self._instrument = ""
        self._cancels_seen = 0
        self._stopped: list[ProcessId] = []

    def run(self, plans: tuple[TrialPlan, ...], tell: Callable[[int], None]) -> list[TrialResult]:
        """One trial after the other; `tell` is given the number of those done.

        Raises:
            MiaError: something did not come about in time.
        """
        results: list[TrialResult] = []
        self._desk.connect()
        self._instrument = self._desk.choose_contract(month=None, roll_days=ROLL_DAYS).instrument
        with _busy(BUSY_PROCESSES if self._case is Case.LOADED else 0), BareSocket(self._clock) as bare:
            try:
                for plan in plans:
                    results.append(self._trial(plan, bare))
                    tell(len(results))
            finally:
                self._go_on()
                self._control.ack(Role.HOLDER, plans[-1].ends_at_ns)
                self._desk.close()
                self._control.close()
                self._latch.close()
        return results

    def _trial(self, plan: TrialPlan, bare: BareSocket) -> TrialResult:
        self._wait(self._is_calm, "the tree at rest", CALM_WITHIN_S)
        earlier = self._control.global_cancels()
        self._cancels_seen = int(earlier[-1]["number"]) if earlier else 0
        self._hold_at(plan.open_at_ns)
        self._place_control(plan.open_at_ns)
        self._open_position(plan.open_at_ns)
        self._hold_at(plan.breaks_from_ns)
        permit = self._permit(plan.breaks_from_ns)
        self._do(self._case)
        began_s = self._clock.monotonic_s()
        self._control.ack(Role.HOLDER, plan.breaks_from_ns)
        cancel = self._arrived_cancel()
        flat_at_ns, confirmed_s = self._flat(plan.breaks_at_ns, int(cancel["number"]))
        answers = self._attempts(self._market_ns(), permit)
        self._wait(self._is_calm, "the tree at rest again", CALM_WITHIN_S)
        accepted = self._accepted_after(int(cancel["orders_before"]))
        self._hold_at(plan.ends_at_ns)
        self._resume()
        self._clock.sleep_s(QUIET_S)
        return TrialResult(
            cancel_ms=float(cancel["after_bar_ms"]),
            flat_market_s=(flat_at_ns - int(cancel["market_time_ns"])) / NS_PER_S,
            confirmed_ms=(confirmed_s - began_s) * 1000,
            attempts=len(answers),
            accepted=accepted,
            answers=answers,
            floor_ms=bare.round_trips_ms(ROUND_TRIPS),
            sync_ms=bare.syncs_ms(SYNCS, self._state),
        )

    # --- before the halt ---

    def _place_control(self, now_ns: int) -> None:
        """An order like those attempted later, allowed now: it is taken, and the halt has something to cancel."""
        group = far_entry(STALE_PREFIX, self._instrument, now_ns)
        self._system.ref(BROKER).ask("place", group, self._permit(now_ns), timeout_s=ATTEMPT_WITHIN_S)

    def _open_position(self, now_ns: int) -> None:
        """One contract long with its stop, from a session that asks nobody for a permit."""
        self._desk.place(bracket_of(BENCH_PREFIX, self._instrument, now_ns, limit_ticks=None))
        self._control.ack(Role.HOLDER, now_ns)
        self._wait(lambda: self._desk.position_contracts() == 1, "the position", ARRIVE_WITHIN_S)

    def _permit(self, now_ns: int) -> Permit:
        """One of now; the executor's successor may have to wait for its first."""
        found: list[Permit] = []

        def granted() -> bool:
            incarnation = self._child(EXECUTION).incarnation
            answer = self._system.ref(GUARDIAN).ask("permit", now_ns, incarnation)
            if isinstance(answer, Permit):
                found.append(answer)
            return bool(found)

        self._wait(granted, "a permit before the halt", ARRIVE_WITHIN_S)
        return found[0]

    # --- the halt ---

    def _do(self, case: Case) -> None:
        """What is the matter in this case, at the last moment before the bar leaves."""
        if case is Case.EXECUTOR_KILLED:
            self._kill(self._process(EXECUTION))
        elif case is Case.SUPERVISOR_KILLED:
            self._kill(self._system.tree().supervisor.process)
        elif case is Case.TRADERS_STOPPED:
            self._stopped = [self._process(EXECUTION), self._process(BROKER)]
            for process in self._stopped:
                process.send(signal.SIGSTOP)
            self._wait(lambda: all(one.is_stopped() for one in self._stopped), "stopped", ARRIVE_WITHIN_S)

    def _kill(self, process: ProcessId) -> None:
        if not process.alive() or not process.kill(DEATH_WITHIN_S):
            raise TransientError(f"process {process.pid} was not there to be killed, or did not end")

    def _arrived_cancel(self) -> dict[str, Any]:
        """The guardian's first global cancel of this halt."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            cancels = self._control.global_cancels(self._cancels_seen)
            found[:] = [cancel for cancel in cancels if cancel["client_id"] == self._guardian_id]
            return bool(found)

        self._wait(arrived, "the guardian's cancel", ARRIVE_WITHIN_S)
        return found[0]

    def _flat(self, moment_ns: int, number: int) -> tuple[int, float]:
        """Lets the market go on by one bar at a time until FLAT is confirmed; market time of flat, and the moment."""
        while not self._is_confirmed():
            self._wait(self._is_held, f"the bar handled, {self._latch.read().outcome}", ARRIVE_WITHIN_S)
            self._control.ack(Role.HOLDER, moment_ns)
            moment_ns += Timeframe.S5.ns
            self._looks_for(BAR_LASTS_S)
        confirmed_s = self._clock.monotonic_s()
        flat_at_ns = self._control.global_cancels(number - 1)[0]["flat_at_ns"]
        if flat_at_ns is None:
            raise InvariantViolated("FLAT was confirmed, and the gateway has a position or an order")
        return int(flat_at_ns), confirmed_s

    def _looks_for(self, within_s: float) -> None:
        """Waits for the confirmation, no longer than a bar is to last."""
        deadline_s = self._clock.monotonic_s() + within_s
        while not self._is_confirmed() and self._clock.monotonic_s() < deadline_s:
            self._clock.sleep_s(LOOK_EVERY_S)

    def _is_confirmed(self) -> bool:
        latched = self._latch.read()
        return latched.state is TradingState.HALTED and latched.is_flat

    # --- after it ---

    def _attempts(self, now_ns: int, permit: Permit) -> tuple[str, ...]:
        """Asks everybody who could send an order; what is stopped goes on with these waiting for it."""
        asked = ask_for_risk(
            execution=self._system.ref(EXECUTION),
            broker=self._system.ref(BROKER),
            instrument=self._instrument,
            now_ns=now_ns,
            permit=permit,
        )
        self._go_on()
        return tuple(f"{name}: {word_of(answer)}" for name, answer in asked.items())

    def _accepted_after(self, orders_before: int) -> int:
        """Orders the gateway has taken since, but for the guardian's; all that were tried would add risk."""
        return sum(
            int(order["client_id"]) != self._guardian_id
            and str(order["state"]) != OrderState.REJECTED
            and str(order["order_ref"]).endswith(f".{Purpose.ENTRY}")
            for order in self._control.orders()[orders_before:]
        )

    def _resume(self) -> None:
        self._wait(self._is_confirmed, "a flat account", ARRIVE_WITHIN_S)
        seen = self._latch.read()
        console.resume(self._state, of=seen, reason="the next trial", who="bench", clock=self._clock)

    def _go_on(self) -> None:
        for process in self._stopped:
            process.send(signal.SIGCONT)
        self._stopped.clear()

    # --- looking ---

    def _hold_at(self, moment_ns: int) -> None:
        """Lets the market go on to this moment; when this returns it waits for nobody but the bench."""
        self._control.ack(Role.HOLDER, moment_ns - 1)
        self._wait(
            lambda: self._is_held() and self._market_ns() == moment_ns,
            f"market time {iso_utc(moment_ns)}",
            ARRIVE_WITHIN_S,
        )

    def _is_held(self) -> bool:
        """Whether the market waits for the bench alone."""
        waiting_for: list[str] = self._control.status()["waiting_for"]
        return waiting_for == [Role.HOLDER]

    def _market_ns(self) -> int:
        return int(self._control.status()["market_time_ns"])

    def _is_calm(self) -> bool:
        """Whether everything that was being started is up."""
        tree = self._system.tree()
        return (
            tree.supervisor.process.alive()
            and tree.root.state == "up"
            and not tree.hosts_coming
            and len(tree.spares) >= self._spares
            and tree.standby is not None
        )

    def _wait(self, is_so: Callable[[], bool], what: str, within_s: float) -> None:
        deadline_s = self._clock.monotonic_s() + within_s
        while not is_so():
            if self._system.failed is not None:
                raise TransientError(f"the tree is down: {self._system.failed}")
            if self._clock.monotonic_s() > deadline_s:
                raise TransientError(f"not within {within_s:g} s: {what}")
            self._clock.sleep_s(LOOK_EVERY_S)

    def _child(self, child_id: str) -> ChildView:
        return next(child for child in self._system.tree().children if child.id == child_id)

    def _process(self, child_id: str) -> ProcessId:
        view = self._child(child_id).process
        if view is None:
            raise InvariantViolated(f"{child_id} has no process")
        return view.process


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Processes that do nothing but keep the machine busy."""
    processes = [subprocess.Popen([sys.executable, "-S", "-c", BUSY_PROGRAM]) for _ in range(count)]  # noqa: S603 - our own program
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _desk(session: SessionInfo, clock: Clock) -> IbSession:
    trading = session.connection(GUARDIAN)
    client_id = max(connection.client_id for _, connection in session.connections) + 1
    return IbSession(
        Connection(host=trading.host, port=trading.port, client_id=client_id, mode=trading.mode),
        session.product,
        limits=LIMITS,
        events=SessionEvents(on_bar=_nothing, on_fill=_nothing, on_disconnect=lambda: None),
        monotonic_ns=lambda: round(clock.monotonic_s() * NS_PER_S),
    )


def _nothing(_fact: object) -> None:
    """The gateway is asked instead."""
