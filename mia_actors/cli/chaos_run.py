"""One session of `mia chaos`, with or without faults, and what there is of it to compare."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mia_actors.broker.actor import BrokerSettings
from mia_actors.chaos.agent import ChaosAgent, ChaosLimits, ChaosReport
from mia_actors.chaos.comparison import Books, BrokerOrder
from mia_actors.chaos.plan import Fault
from mia_actors.cli.app import messages
from mia_actors.cli.config import SystemConfig, child_settings
from mia_actors.cli.live import LiveView
from mia_actors.cli.session_run import Ending, RunRequest, SessionResult, SessionRun
from mia_actors.cli.state import StateDirectory, locked, open_state
from mia_actors.core.clock import SystemClock
from mia_actors.core.decisions import Outcome
from mia_actors.core.errors import MiaError
from mia_actors.core.ids import RandomIds
from mia_actors.core.session import SessionInfo
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal
from mia_actors.supervision.leftovers import clean_leftovers
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System

ALIVE_WITHIN_S = 1.5
INTENSITY = 1000
"""Restarts that every supervisor of the disturbed session may make in its period: the most a budget can be.
The gateway's keeper too."""
DEADMAN_SILENT_AFTER_S = 300.0
"""A guardian struck again and again, on a machine that chaos keeps busy, may be away for long."""
LOOK_AT_GATEWAY_S = 0.25
"""Limit of the agent's own questions to the gateway: while it is away, other faults go on."""
SENDING = frozenset({Outcome.ENTERED, Outcome.EXITED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One of the two sessions."""

    folder: Path | None
    result: SessionResult | None
    """None when it failed with an error."""
    failure: str
    seconds: float
    report: ChaosReport | None
    broker_orders: tuple[BrokerOrder, ...]

    @property
    def sha256(self) -> str | None:
        """Of its ledger."""
        summary = self.result.summary if self.result is not None else None
        return summary.ledger.sha256 if summary is not None else None

    @property
    def ending(self) -> Ending:
        """Why it ended."""
        return self.result.ending if self.result is not None else Ending.FAILED

    def books(self) -> Books:
        """What there is to compare."""
        summary = self.result.summary if self.result is not None else None
        return Books(ledger=summary.ledger.text if summary is not None else "", broker=self.broker_orders)


@dataclass(slots=True)
class Interrupts:
    """Ctrl-C goes to whichever session runs."""

    target: Callable[[], None] | None = None
    _came: bool = False

    def came(self) -> bool:
        """Whether there was one."""
        return self._came

    def install(self) -> None:
        """First Ctrl-C: closes the position and ends; a second one ends at once."""

        def first(_signal: int, _frame: object) -> None:
            self._came = True
            if self.target is not None:
                self.target()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            messages.print("interrupted: closing the position and stopping; Ctrl-C again to stop at once")

        signal.signal(signal.SIGINT, first)
        signal.signal(signal.SIGTERM, first)


def patient(config: SystemConfig) -> SystemConfig:
    """The system with every restart budget raised to `INTENSITY`: chaos must not spend one. The deadman waits.

    What hangs is found within `ALIVE_WITHIN_S`, so that a session with many hangs ends the same day.
    """

    def changed(node: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(node, ChildSpec):
            return node.model_copy(
                update={"alive_within_s": min(node.alive_within_s or ALIVE_WITHIN_S, ALIVE_WITHIN_S)}
            )
        children = tuple(changed(child) for child in node.children)
        return node.model_copy(update={"children": children, "intensity": INTENSITY})

    patient = config.deadman.model_copy(update={"silent_after_s": DEADMAN_SILENT_AFTER_S})
    session = config.session.model_copy(update={"gateway_restarts_max": INTENSITY})
    return config.model_copy(update={"tree": changed(config.tree), "session": session, "deadman": patient})


def trading_connections(config: SystemConfig) -> list[str]:
    """Connections that a child of the tree keeps open, in the tree's order."""
    named = (child.settings.get("connection") for _, child in config.tree.child_specs())
    return [name for name in named if name in config.connections]


def trading_connection(config: SystemConfig) -> str:
    """The broker actor's own connection."""
    return child_settings(config, "broker", BrokerSettings).connection


def order_cycles(session: Session) -> list[int]:
    """Which cycles of a session that is over sent orders, counted from 1."""
    if session.folder is None:
        return []
    journal = DecisionJournal.open(session.folder / DECISIONS_FILE)
    try:
        decided = journal.decisions()
    finally:
        journal.close()
    return [number for number, one in enumerate(decided, start=1) if one.decision.outcome in SENDING]


def trade(
    request: RunRequest,
    path: Path,
    plan: tuple[Fault, ...],
    limits: ChaosLimits,
    interrupts: Interrupts,
    *,
    quiet: bool,
) -> Session:
    """Trades once; the plan, if there is one, is carried out meanwhile.

    Raises:
        MiaError: it failed before its tree was up. A later failure is part of the result.
    """
    clock = SystemClock()
    directory = open_state(path)
    agent: ChaosAgent | None = None
    report: ChaosReport | None = None
    session: SessionInfo | None = None

    def begin(started: SessionInfo) -> None:
        nonlocal agent, session
        session = started
        control = ControlClient(
            started.control_host, started.control_port, answer_within_s=LOOK_AT_GATEWAY_S, patience_s=0.0
        )
        closing.callback(control.close)
        agent = ChaosAgent(
            plan,
            started,
            control=control,
            clock=clock,
            limits=limits,
            trading=trading_connection(request.config),
        )
        closing.callback(agent.abort)
        agent.start()

    def end(system: System) -> None:
        nonlocal report
        if agent is not None and not interrupts.came():
            report = agent.finish(wait=system.failed is None)

    began_s = clock.monotonic_s()
    result, failure = None, ""
    with locked(directory), LiveView(messages, clock, quiet=quiet) as view, ExitStack() as closing:
        _forget_latch(directory)
        run = SessionRun(
            request,
            state=directory,
            viewer=view,
            clock=clock,
            ids=RandomIds(),
            after_start=begin,
            before_stop=end,
        )
        interrupts.target = run.interrupt
        if interrupts.came():
            run.interrupt()
        try:
            result = run.run()
            failure = result.detail if result.ending is Ending.FAILED else ""
        except MiaError as error:
            if session is None:
                raise
            failure = f"{type(error).__name__}: {error}"
        finally:
            interrupts.target = None
            closing.close()
    return Session(
        folder=directory.current(),
        result=result,
        failure=failure,
        seconds=round(clock.monotonic_s() - began_s, 1),
        report=report,
        broker_orders=report.broker_orders if report is not None else (),
    )


def _forget_latch(directory: StateDirectory) -> None:
    """A halt in an earlier drill was part of that drill; this directory is used for nothing else."""
    clean_leftovers(directory.path)
    for path in directory.path.glob("guardian.db*"):
        path.unlink()
