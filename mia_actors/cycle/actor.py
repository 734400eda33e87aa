"""The cycle runner as a supervised child: pulls closed bars, runs the engine, tells the market it is done."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from mia_actors.broker.market_gate import market_gate
from mia_actors.broker.messages import BarClosed
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.codec import prepare
from mia_actors.core.decisions import Decision, TargetPosition
from mia_actors.core.errors import InvariantViolated, TransientError
from mia_actors.core.features import EnsembleVector, EnsembleVote, TimeframeFeatures
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill
from mia_actors.core.session import SessionInfo
from mia_actors.cycle.decision import DecisionCore
from mia_actors.cycle.engine import ClosedBar, CycleEngine, progress_from
from mia_actors.cycle.settings import CycleSettings
from mia_actors.execution.messages import Applied
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.ref import Ref
from mia_actors.telemetry import conventions, tracing
from mia_actors.telemetry.logs import get_logger

MARKET_FILE = "market.db"
WARM_UP_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerProgress:
    """How far the runner is, for the command that watches it."""

    cycles: int
    entered: int
    last: Decision | None
    position_contracts: int
    finished: bool
    """The tape has nothing after the last cycle."""
    drained: bool
    """A cycle has found the position flat since draining began."""


class ActorStages:
    """The stages of a cycle by asking actors; an actor that died is waited for and asked again."""

    def __init__(self, context: ChildContext, timeout_s: float) -> None:
        self._ensemble = context.ref("ensemble")
        self._execution = context.ref("execution")
        self._workers: dict[Timeframe, Ref] = {}
        self._context = context
        self._timeout_s = timeout_s

    def features_at(
        self, timeframes: tuple[Timeframe, ...], end_ns: int
    ) -> Mapping[Timeframe, TimeframeFeatures | None]:
        """All timeframes in parallel; meanwhile execution fetches the permit that an entry would need."""
        answers = {
            frame: self._worker(frame).ask_soon("features_at", end_ns, timeout_s=self._timeout_s)
            for frame in timeframes
        }
        self._prepare(end_ns)
        return {frame: cast("TimeframeFeatures | None", answer.result()) for frame, answer in answers.items()}

    def _prepare(self, event_time_ns: int) -> None:
        """Whether that works out shows at `apply`."""
        with suppress(TransientError):
            self._execution.ask_soon("prepare", event_time_ns, timeout_s=self._timeout_s)

    def warm_up(self) -> None:
        """Makes the connections of the first order before there is one."""
        with suppress(TransientError):
            self._ensemble.ask("figures", timeout_s=WARM_UP_WITHIN_S)
            self._execution.ask("prepare", 0, timeout_s=WARM_UP_WITHIN_S)

    def vote(self, vector: EnsembleVector, event_time_ns: int) -> EnsembleVote | None:
        """The ensemble's answer; its error is an answer too, inside the vote."""
        return cast(
            "EnsembleVote", self._ensemble.ask("vote", vector, event_time_ns, timeout_s=self._timeout_s)
        )

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        """Execution keys the target, so that asking again is harmless."""
        answer = self._execution.ask("apply", target, held_contracts, timeout_s=self._timeout_s)
        return cast("Applied", answer)

    def _worker(self, frame: Timeframe) -> Ref:
        if frame not in self._workers:
            self._workers[frame] = self._context.ref(f"features.{frame.value}")
        return self._workers[frame]


class CycleRunner:
    """Shell around `CycleEngine`: one thread that pulls bars until told to stop."""

    Settings = CycleSettings
    work_threads = 2

    def __init__(self, settings: CycleSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._session = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._broker = context.ref("broker")
        self._stopping = threading.Event()
        self._drain_wanted = threading.Event()
        self._finished = False
        self._thread: threading.Thread | None = None
        self._journal: DecisionJournal | None = None
        self._engine: CycleEngine | None = None
        self._previous: Bar | None = None

    def start(self) -> None:
        """Folds the journals up to the last cycle carried out, then begins to pull bars.

        Raises:
            TransientError: the broker actor could not be asked.
        """
        self._journal = DecisionJournal.open(self._session.path(DECISIONS_FILE))
        last = self._journal.last_completed()
        self._previous = last.decision.bar if last else None
        fills = self._broker.ask("fills_until", self._previous.end_ns if self._previous else 0)
        stages = ActorStages(self._context, self._settings.stage_timeout_s)
        stages.warm_up()
        prepare(Decision)
        self._engine = CycleEngine(
            core=DecisionCore(self._settings, self._session.product),
            stages=stages,
            journal=self._journal,
            product=self._session.product,
            starting_equity_usd=cast("Decimal", self._broker.ask("starting_equity_usd")),
            progress=progress_from(self._journal, cast("tuple[Fill, ...]", fills), self._session.product),
        )
        self._thread = threading.Thread(target=self._guarded_loop, name="cycles", daemon=True)
        self._thread.start()
        self._context.armed()

    def stop(self) -> None:
        """Ends after the cycle in progress."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(self._settings.bar_wait_s + 1.0)

    def drain(self) -> None:
        """No entries from the next cycle on; an open position is closed."""
        self._drain_wanted.set()

    def progress(self) -> RunnerProgress:
        """How far the session is."""
        if self._journal is None or self._engine is None:
            raise RuntimeError("asked before start")
        last = self._journal.last_completed()
        counts = self._journal.counts()
        return RunnerProgress(
            cycles=counts.cycles,
            entered=counts.approved,
            last=last.decision if last else None,
            position_contracts=self._engine.position_contracts,
            finished=self._finished,
            drained=self._engine.drained,
        )

    def _guarded_loop(self) -> None:
        try:
            with self._context.loop("the loop of cycles"):
                self._loop()
        except Exception as error:  # noqa: BLE001 - the last word of this process, whatever it was
            self._log.exception("cycle.loop_failed")
            self._context.crash(error)

    def _loop(self) -> None:
        journal, engine = self._journal, self._engine
        if journal is None or engine is None:
            raise InvariantViolated("the loop runs after start")
        gate = market_gate(self._session, role="cycle")
        if self._previous is not None:
            self._finished = gate.acknowledge(self._previous.end_ns)
        failures = 0
        while not self._stopping.is_set():
            self._context.progress()
            if self._drain_wanted.is_set():
                engine.drain()
            try:
                closed = self._next_bar()
                if closed is None:
                    continue
                engine.run(
                    ClosedBar(bar=closed.bar, previous=self._bar_before(closed.bar), fills=closed.fills)
                )
                journal.note_latency(closed.bar.end_ns, self._since_ns(closed.received_monotonic_ns))
                with tracing.span(conventions.SPAN_ACKNOWLEDGE):
                    self._finished = gate.acknowledge(closed.bar.end_ns)
                self._previous, failures = closed.bar, 0
            except TransientError as error:
                failures += 1
                self._log.warning("cycle.run_failed", failures=failures, error=str(error))
                if failures >= self._settings.stage_failures_max:
                    raise

    def _next_bar(self) -> BarClosed | None:
        after_ns = self._previous.start_ns if self._previous else None
        wait_s = self._settings.bar_wait_s
        return cast("BarClosed | None", self._broker.ask("next_bar", after_ns, wait_s))

    def _bar_before(self, bar: Bar) -> Bar | None:
        """The base bar before the first of this runner: from the journal, warm-up bars included."""
        if self._previous is not None:
            return self._previous
        with MarketJournal.open_readonly(self._session.path(MARKET_FILE)) as market:
            before = market.base_bars(after_start_ns=None, until_end_ns=bar.start_ns, limit=1)
        return before[-1] if before else None

    def _since_ns(self, monotonic_ns: int) -> int:
        return round(self._context.clock.monotonic_s() * NS_PER_S) - monotonic_ns
