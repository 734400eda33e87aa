"""The permit as a lease, executor's side: held only as long as it certainly lasts.

`LeaseHolder` is pure; `GuardianPermits` asks the guardian actor for it and waits where waiting may help.
"""

from dataclasses import dataclass
from typing import cast

from mia_actors.core.clock import NS_PER_S, Clock
from mia_actors.core.errors import TargetUnavailable
from mia_actors.core.orders import Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.supervision.ref import Ref
from mia_actors.telemetry import conventions, tracing

PAUSE_MIN_S = 0.01
"""Between two questions after an answer that was of no use."""
UNAVAILABLE = "guardian_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A question and what came of it."""

    as_of_ns: int
    asked_ns: int
    """When the question went out, on the holder's clock."""
    permit: Permit | None = None

    @property
    def valid_until_ns(self) -> int:
        """The lease's length counted from before the question went out, and never beyond its own end."""
        if self.permit is None:
            return self.asked_ns
        length_ns = self.permit.expires_monotonic_ns - self.permit.granted_monotonic_ns
        return min(self.permit.expires_monotonic_ns, self.asked_ns + length_ns)


class LeaseHolder:
    """The newest question and its lease. Pure.

    Guarantee: a lease is given out only while it is younger than its time to live counted from before the
    question was sent. An answer that was delayed is therefore shorter, and a clock that differs from the
    guardian's cannot lengthen it.
    """

    def __init__(self, held: Held | None = None) -> None:
        self._held = held

    @property
    def held(self) -> Held | None:
        """The newest question, with its lease once that came."""
        return self._held

    def asks(self, as_of_ns: int, *, now_ns: int) -> None:
        """A question is about to be sent; whatever was held before is given up."""
        self._held = Held(as_of_ns=as_of_ns, asked_ns=now_ns)

    def receives(self, permit: Permit) -> None:
        """The answer to the newest question."""
        if self._held is not None:
            self._held = Held(as_of_ns=self._held.as_of_ns, asked_ns=self._held.asked_ns, permit=permit)

    def lease(self, as_of_ns: int, *, now_ns: int) -> Permit | None:
        """The lease asked for as of that market time, while it is valid."""
        held = self._held
        if held is None or held.as_of_ns != as_of_ns or now_ns >= held.valid_until_ns:
            return None
        return held.permit

    def gives_up(self) -> None:
        """The lease was used or refused: the next one is asked for anew."""
        self._held = None


class GuardianPermits:
    """Leases by asking the guardian actor. One caller at a time.

    While the guardian is away, is behind, waits for an older executor's lease to run out or answered too late, it
    is asked again, for at most `wait_s`; then the answer is a refusal that says so. Nothing else depends on a
    clock, so that a session in lockstep comes to the same ledger however long each answer took.
    """

    def __init__(self, guardian: Ref, *, incarnation: int, wait_s: float, clock: Clock) -> None:
        self._guardian = guardian
        self._incarnation = incarnation
        self._wait_s = wait_s
        self._clock = clock
        self._holder = LeaseHolder()

    def prefetch(self, as_of_ns: int) -> None:
        """Asks ahead of need; the lease serves the next `permit` of the same market time, once."""
        self._ask(as_of_ns)

    def permit(self, as_of_ns: int) -> Permit | PermitRefusal:
        """A lease, or why there is none."""
        answer = self._holder.lease(as_of_ns, now_ns=self._now_ns()) or self._ask(as_of_ns)
        self._holder.gives_up()
        return answer

    def _ask(self, as_of_ns: int) -> Permit | PermitRefusal:
        with tracing.span(conventions.SPAN_GET_PERMIT):
            deadline_s = self._clock.monotonic_s() + self._wait_s
            left_s = self._wait_s
            while True:
                answer = self._asked(as_of_ns, within_s=left_s)
                if isinstance(answer, Permit) or answer.again_in_s is None:
                    return answer
                left_s = deadline_s - self._clock.monotonic_s()
                if left_s <= 0:
                    detail = f"none within {self._wait_s:g} s; at last {answer.reason}: {answer.detail}"
                    return PermitRefusal(reason=UNAVAILABLE, detail=detail)
                self._clock.sleep_s(min(left_s, max(PAUSE_MIN_S, answer.again_in_s)))
                left_s = max(PAUSE_MIN_S, deadline_s - self._clock.monotonic_s())

    def _asked(self, as_of_ns: int, *, within_s: float) -> Permit | PermitRefusal:
        self._holder.asks(as_of_ns, now_ns=self._now_ns())
        try:
            answer = self._guardian.ask("permit", as_of_ns, self._incarnation, timeout_s=within_s)
        except TargetUnavailable as error:
            return PermitRefusal(reason=UNAVAILABLE, detail=str(error))
        if isinstance(answer, Permit):
            self._holder.receives(answer)
            lease = self._holder.lease(as_of_ns, now_ns=self._now_ns())
            late = PermitRefusal(reason="permit_late", detail="it ran out on its way", again_in_s=0.0)
            return lease or late
        return cast("PermitRefusal", answer)

    def _now_ns(self) -> int:
        return round(self._clock.monotonic_s() * NS_PER_S)
