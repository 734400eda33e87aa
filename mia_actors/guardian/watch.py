"""What every shell of the guardian does at every bar: judge, latch, act."""

from collections.abc import Callable, Iterable

from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.ports import GuardianDesk
from mia_actors.guardian.core import Assessment, Demand, GuardianCore, TradingState
from mia_actors.guardian.halt_sequence import HaltSequence, Step
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.permits import Lease

STATES = {Demand.HALT: TradingState.HALTED, Demand.FLATTEN: TradingState.REDUCE_ONLY}
GUARDIAN = "guardian"


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
    ) -> None:
        """`now_ns` stamps the latch for people; nothing is decided on it."""
        self._settings = settings
        self._core = core
        self._latch = latch
        self._now_ns = now_ns
        self._sequence = HaltSequence(desk=desk, latch=latch, instrument=instrument, session_id=session_id)
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

    def on_bar(self, bar: Bar) -> Assessment:
        """Judges at the bar's end and acts where that is due.

        Raises:
            BrokerDisconnected: acting needs the broker and it is away; call again.
        """
        self.assessment = self._core.assess(bar.end_ns, bar.close_ticks)
        demanded = STATES.get(self.assessment.demand)
        if demanded is not None:
            self.lower(demanded, reason=self.assessment.reason, who=GUARDIAN)
        self.act(bar.end_ns, float(bar.end_ns))
        return self.assessment

    def lower(self, state: TradingState, *, reason: str, who: str) -> None:
        """Latches a lower state; the disk has it before this returns."""
        self._latch.lower(state, reason=reason, who=who, at_ns=self._now_ns())

    def act(self, market_time_ns: int, moment: float) -> Step | None:
        """One step of making the account flat, or one more look at it once that is confirmed."""
        if self.state is TradingState.ACTIVE:
            return None
        return self._sequence.step(market_time_ns, moment)

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
