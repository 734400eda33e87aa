"""What every shell of the guardian does at every bar, and between bars: judge, remember, latch, act."""

from collections.abc import Callable, Iterable

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.facts import Fact
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.ports import GuardianDesk
from mia_actors.guardian.core import Assessment, Demand, GuardianCore, TradingState
from mia_actors.guardian.halt_sequence import HaltSequence, Step
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import memory_fact
from mia_actors.guardian.permits import Lease

STATES = {Demand.HALT: TradingState.HALTED, Demand.FLATTEN: TradingState.REDUCE_ONLY}
GUARDIAN = "guardian"
MINUTE_NS = 60 * NS_PER_S


class Watch:
    """Core, latch and halt sequence of one session. One caller at a time."""

    def __init__(
        self,
        *,
        settings: GuardianSettings,
        core: GuardianCore,
        latch: Latch,
        desk: GuardianDesk,
        instrument: str,
        session_id: str,
        now_ns: Callable[[], int],
        scope: str | None = None,
    ) -> None:
        """Takes `now_ns` to stamp the latch for people; nothing is decided on it.

        `scope` names the memory: a real account, or by default the session, whose market is its own world.
        """
        self._settings = settings
        self._core = core
        self._latch = latch
        self._now_ns = now_ns
        self._memory_fact = memory_fact(scope or session_id)
        self._sequence = HaltSequence(desk=desk, latch=latch, instrument=instrument, session_id=session_id)
        self._closed = False
        self.assessment: Assessment | None = None

    @property
    def state(self) -> TradingState:
        """What the latch says now; any process may have lowered it since the last look."""
        return self._latch.read().state

    @property
    def is_flat(self) -> bool:
        """Whether flat was confirmed for the latch as it stands."""
        return self._latch.read().is_flat

    def add_fills(self, fills: Iterable[Fill]) -> None:
        """Executions of all clients."""
        self._core.add_fills(fills)

    def take(self, fact: Fact) -> None:
        """Any other fact; judged with the next bar, or the next `look`."""
        self._core.take(fact)

    @property
    def wants_position(self) -> bool:
        """Whether the broker should be asked for the position before the next judgement."""
        return self._core.wants_position

    def on_bar(self, bar: Bar, *, arrival_ns: int | None = None) -> Assessment:
        """Judges at the bar's end and acts where that is due; `arrival_ns` is None in lockstep and backtest.

        Raises:
            BrokerDisconnected: acting needs the broker and it is away; call again.
        """
        self._core.take(bar)
        if arrival_ns is not None:
            self._core.heard_feed(arrival_ns)
        assessment, _ = self._conclude(bar.end_ns, bar.close_ticks, arrival_ns)
        self.act(bar.end_ns, float(bar.end_ns))
        return assessment

    def look(self, as_of_ns: int, arrival_ns: int, moment: float) -> Assessment | None:
        """Judges between bars, on what arrived since; None before the first price.

        It acts at once where it lowers the latch, and leaves what follows to bars and `act`: trades come faster
        than an account can be looked at.

        Args:
            as_of_ns: The newest market time.
            arrival_ns: Now, as facts carry it.
            moment: Tells this look at the account from others.

        Raises:
            BrokerDisconnected: acting needs the broker and it is away; call again.
        """
        mark_ticks = self._core.mark_ticks
        if mark_ticks is None:
            return None
        assessment, lowered = self._conclude(as_of_ns, mark_ticks, arrival_ns)
        if lowered:
            self.act(as_of_ns, moment)
        return assessment

    def _conclude(self, as_of_ns: int, mark_ticks: int, arrival_ns: int | None) -> tuple[Assessment, bool]:
        assessment = self._core.assess(as_of_ns, mark_ticks, arrival_ns=arrival_ns)
        self._remember(assessment)
        self.assessment = assessment
        demanded = STATES.get(assessment.demand)
        lowered = demanded is not None and self.lower(demanded, reason=assessment.reason, who=GUARDIAN)
        return assessment, lowered

    def _remember(self, assessment: Assessment) -> None:
        """What the verdict rests on is on disk before anybody has the verdict; a failed one rests on nothing."""
        if assessment.failed:
            return
        memory = self._core.memory(assessment.as_of_ns)
        if memory is not None:
            self._latch.note_fact(self._memory_fact, memory.text)
            self._core.remembered(memory)

    def lower(self, state: TradingState, *, reason: str, who: str) -> bool:
        """Latches a lower state, which is on disk before this returns; whether anything changed."""
        return self._latch.lower(state, reason=reason, who=who, at_ns=self._now_ns())

    def act(self, market_time_ns: int, moment: float) -> Step | None:
        """One step of making the account flat, or one more look at it once that is confirmed."""
        if self.state is not TradingState.ACTIVE:
            return self._sequence.step(market_time_ns, moment)
        if self.assessment is None or self.assessment.demand is not Demand.CLOSE:
            self._closed = False
            return None
        if self._closed and self._core.position_contracts == 0 and market_time_ns % MINUTE_NS:
            return None  # nothing is latched and nothing may enter: a look a minute is enough
        step = self._sequence.step(market_time_ns, moment)
        self._closed = step.is_flat
        return step

    def permit(self, as_of_ns: int, lease: Lease) -> Permit | PermitRefusal:
        """A permit on these terms as of market time `as_of_ns`, or the reason there is none."""
        latched = self._latch.read()
        if latched.state is not TradingState.ACTIVE:
            return PermitRefusal(reason=latched.state.value, detail=latched.reason)
        assessment = self.assessment
        if assessment is None:
            return PermitRefusal(reason="guardian_behind", detail="nothing was judged yet")
        if assessment.demand is not Demand.NONE:
            return PermitRefusal(reason=assessment.demand.name.lower(), detail=assessment.reason)
        return Permit(
            epoch=lease.epoch,
            executor_incarnation=lease.executor_incarnation,
            as_of_ns=as_of_ns,
            granted_monotonic_ns=lease.granted_monotonic_ns,
            expires_monotonic_ns=lease.expires_monotonic_ns,
            position_contracts_max=self._settings.position_contracts_max,
        )
