"""Makes an account flat, step by step, through what another client id may do at IB.

Cancel everything, poll until nothing works, read the position, offset it with an order of our own, read it
again, confirm twice. Every step may be repeated; the intent of an offset is on disk before it is sent, so a guardian
that dies anywhere is followed by one that goes on. Called on every bar, and on a timer while no bars come; it goes
on looking after flat was confirmed, and begins again when an order or a position turns up. What the broker refuses,
as in the daily break, is tried again for ever, with growing and bounded pauses.
"""

from dataclasses import dataclass, replace

from mia_actors.core.errors import OrderRejected
from mia_actors.core.orders import GUARDIAN_PREFIX, OrderSpec, OrderState, OrderType, Purpose, Side, order_ref
from mia_actors.core.ports import GuardianDesk
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.patience import Patience

CONFIRMATIONS = 2
CANCEL_POLLS_MAX = 200
"""Round trips within one step that wait for a cancel to be confirmed."""

ABANDONED_LOOKS = 100
"""Looks at different moments after which another process's intent that never arrived is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where the sequence stands."""

    is_flat: bool
    position_contracts: int
    working_orders: int
    outcome: str


class HaltSequence:
    """One halt or flatten. One caller at a time."""

    def __init__(self, *, desk: GuardianDesk, latch: Latch, instrument: str, session_id: str) -> None:
        self._desk = desk
        self._latch = latch
        self._instrument = instrument
        self._session_id = session_id
        self._confirmed = 0
        self._confirmed_at: float | None = None
        self._cancels = Patience()
        self._offsets = Patience()
        self._refusal = ""
        self._missed: set[tuple[str, float]] = set()
        self._halt = latch.read()

    def step(self, market_time_ns: int, moment: float) -> Step:
        """Goes as far as it can. `moment` tells two looks apart: market time, or seconds while that stands.

        Raises:
            BrokerDisconnected: the broker could not be asked; call again.
        """
        halt = self._latch.read()
        is_new = halt.number != self._halt.number
        if is_new:
            self._confirmed = 0
        self._halt = halt
        offsets = self._latch.offset_count()
        hindrance = self._settle_offset(moment)
        if hindrance:
            return self._not_flat(hindrance)
        if not self._cancelled(moment, at_once=is_new):
            return self._not_flat("waiting for cancels")
        position = self._desk.position_contracts()
        if position != 0:
            self._begin_again()
            if not self._offsets.is_due(moment):
                return self._not_flat(self._refused())
            return self._not_flat(self._offset(position, market_time_ns, moment, after=offsets))
        self._offsets.succeeded()
        return self._confirm(moment)

    def _settle_offset(self, moment: float) -> str:
        """Asks what became of the offset that was sent last, by whatever process; says what hinders the next."""
        live = self._latch.live_offset()
        if live is None:
            return ""
        session_id, spec = live
        report = self._desk.offset_report(spec.order_ref)
        if report is not None and not report.state.is_final:
            return "offset works at the broker"
        if report is not None:
            self._latch.note_offset(session_id, spec.order_ref, report.state)
            if report.state is not OrderState.FILLED:
                self._note_refusal(moment, report.reason or report.state.value)
        elif session_id == self._session_id or self._is_abandoned(spec.order_ref, moment):
            self._latch.note_offset(session_id, spec.order_ref, OrderState.EXPIRED)
        else:
            return "the offset of another process is on its way"
        return ""

    def _is_abandoned(self, order_ref: str, moment: float) -> bool:
        """Whether another's intent, unknown to the broker, was looked for long enough: who meant it is dead."""
        self._missed = {(ref, when) for ref, when in self._missed if ref == order_ref} | {(order_ref, moment)}
        return len(self._missed) >= ABANDONED_LOOKS

    def _cancelled(self, moment: float, *, at_once: bool) -> bool:
        """Whether nothing works now. A new halt cancels without asking first whether there is something to cancel."""
        if at_once:
            self._cancels.succeeded()
        elif self._desk.working_orders() == 0:
            self._cancels.succeeded()
            return True
        self._begin_again()
        if not self._cancels.is_due(moment):
            return False
        self._desk.global_cancel()
        if any(self._desk.working_orders() == 0 for _ in range(CANCEL_POLLS_MAX)):
            return True
        self._cancels.failed(moment)
        return False

    def _note_refusal(self, moment: float, reason: str) -> None:
        self._offsets.failed(moment)
        self._refusal = reason

    def _refused(self) -> str:
        return f"offset refused {self._offsets.failures} times ({self._refusal}), to be sent anew"

    def _offset(self, position: int, market_time_ns: int, moment: float, *, after: int) -> str:
        spec = OrderSpec(
            order_ref=order_ref(
                GUARDIAN_PREFIX,
                self._instrument,
                market_time_ns,
                Purpose.HALT,
                len(self._latch.offsets(self._session_id)),
            ),
            instrument=self._instrument,
            side=Side.SELL if position > 0 else Side.BUY,
            quantity=abs(position),
            order_type=OrderType.MARKET,
            purpose=Purpose.HALT,
            decided_at_ns=market_time_ns,
        )
        if not self._latch.intend_offset(self._session_id, spec, after=after):
            return "another process sent an offset meanwhile"
        try:
            report = self._desk.place_offset(spec)
            state, reason = report.state, report.reason
        except OrderRejected as error:
            state, reason = OrderState.REJECTED, str(error)
        self._latch.note_offset(self._session_id, spec.order_ref, state)
        if state is not OrderState.REJECTED:
            return "offset sent"
        self._note_refusal(moment, reason or state.value)
        return self._refused()

    def _confirm(self, moment: float) -> Step:
        if self._halt.is_flat:
            return Step(is_flat=True, position_contracts=0, working_orders=0, outcome=self._halt.outcome)
        if self._confirmed_at != moment:
            self._confirmed, self._confirmed_at = self._confirmed + 1, moment
        is_flat = self._confirmed >= CONFIRMATIONS
        outcome = "FLAT" if is_flat else "flat once, confirming"
        self._latch.note_outcome(is_flat=is_flat, outcome=outcome, of=self._halt)
        return Step(is_flat=is_flat, position_contracts=0, working_orders=0, outcome=outcome)

    def _begin_again(self) -> None:
        """Something was found: whatever was confirmed before, two looks are needed from here on."""
        self._confirmed = 0
        if self._halt.is_flat:
            self._latch.note_outcome(is_flat=False, outcome="NOT FLAT: something turned up", of=self._halt)
            self._halt = replace(self._halt, is_flat=False)

    def _not_flat(self, doing: str) -> Step:
        self._begin_again()
        position, working = self._desk.position_contracts(), self._desk.working_orders()
        outcome = f"NOT FLAT: position {position:+d}, {working} working orders; {doing}"
        self._latch.note_outcome(is_flat=False, outcome=outcome, of=self._halt)
        return Step(is_flat=False, position_contracts=position, working_orders=working, outcome=outcome)
