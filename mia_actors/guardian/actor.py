"""The guardian as a supervised child: own broker session, own thread, own store.

One thread takes executions, bars and every other fact in the order of the wire, judges, latches, acts and
acknowledges the market; calls of other actors only read what it concluded. Out of lockstep it judges at every
trade heard too, and once a second.
"""

import queue
import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import cast

from mia_actors.broker.guardian_desk import GuardianSession, begun
from mia_actors.broker.market_gate import market_gate
from mia_actors.broker.session import SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated
from mia_actors.core.facts import BrokerPosition, Fact, Tick
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.ports import MarketGate
from mia_actors.core.session import SessionInfo
from mia_actors.core.units import Contract
from mia_actors.guardian.core import Assessment, GuardianCore, TradingState
from mia_actors.guardian.gathering import Gathering, profit_usd
from mia_actors.guardian.halt_file import WHO as HALT_FILE_WHO
from mia_actors.guardian.halt_file import halt_demanded
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import CONTRACT_MONTH, memory_fact, remembered
from mia_actors.guardian.news import with_news_file
from mia_actors.guardian.permits import PermitOffice
from mia_actors.guardian.watch import Watch
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry import conventions, tracing
from mia_actors.telemetry.logs import get_logger

POLL_S = 0.1
HEARTBEAT_S = 1.0
LOOK_AGAIN_S = 2.0
"""Between bars, how often an account is looked at that was confirmed flat."""
HEARTBEAT = "heartbeat_ns"
REQUEST_STATES = {"halt": TradingState.HALTED, "flatten": TradingState.REDUCE_ONLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A broker connection is gone."""

    attempt: int
    """Which one, counted from 1."""


Event = Bar | Fill | Fact | Cut


def equity_fact(session_id: str) -> str:
    """Name of the fact that holds a session's starting equity."""
    return f"equity.{session_id}"


class Guardian:
    """Shell around `Watch`."""

    Settings = GuardianSettings
    work_threads = 4

    def __init__(self, settings: GuardianSettings, context: ChildContext) -> None:
        self._info = cast("SessionInfo", context.session)
        self._settings = with_news_file(settings, Path(self._info.config_dir))
        self._context = context
        self._gathering = Gathering(self._settings, self._info, context.clock)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._events: queue.Queue[Event] = queue.Queue()
        self._evaluated = threading.Condition()
        self._evaluated_until_ns = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._latch: Latch | None = None
        self._watch: Watch | None = None
        self._office: PermitOffice | None = None
        self._session: GuardianSession | None = None
        self._attempt = 0
        self._heartbeat_at_s = 0.0
        self._looked_at_s = 0.0

    def start(self) -> None:
        """Reads the latch, takes a new epoch, connects, folds the day's executions, begins to watch.

        Raises:
            ConfigError: the latch cannot be read.
            BrokerDisconnected: no session within the limit.
        """
        self._latch = Latch.open(Path(self._info.state_dir))
        self._latch.make_room()
        self._office = self._new_office(self._latch)
        self._open(self._latch)
        self._thread = threading.Thread(target=self._guarded_loop, name="guardian", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch and the session; the latch stays as it is."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2.0)
        if self._session is not None:
            self._session.close()

    def permit(self, as_of_ns: int, executor_incarnation: int) -> Permit | PermitRefusal:
        """A lease as of the market time judged last; waits, bounded, until that is at least `as_of_ns`."""
        with tracing.span(conventions.SPAN_ISSUE_PERMIT), self._evaluated:
            judged = self._evaluated.wait_for(
                lambda: self._evaluated_until_ns >= as_of_ns, self._settings.permit_wait_s
            )
            if not judged:
                waited = f"market time not judged within {self._settings.permit_wait_s:g} s"
                return PermitRefusal(reason="guardian_behind", detail=waited, again_in_s=0.0)
            watch, _ = self._ready()  # after waiting: a reconnect has made another watch
            if self._office is None:
                raise InvariantViolated("asked before start")
            lease = self._office.lease(executor_incarnation)
            if isinstance(lease, PermitRefusal):
                return lease
            return watch.permit(self._evaluated_until_ns, lease)

    def assessment(self) -> Assessment | None:
        """The newest judgement; None before the first bar."""
        return self._ready()[0].assessment

    # --- the guardian's thread ---

    def _guarded_loop(self) -> None:
        try:
            with self._context.loop("the watch"):
                self._loop()
        except Exception as error:  # noqa: BLE001 - the last word of this process, whatever it was
            try:
                self._log.exception("guardian.loop_failed")
                self._halt_on_error(error)
            except Exception:  # noqa: BLE001 - a guardian that can neither judge nor latch has to be gone
                self._log.exception("guardian.halt_not_latched")
            finally:
                self._context.crash(error)

    def _halt_on_error(self, error: Exception) -> None:
        """An error of the guardian is a catastrophe; a lost connection is not: no permits, then a new life."""
        if self._latch is not None and not isinstance(error, BrokerDisconnected):
            reason = f"the guardian failed: {type(error).__name__}: {error}"
            now_ns = self._context.clock.now_ns()
            self._latch.lower(TradingState.HALTED, reason=reason, who="guardian", at_ns=now_ns)

    def _loop(self) -> None:
        gate = market_gate(self._info, role="guardian")
        while not self._stopping.is_set():
            self._context.progress()
            try:
                event: Event | None = self._events.get(timeout=POLL_S)
            except queue.Empty:
                event = None
            if isinstance(event, Cut):
                if event.attempt == self._attempt:
                    self._reopen()
            elif isinstance(event, Fill):
                self._ready()[0].add_fills([event])
            elif isinstance(event, Bar):
                self._judge(event, gate)
            elif event is not None:
                self._ready()[0].take(event)
            self._look(event)
            self._heed_people()
            self._beat()
            if event is None:
                self._act_between_bars()

    def _judge(self, bar: Bar, gate: MarketGate) -> None:
        watch, latch = self._ready()
        if bar.end_ns > self._evaluated_until_ns:
            before = watch.state
            self._heed_people()
            self._ask_position(watch)
            assessment = watch.on_bar(bar, arrival_ns=self._gathering.arrival_ns())
            if watch.state is not before:
                self._log.error("guardian.state_lowered", state=watch.state, reason=assessment.reason)
            self._publish(latch, assessment)
            with self._evaluated:
                self._evaluated_until_ns = bar.end_ns
                self._evaluated.notify_all()
            self._context.armed()
        gate.acknowledge(bar.end_ns)

    def _look(self, event: Event | None) -> None:
        """Out of lockstep: at every trade heard, and once a second, on what arrived."""
        watch, latch = self._ready()
        is_due = self._gathering.is_due()
        newest_tick = isinstance(event, Tick) and self._events.empty()
        if self._evaluated_until_ns == 0 or not (is_due or newest_tick):
            return
        if is_due:
            for notice in self._gathering.tree_notices():
                watch.take(notice)
            self._ask_position(watch)
        before, as_of_ns = watch.state, self._gathering.as_of_ns(self._evaluated_until_ns)
        now_s = self._context.clock.monotonic_s()
        assessment = watch.look(as_of_ns, self._gathering.now_ns(), now_s)
        if assessment is not None:
            if watch.state is not before:
                self._log.error("guardian.state_lowered", state=watch.state, reason=assessment.reason)
            self._publish(latch, assessment)

    def _ask_position(self, watch: Watch) -> None:
        if watch.wants_position and self._session is not None:
            watch.take(BrokerPosition(contracts=self._session.position_contracts()))

    def _while_away(self) -> bool:
        """Between two attempts to connect: the loss itself may halt. Returns whether to give up."""
        if self._latch is not None:
            found = self._gathering.line_down(self._latch)
            if found is not None:
                now_ns = self._context.clock.now_ns()
                self._latch.lower(TradingState.HALTED, reason=found.text, who="guardian", at_ns=now_ns)
        return self._stopping.is_set()

    def _publish(self, latch: Latch, assessment: Assessment) -> None:
        """What people see beside the latch; written when it changed in a way worth seeing."""
        level = assessment.level.name
        shown = f"{level}|{assessment.day_pnl_usd:.2f}|{assessment.position_contracts}"
        if shown != self._shown:
            self._shown = shown
            latch.note_fact("level", level)
            latch.note_fact("day_pnl_usd", f"{assessment.day_pnl_usd:.2f}")
            latch.note_fact("findings", "; ".join(found.text for found in assessment.findings))

    _shown = ""

    def _heed_people(self) -> None:
        watch, latch = self._ready()
        demanded = halt_demanded(Path(self._info.state_dir))
        if demanded is not None and watch.state is not TradingState.HALTED:
            watch.lower(TradingState.HALTED, reason=demanded, who=HALT_FILE_WHO)
            self._log.error("guardian.halt_file_found", reason=demanded)
        for request in latch.open_requests():
            state = REQUEST_STATES.get(request.kind)
            if state is not None:
                watch.lower(state, reason=request.reason, who=request.who)
                self._log.error("guardian.person_asked", kind=request.kind, reason=request.reason)
            latch.handled(request.request_id)

    def _act_between_bars(self) -> None:
        watch, _ = self._ready()
        now_s = self._context.clock.monotonic_s()
        if watch.is_flat and now_s - self._looked_at_s < LOOK_AGAIN_S:
            return
        self._looked_at_s = now_s
        watch.act(self._evaluated_until_ns, now_s)

    def _beat(self) -> None:
        now_s = self._context.clock.monotonic_s()
        if now_s - self._heartbeat_at_s >= HEARTBEAT_S:
            self._heartbeat_at_s = now_s
            self._ready()[1].note_fact(HEARTBEAT, str(self._context.clock.now_ns()))

    def _open(self, latch: Latch) -> None:
        """Connects and folds everything known; the newest bar is judged first of all."""
        begun(
            self._new_session,
            lambda session, contract: self._begin(latch, session, contract),
            within_s=self._settings.connect_within_s,
            clock=self._context.clock,
            stop=self._while_away,
        )

    def _begin(self, latch: Latch, session: GuardianSession, contract: Contract) -> None:
        self._gathering.line_up(latch)
        latch.note_fact(CONTRACT_MONTH, contract.month)
        scope = self._gathering.scope(session.account())
        memory = remembered(latch.fact(memory_fact(scope)))
        bars, fills = session.recent_bars(), session.fills()
        name = equity_fact(self._info.session_id)
        mark_ticks = bars[-1].close_ticks if bars else None
        earned_usd = profit_usd(self._info.product, memory, fills, mark_ticks)
        latch.note_fact(name, str(session.equity_usd() - earned_usd), once=True)
        core = GuardianCore(self._settings, self._info.product, Decimal(latch.fact(name) or 0), memory=memory)
        core.take_history(bars)
        for terms in session.all_order_terms():
            core.take(terms)
        core.add_fills(fills)
        core.take(BrokerPosition(contracts=session.position_contracts()))
        self._session = session
        self._watch = Watch(
            settings=self._settings,
            core=core,
            latch=latch,
            desk=session,
            instrument=contract.instrument,
            session_id=self._info.session_id,
            now_ns=self._context.clock.now_ns,
            scope=scope,
        )
        if bars:
            self._events.put(bars[-1])
        else:
            self._context.armed()  # there is nothing to judge yet

    def _reopen(self) -> None:
        """As in a new life: no permit until the executions heard anew were judged at the newest bar."""
        self._log.warning("guardian.disconnected")
        with self._evaluated:
            self._evaluated_until_ns = 0
        if self._session is not None:
            self._session.close()
        if not self._stopping.is_set():
            self._open(self._ready()[1])

    def _new_session(self) -> GuardianSession:
        settings = self._settings
        self._attempt += 1
        attempt = self._attempt
        return GuardianSession(
            self._info.connection(settings.connection),
            self._info.product,
            contract_month=self._info.contract_month,
            roll_days=settings.roll_days,
            limits=SessionLimits(
                connect_timeout_s=settings.connect_timeout_s,
                request_timeout_s=settings.request_timeout_s,
                ack_timeout_s=settings.request_timeout_s,
            ),
            monotonic_ns=self._monotonic_ns,
            watched=self._context,
            events=SessionEvents(
                on_bar=self._events.put,
                on_fill=self._events.put,
                on_disconnect=lambda: self._events.put(Cut(attempt=attempt)),
                on_fact=self._hear,
                arrival_ns=self._gathering.now_ns,
            ),
            live=self._gathering.is_live,
        )

    def _new_office(self, latch: Latch) -> PermitOffice:
        return PermitOffice(
            latch,
            session_id=self._info.session_id,
            ttl_s=self._settings.permit_ttl_s,
            monotonic_ns=self._monotonic_ns,
        )

    def _hear(self, fact: Fact) -> None:
        if self._gathering.counts(fact):
            self._events.put(fact)

    def _monotonic_ns(self) -> int:
        return round(self._context.clock.monotonic_s() * NS_PER_S)

    def _ready(self) -> tuple[Watch, Latch]:
        if self._watch is None or self._latch is None:
            raise InvariantViolated("asked before start")
        return self._watch, self._latch
