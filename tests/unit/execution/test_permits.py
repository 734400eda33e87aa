"""The executor's side of a lease: how long it is held, and how long it is waited for."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import TargetUnavailable
from mia_actors.core.orders import Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.execution.permits import GuardianPermits, LeaseHolder

NOON = 1_381_251_600 * NS_PER_S
WAIT_S = 30.0
HALTED = PermitRefusal(reason="halted", detail="fire")
Answer = Callable[[], Permit | PermitRefusal]


def permit(granted_ns: int, ttl_ns: int = NS_PER_S) -> Permit:
    return Permit(
        epoch=1,
        executor_incarnation=2,
        as_of_ns=NOON,
        granted_monotonic_ns=granted_ns,
        expires_monotonic_ns=granted_ns + ttl_ns,
        position_contracts_max=1,
    )


class Guardian:
    """A guardian whose answers are told in advance; each takes so many seconds on its way."""

    def __init__(self, clock: VirtualClock, answers: Sequence[tuple[float, str, float]]) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []

    def ask(self, method: str, *args: Any, timeout_s: float) -> Permit | PermitRefusal:
        self.asked.append((method, *args))
        before_s, kind, after_s = self.answers.pop(0) if self.answers else (0.0, "permit", 0.0)
        if before_s + after_s > timeout_s:
            self.clock.sleep_s(timeout_s)
            raise TargetUnavailable("guardian was not up")
        self.clock.sleep_s(before_s)
        granted_ns = round(self.clock.monotonic_s() * NS_PER_S)
        self.clock.sleep_s(after_s)
        if kind == "permit":
            return permit(granted_ns)
        return HALTED if kind == "halted" else PermitRefusal(reason=kind, detail="soon", again_in_s=2.0)


def permits(clock: VirtualClock, guardian: Guardian) -> GuardianPermits:
    return GuardianPermits(guardian, incarnation=2, wait_s=WAIT_S, clock=clock)  # type: ignore[arg-type]


def outcome(answer: Permit | PermitRefusal) -> str:
    return answer.reason if isinstance(answer, PermitRefusal) else "permit"


@given(asked=st.integers(0, 50), way=st.integers(0, 50), skew=st.integers(-20, 20), ttl=st.integers(1, 30))
def test_a_lease_is_never_held_longer_than_its_time_to_live_from_before_the_question(
    asked: int, way: int, skew: int, ttl: int
) -> None:
    """The guardian grants `way` later, on a clock that is `skew` ahead of the holder's."""
    holder = LeaseHolder()
    holder.asks(NOON, now_ns=asked)
    holder.receives(permit(asked + way + skew, ttl))
    last = max((now for now in range(200) if holder.lease(NOON, now_ns=now)), default=None)
    end = min(asked + ttl, asked + way + skew + ttl)
    assert last == (end - 1 if end > 0 else None)


def test_a_lease_serves_only_the_market_time_it_was_asked_for() -> None:
    holder = LeaseHolder()
    holder.asks(NOON, now_ns=0)
    holder.receives(permit(0))
    assert holder.lease(NOON + 1, now_ns=0) is None
    assert holder.lease(NOON, now_ns=0) == permit(0)


@pytest.mark.parametrize(("idle_s", "questions"), [(0.5, 1), (1.0, 2)])
def test_a_prefetched_lease_serves_once_and_only_while_it_lasts(idle_s: float, questions: int) -> None:
    clock = VirtualClock()
    guardian = Guardian(clock, [])
    leases = permits(clock, guardian)
    leases.prefetch(NOON)
    clock.sleep_s(idle_s)
    assert outcome(leases.permit(NOON)) == "permit"
    assert guardian.asked == [("permit", NOON, 2)] * questions
    leases.permit(NOON)
    assert len(guardian.asked) == questions + 1


@pytest.mark.parametrize(
    ("answers", "expected", "questions"),
    [
        ([(0.0, "permit", 0.9)], "permit", 1),
        ([(0.0, "permit", 1.0)], "permit", 2),
        ([(3.0, "permit", 0.0)], "permit", 2),
        ([(0.0, "older_lease", 0.0), (0.0, "older_lease", 0.0)], "permit", 3),
        ([(0.0, "halted", 0.0)], "halted", 1),
        ([(0.0, "older_lease", 0.0), (0.0, "halted", 0.0)], "halted", 2),
        ([(31.0, "permit", 0.0)], "guardian_unavailable", 1),
        ([(0.0, "older_lease", 0.0)] * 99, "guardian_unavailable", 16),
        ([(2.0, "permit", 0.0)] * 99, "guardian_unavailable", 15),
    ],
)
def test_what_waiting_may_cure_is_waited_for_within_the_bound_and_then_refused(
    answers: list[tuple[float, str, float]], expected: str, questions: int
) -> None:
    """Each answer: seconds until it was granted, what it was, seconds on its way back; a permit lasts one."""
    clock = VirtualClock()
    guardian = Guardian(clock, answers)
    assert outcome(permits(clock, guardian).permit(NOON)) == expected
    assert len(guardian.asked) == questions
    assert clock.monotonic_s() <= WAIT_S
