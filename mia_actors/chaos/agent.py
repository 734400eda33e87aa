"""Carries out a plan of faults on a running session: real signals to real processes, real connections cut.

Guarantees:

* A signal goes only to the very process that the tree, or the gateway itself, names by pid and start time.
* No life of a child that a fault ended, or may yet end, is struck again; a fault whose target has no fresh life
  now waits for one.
* A stopped process that nobody replaces within its limit, or that is stopped when the session ends, goes on.
"""

import signal
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import assert_never

from mia_actors.chaos.comparison import BrokerOrder
from mia_actors.chaos.gateway_look import GatewayControl, GatewayLook
from mia_actors.chaos.plan import GATEWAY, SUPERVISOR, Fault, FaultKind
from mia_actors.chaos.recovery import Strike
from mia_actors.core.clock import Clock
from mia_actors.core.session import SessionInfo
from mia_actors.store.decision_journal import DECISIONS_FILE
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.snapshot import TreeSnapshot, read_tree
from mia_actors.telemetry.logs import get_logger

LOOK_EVERY_S = 0.005
DEATH_WITHIN_S = 10.0
"""A SIGKILL that takes longer is not counted."""
MS_PER_S = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosLimits:
    """How long the agent waits for what."""

    hang_detected_s: float = 15.0
    """A stopped child that nobody replaced by then is let go on."""
    finish_s: float = 30.0
    """After the market's end: for faults still due, and for what they struck to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosReport:
    """What the agent did."""

    strikes: tuple[Strike, ...]
    not_carried_out: tuple[Fault, ...]
    """Never due, or their target never had a fresh life."""
    hangs_not_detected: int
    broker_orders: tuple[BrokerOrder, ...]


@dataclass(slots=True)
class _Due:
    fault: Fault
    at_s: float


@dataclass(slots=True)
class _Open:
    """A strike whose recovery is seen from outside only."""

    place: int
    process: ProcessId | None
    since_s: float


class ChaosAgent:
    """One session's agent. `start` when its tree is up, `finish` when its market is over, from one thread."""

    def __init__(
        self,
        faults: Sequence[Fault],
        session: SessionInfo,
        *,
        control: GatewayControl,
        clock: Clock,
        limits: ChaosLimits,
        trading: str,
    ) -> None:
        """`control` is used by one thread at a time, first the agent's, then `finish`'s.

        The connection `trading` has to be there again before a gateway counts as recovered.
        """
        self._trading = trading
        self._session = session
        self._gateway = GatewayLook(control, clock)
        self._clock = clock
        self._limits = limits
        self._log = get_logger(actor="chaos")
        self._planned = list(faults)
        self._due: list[_Due] = []
        self._open: list[_Open] = []
        self._strikes: list[Strike] = []
        self._struck: set[tuple[str, int]] = set()
        self._hangs_not_detected = 0
        self._ending_s: float | None = None
        self._aborted = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)

    def start(self) -> None:
        """Begins to follow the session."""
        self._thread.start()

    def finish(self, *, wait: bool = True) -> ChaosReport:
        """Carries out what is due, waits, bounded, for recovery, and reads the broker's books.

        Without `wait` it only reads the books: for a session whose tree is down.

        Raises:
            TransientError: the gateway did not answer within `finish_s`.
            Exception: what ended the agent's own thread, if it ended early.
        """
        self._ending_s = self._clock.monotonic_s() + (self._limits.finish_s if wait else 0.0)
        self._join()
        if self._failure is not None:
            raise self._failure
        return ChaosReport(
            strikes=tuple(self._strikes),
            not_carried_out=(*(due.fault for due in self._due), *self._planned),
            hangs_not_detected=self._hangs_not_detected,
            broker_orders=self._gateway.books(self._limits.finish_s),
        )

    def abort(self) -> None:
        """Ends the agent at once; nothing stays stopped. For sessions that failed."""
        self._aborted = True
        self._join()

    def _join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    # --- the thread ---

    def _run(self) -> None:
        try:
            while not self._is_done():
                self._make_due()
                self._due = [due for due in self._due if not self._tried(due)]
                self._watch_open()
                self._clock.sleep_s(self._pause_s())
        except Exception as error:  # noqa: BLE001 - told by `finish`; the session itself goes on
            self._log.exception("chaos.failed")
            self._failure = error
        finally:
            self._let_go()

    def _is_done(self) -> bool:
        if self._aborted:
            return True
        if self._ending_s is None:
            return False
        self._make_due()  # the last time: the market is over, and what is not due now never will be
        return self._clock.monotonic_s() > self._ending_s or not (
            self._due or self._open or self._is_recovering()
        )

    def _is_recovering(self) -> bool:
        """Whether a child is not up, so that the last strike's recovery is in the event log too."""
        tree = self._tree()
        return tree is None or any(child.state != "up" for child in tree.children)

    def _pause_s(self) -> float:
        now_s = self._clock.monotonic_s()
        return max(0.0, min([LOOK_EVERY_S, *(due.at_s - now_s for due in self._due if due.at_s > now_s)]))

    def _make_due(self) -> None:
        if not self._planned:
            return
        cycles = self._cycles()
        now_s = self._clock.monotonic_s()
        while self._planned and self._planned[0].after_cycles <= cycles:
            fault = self._planned.pop(0)
            self._due.append(_Due(fault=fault, at_s=now_s + fault.delay_ms / MS_PER_S))

    def _cycles(self) -> int:
        """Cycles decided so far."""
        path = self._session.path(DECISIONS_FILE)
        if not path.exists():
            return 0
        with (
            suppress(sqlite3.OperationalError),
            closing(sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, timeout=1.0)) as journal,
        ):
            return int(journal.execute("SELECT COUNT(*) FROM decisions").fetchone()[0])
        return 0

    def _tree(self) -> TreeSnapshot | None:
        return read_tree(self._session.path("."))

    # --- faults ---

    def _tried(self, due: _Due) -> bool:
        """Carries out a fault whose time has come; false when it is to be tried again."""
        if self._clock.monotonic_s() < due.at_s:
            return False
        match due.fault.kind:
            case FaultKind.KILL | FaultKind.GUARDIAN | FaultKind.HANG:
                return self._strike_child(due.fault)
            case FaultKind.SUPERVISOR:
                return self._kill_supervisor(due.fault)
            case FaultKind.SOCKET:
                return self._drop(due.fault)
            case FaultKind.GATEWAY:
                return self._kill_gateway(due.fault)
            case FaultKind.NODE:
                raise NotImplementedError("the plan refuses this fault")
            case _:
                assert_never(due.fault.kind)

    def _strike_child(self, fault: Fault) -> bool:
        tree = self._tree()
        view = next((one for one in tree.children if one.id == fault.target), None) if tree else None
        if view is None or view.process is None or (view.id, view.incarnation) in self._struck:
            return False
        process, is_hang = view.process.process, fault.kind is FaultKind.HANG
        at_ns = self._clock.now_ns()
        if not process.send(signal.SIGSTOP if is_hang else signal.SIGKILL):
            return False
        self._struck.add((view.id, view.incarnation))
        gone = not is_hang and process.wait_gone(DEATH_WITHIN_S)
        self._add(Strike(fault=fault, incarnation=view.incarnation, pid=process.pid, at_ns=at_ns, gone=gone))
        if is_hang:
            self._follow(process)
        return True

    def _kill_supervisor(self, fault: Fault) -> bool:
        """Its successor is a new process in the tree file."""
        tree = self._tree()
        return tree is not None and self._kill_process(fault, SUPERVISOR, tree.supervisor.process)

    def _kill_gateway(self, fault: Fault) -> bool:
        """Its successor is a new process behind the same control port."""
        view = self._gateway.view()
        return view is not None and self._kill_process(fault, GATEWAY, view.process)

    def _kill_process(self, fault: Fault, name: str, process: ProcessId) -> bool:
        at_ns = self._clock.now_ns()
        life = (f"{name} {process.pid}", process.start_time)
        if life in self._struck or not process.send(signal.SIGKILL):
            return False
        self._struck.add(life)
        gone = process.wait_gone(DEATH_WITHIN_S)
        self._add(Strike(fault=fault, incarnation=0, pid=process.pid, at_ns=at_ns, gone=gone))
        self._follow(process)
        return True

    def _drop(self, fault: Fault) -> bool:
        at_ns = self._clock.now_ns()
        if self._is_gateway_away() or not self._gateway.drop(self._client_id(fault.target)):
            return False
        self._add(Strike(fault=fault, incarnation=0, pid=0, at_ns=at_ns, gone=True))
        self._follow(None)
        return True

    def _is_gateway_away(self) -> bool:
        """Whether one was struck whose successor is not seen yet: what is asked now would reach that one later."""
        return any(self._strikes[one.place].fault.kind is FaultKind.GATEWAY for one in self._open)

    def _client_id(self, name: str) -> int:
        return self._session.connection(name).client_id

    def _add(self, strike: Strike) -> None:
        self._strikes.append(strike)
        self._log.info(
            "fault.carried_out",
            number=strike.fault.number,
            kind=strike.fault.kind.value,
            target=strike.fault.target,
            incarnation=strike.incarnation,
            pid=strike.pid,
        )

    def _follow(self, process: ProcessId | None) -> None:
        since_s = self._clock.monotonic_s()
        self._open.append(_Open(place=len(self._strikes) - 1, process=process, since_s=since_s))

    # --- recovery that only an onlooker sees ---

    def _watch_open(self) -> None:
        if self._open:
            tree = self._tree()
            self._open = [one for one in self._open if not self._settled(one, tree)]

    def _settled(self, one: _Open, tree: TreeSnapshot | None) -> bool:
        strike = self._strikes[one.place]
        match strike.fault.kind:
            case FaultKind.HANG:
                return self._hang_settled(one, strike)
            case FaultKind.SOCKET:
                back = self._gateway.is_connected(self._client_id(strike.fault.target))
            case FaultKind.GATEWAY:
                view, trading_id = self._gateway.view(), self._client_id(self._trading)
                back = view is not None and view.process != one.process and trading_id in view.clients
            case _:
                back = tree is not None and tree.supervisor.process not in {one.process, None}
        if back:
            self._strikes[one.place] = replace(strike, recovered_ns=self._clock.now_ns())
        return back

    def _hang_settled(self, one: _Open, strike: Strike) -> bool:
        """Replaced by its supervisor; or, after the limit, let go on."""
        if one.process is None or not one.process.alive():
            self._strikes[one.place] = replace(strike, gone=True)
            return True
        if self._clock.monotonic_s() - one.since_s < self._limits.hang_detected_s:
            return False
        self._hangs_not_detected += 1
        self._log.warning("hang.not_detected", child=strike.fault.target, incarnation=strike.incarnation)
        one.process.send(signal.SIGCONT)
        self._struck.discard((strike.fault.target, strike.incarnation))  # it lives on and may be struck again
        return True

    def _let_go(self) -> None:
        for one in self._open:
            if self._strikes[one.place].fault.kind is FaultKind.HANG and one.process is not None:
                one.process.send(signal.SIGCONT)
