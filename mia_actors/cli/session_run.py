"""One trading session from start to summary: gateway, Ray, tree, watch, drain, ledger.

Everything started is ended again, in reverse, however the session ends; what a killed command leaves behind
is found by the next one by pid and start time, and ended.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol, cast

from mia_actors.cli.assignment import write_assignment
from mia_actors.cli.config import SystemConfig, child_settings, session_connections
from mia_actors.cli.deadman_process import DeadmanProcess
from mia_actors.cli.requests import Answering
from mia_actors.cli.state import StateDirectory, write_json
from mia_actors.cli.summary import Summary, percentiles
from mia_actors.cli.tree_requests import TreeRequests
from mia_actors.core.clock import Clock, utc_datetime
from mia_actors.core.errors import MiaError, PermanentError, TargetUnavailable
from mia_actors.core.ids import IdSource
from mia_actors.core.ledger import Ledger, build_ledger
from mia_actors.core.market import Timeframe
from mia_actors.core.session import BrokerMode, SessionInfo
from mia_actors.core.tradebook import TradeBook
from mia_actors.cycle.actor import RunnerProgress
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.ensemble.registry import load
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.keeper import GatewayKeeper, KeeperLimits
from mia_actors.execution.messages import Settlement
from mia_actors.guardian import console
from mia_actors.guardian.console import ConsoleState
from mia_actors.guardian.halt_file import refuse_with_halt_file
from mia_actors.mentor.report import DailyReport
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal
from mia_actors.supervision.leftovers import clean_leftovers
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.supervision.system import System
from mia_actors.telemetry.logs import get_logger

NAMESPACE_PREFIX = "mia-"
WATCH_EVERY_S = 0.1
PROGRESS_WITHIN_S = 5.0
"""Longer than this a failure of Ray must not go unnoticed for a question."""
DRAIN_WITHIN_S = 30.0
START_WITHIN_S = 120.0
STOP_WITHIN_S = 60.0
FLAT_WITHIN_S = 30.0
REPORT_WITHIN_S = 10.0
HALT_HOOK = "mia_actors.guardian.console:halt_hook"
LOGS = "logs"
GATEWAY_JOURNAL = "gateway.journal"


class TradingHalted(PermanentError):
    """The guardian's latch is set: nothing is started until a person releases it."""


class Ending(StrEnum):
    """Why a session ended."""

    TAPE = "tape"
    HALTED = "halted"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What was asked on the command line."""

    config: SystemConfig
    config_dir: Path
    mode: BrokerMode
    gateway_arguments: tuple[str, ...]
    """Arguments of the simulated gateway: its tape, its faults."""
    contract_month: str | None
    pace: str
    address: str
    """`local` to start Ray, or where a running one is."""
    live_account: str | None = None
    """The account named a second time, where it is a live one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What the live view shows; built anew on every look."""

    phase: str
    progress: RunnerProgress | None
    bars_total: int
    restarts: int


class Viewer(Protocol):
    """Where the session is shown while it runs."""

    def show(self, watch: Watch) -> None:
        """Replaces what is shown."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """How a session ended, and what it did."""

    ending: Ending
    summary: Summary | None
    report: DailyReport | None
    detail: str


class SessionRun:
    """Runs one session. `interrupt` may be called from a signal handler at any time."""

    def __init__(
        self,
        request: RunRequest,
        *,
        state: StateDirectory,
        viewer: Viewer,
        clock: Clock,
        ids: IdSource,
        after_start: Callable[[SessionInfo], None] | None = None,
        before_stop: Callable[[System], None] | None = None,
        conduct: Callable[[SessionInfo, System], None] | None = None,
    ) -> None:
        """`after_start` is called before the market begins, `before_stop` when it is over; the tree is up then.

        `conduct` plays the market itself, halts and resumes included: nobody looks for its end meanwhile, and the
        session is over when it returns.
        """
        self._request = request
        self._state = state
        self._viewer = viewer
        self._clock = clock
        self._ids = ids
        self._log = get_logger(actor="run")
        self._interrupted = False
        self._after_start = after_start
        self._before_stop = before_stop
        self._conduct = conduct
        self._control: ControlClient | None = None
        self._keeper: GatewayKeeper | None = None
        self._system: System | None = None
        self._deadman: DeadmanProcess | None = None
        self._lifelines: tuple[int, ...] = ()
        self._in_order = False
        self._bars_total = 0

    def interrupt(self) -> None:
        """Asks for an orderly end: no entries, position closed, then down."""
        self._interrupted = True

    def run(self) -> SessionResult:
        """From clean-up of what an earlier run left, to the written ledger.

        Raises:
            ConfigError: refused to start; nothing is left behind.
            MiaError: something that was started failed; what was started is ended.
        """
        clean_leftovers(self._state.path)
        self._refuse_when_halted()
        self._check_models()
        try:
            return self._run()
        except MiaError as error:
            if self._keeper is not None and self._keeper.failed is not None:
                raise PermanentError(self._keeper.failed) from error
            raise

    def _run(self) -> SessionResult:
        with ExitStack() as started:
            session = self._prepare(started)
            self._start_deadman(session, started)
            self._show("starting Ray")
            runtime = self._start_ray()
            started.callback(runtime.stop)
            self._show("starting actors")
            system = System.start(
                self._request.config.tree,
                self._request.config.standby_pool,
                session,
                Path(session.session_dir),
                namespace=NAMESPACE_PREFIX + session.session_id,
                halt_hook=HALT_HOOK,
            )
            self._system = system
            started.callback(system.stop, STOP_WITHIN_S)
            system.wait_up(START_WITHIN_S)
            if self._deadman is not None:
                self._deadman.watch()
            console.note_guarded(session, is_guarded=True)
            requests = TreeRequests(system, self._request.config, self._clock)
            started.enter_context(Answering(Path(session.session_dir), requests))
            if self._after_start is not None:
                self._after_start(session)
            if self._control is not None:
                self._control.start()
            if self._conduct is None:
                ending, detail = self._watch(system)
            else:
                self._conduct(session, system)
                ending, detail = Ending.INTERRUPTED, "conducted to its end"
            if self._before_stop is not None:
                self._before_stop(system)
            result = self._finish(session, system, ending, detail)
            self._in_order = result.ending is not Ending.FAILED
            flat = result.summary is not None and result.summary.final_position == 0
            if flat and result.ending is not Ending.HALTED:  # a halt is guarded until it is resumed
                console.note_guarded(session, is_guarded=False)
            return result

    def _refuse_when_halted(self) -> None:
        try:
            refuse_with_halt_file(self._state.path)
        except PermanentError as error:
            raise TradingHalted(str(error)) from error
        latched = self._guardian()
        if latched.halted:
            raise TradingHalted(
                f"trading is halted since {latched.latched_at}: {latched.reason}; "
                'release it with: mia resume --reason "..."'
            )

    def _check_models(self) -> None:
        """The ensemble would refuse them too, but only after everything else was started."""
        settings = child_settings(self._request.config, "ensemble", EnsembleSettings)
        load(self._request.config_dir / settings.models, entry_timeframe=settings.entry_timeframe)

    def _prepare(self, started: ExitStack) -> SessionInfo:
        request = self._request
        stamp = utc_datetime(self._clock.now_ns()).strftime("%Y%m%dT%H%M%S")
        session_id = f"{stamp}-{self._ids.new_id()[:4]}"
        folder = self._state.new_session(session_id)
        gateway_port: int | None = None
        control_port, base = 0, Timeframe.M1
        if request.mode is BrokerMode.SIM:
            self._show("loading the tape")
            try:
                gateway = self._keep_gateway(folder / GATEWAY_JOURNAL)
            except MiaError:
                folder.rmdir()
                raise
            started.callback(gateway.stop)
            self._lifelines = (gateway.lifeline,)
            gateway_port, control_port = gateway.tws_port, gateway.control_port
            base = Timeframe(gateway.hello["base_timeframe"])
            self._bars_total = int(gateway.hello["bars"])
            self._control = ControlClient("127.0.0.1", control_port)
            started.callback(self._control.close)
        self._state.mark_newest(session_id)
        return SessionInfo(
            session_id=session_id,
            state_dir=str(self._state.path),
            session_dir=str(folder),
            symbol=request.config.session.instrument,
            contract_month=request.contract_month,
            base_timeframe=base,
            lockstep=request.mode is BrokerMode.SIM and request.pace == "lockstep",
            control_host="127.0.0.1",
            control_port=control_port,
            connections=session_connections(
                request.config, request.mode, gateway_port, live_account=request.live_account
            ),
            config_dir=str(request.config_dir),
        )

    def _start_deadman(self, session: SessionInfo, started: ExitStack) -> None:
        """Before Ray, so that it ends after Ray; it judges nobody until the tree is up.

        The simulated market stays as long as it does, even when this command is killed.
        """
        settings = self._request.config.deadman
        write_assignment(session, self._request.config)
        if settings.with_run:
            deadman = DeadmanProcess(session, settings, lifelines=self._lifelines, clock=self._clock)
            self._deadman = deadman
            started.push(lambda kind, *_: deadman.end(in_order=self._in_order or kind is KeyboardInterrupt))

    def _keep_gateway(self, journal: Path) -> GatewayKeeper:
        request, section = self._request, self._request.config.session
        limits = KeeperLimits(
            restarts_max=section.gateway_restarts_max, period_s=section.gateway_restart_period_s
        )
        arguments = (
            *request.gateway_arguments,
            *("--pace", request.pace, "--log-directory", str(self._state.path / LOGS)),
            *("--master-client-id", str(request.config.connections["guardian"].client_id)),
        )
        self._keeper = GatewayKeeper.start(arguments, journal, limits=limits, clock=self._clock)
        return self._keeper

    def _start_ray(self) -> RayRuntime:
        if self._request.address == "local":
            return RayRuntime.start_local(self._state.path)
        return RayRuntime.join(self._request.address)

    def _watch(self, system: System) -> tuple[Ending, str]:
        """Looks until the tape ends, somebody halts, or the person interrupts."""
        draining_since_s: float | None = None
        while True:
            if system.failed is not None:
                return Ending.FAILED, system.failed
            if self._deadman is not None:
                self._deadman.keep()
            if self._keeper is not None and self._keeper.failed is not None:
                return Ending.FAILED, self._keeper.failed
            progress = self._progress(system)
            state = self._guardian()
            self._viewer.show(self._look("trading", progress))
            if state.halted:
                self._wait_flat()
                return Ending.HALTED, state.reason
            if progress is not None and progress.finished:
                ending = Ending.INTERRUPTED if draining_since_s is not None else Ending.TAPE
                return ending, "the tape is at its end"
            if self._interrupted:
                draining_since_s = draining_since_s or self._clock.monotonic_s()
                system.ref("cycle").ask(
                    "drain", timeout_s=START_WITHIN_S
                )  # again: a new runner has not heard it
            if draining_since_s is not None and self._is_drained(progress, draining_since_s):
                return Ending.INTERRUPTED, "interrupted"
            self._clock.sleep_s(WATCH_EVERY_S)

    def _is_drained(self, progress: RunnerProgress | None, since_s: float) -> bool:
        if self._clock.monotonic_s() - since_s > DRAIN_WITHIN_S:
            self._log.error("session.not_drained", waited_s=DRAIN_WITHIN_S)
            return True
        return progress is not None and progress.drained

    def _wait_flat(self) -> None:
        """Waits, bounded, until the guardian confirmed flat; the market goes on meanwhile."""
        deadline_s = self._clock.monotonic_s() + FLAT_WITHIN_S
        while self._clock.monotonic_s() < deadline_s:
            self._show("halted, waiting for a flat account")
            if self._guardian().confirmed_flat:
                return
            self._clock.sleep_s(WATCH_EVERY_S)

    def _guardian(self) -> ConsoleState:
        return console.read_state(self._state.path, self._clock)

    def _progress(self, system: System) -> RunnerProgress | None:
        try:
            return cast("RunnerProgress", system.ref("cycle").ask("progress", timeout_s=PROGRESS_WITHIN_S))
        except TargetUnavailable:
            return None

    def _show(self, phase: str) -> None:
        self._viewer.show(self._look(phase, None))

    def _look(self, phase: str, progress: RunnerProgress | None) -> Watch:
        return Watch(phase=phase, progress=progress, bars_total=self._bars_total, restarts=self._restarts())

    def _restarts(self) -> int:
        return self._system.tree().restarts_total if self._system is not None else 0

    def _finish(self, session: SessionInfo, system: System, ending: Ending, detail: str) -> SessionResult:
        """Settles with the broker, writes ledger, summary and report into the session's folder."""
        if ending is Ending.FAILED:
            return SessionResult(ending=ending, summary=None, report=None, detail=detail)
        self._show("settling")
        settled = cast("Settlement", system.ref("execution").ask("settle", timeout_s=START_WITHIN_S))
        orders = (*settled.orders, *console.guardian_orders(self._state.path, session.session_id))
        ledger = build_ledger(session.product, orders, settled.fills)
        report = self._report(system)
        folder = Path(session.session_dir)
        (folder / "ledger.csv").write_text(ledger.text, encoding="utf-8")
        summary = self._summary(session, settled, ledger)
        write_json(folder / "summary.json", summary.document())
        if report is not None:
            (folder / "report.txt").write_text(report.text, encoding="utf-8")
        return SessionResult(ending=ending, summary=summary, report=report, detail=detail)

    def _report(self, system: System) -> DailyReport | None:
        try:
            return cast("DailyReport", system.ref("mentor").ask("report", timeout_s=REPORT_WITHIN_S))
        except MiaError:
            self._log.exception("mentor.report_failed")
            return None

    def _summary(self, session: SessionInfo, settled: Settlement, ledger: Ledger) -> Summary:
        journal = DecisionJournal.open(session.path(DECISIONS_FILE))
        try:
            counts, latencies = journal.counts(), journal.latencies_ms()
        finally:
            journal.close()
        book = TradeBook.of(session.product, settled.fills)
        state = self._guardian()
        return Summary(
            session_id=session.session_id,
            instrument=settled.orders[0].spec.instrument if settled.orders else session.symbol,
            counts=counts,
            ledger=ledger,
            trades=book.closed_trades,
            pnl_usd=book.realized_usd,
            final_position=settled.position_contracts,
            latency=percentiles(latencies),
            restarts=self._restarts(),
            guardian_state=state.state.value,
            guardian_level=state.level,
            simulated=self._request.mode is BrokerMode.SIM,
        )
