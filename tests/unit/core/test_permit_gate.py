import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.orders import Permit
from mia_actors.core.permit_gate import PERMIT_STALE, Allowed, Denied, PermitDenial, PermitGate

EXPIRES = 1_000_000_000


def _permit(*, epoch: int = 3, granted: int = 0, expires: int = EXPIRES, contracts: int = 2) -> Permit:
    return Permit(
        epoch=epoch,
        executor_incarnation=1,
        as_of_ns=0,
        granted_monotonic_ns=granted,
        expires_monotonic_ns=expires,
        position_contracts_max=contracts,
    )


def _reason(verdict: Allowed | Denied) -> PermitDenial | None:
    return verdict.reason if isinstance(verdict, Denied) else None


def test_risk_without_a_permit_is_denied() -> None:
    verdict = PermitGate().check(None, resulting_contracts=1, now_monotonic_ns=0)
    assert _reason(verdict) is PermitDenial.MISSING


@pytest.mark.parametrize(
    ("now", "reason"), [(EXPIRES - 1, None), (EXPIRES, "permit_expired"), (EXPIRES + 1, "permit_expired")]
)
def test_a_permit_ends_at_its_moment(now: int, reason: str | None) -> None:
    verdict = PermitGate().check(_permit(), resulting_contracts=1, now_monotonic_ns=now)
    assert _reason(verdict) == reason


def test_a_denial_says_by_how_much() -> None:
    late = PermitGate().check(_permit(), resulting_contracts=1, now_monotonic_ns=EXPIRES + 250_000_000)
    assert isinstance(late, Denied)
    assert late.detail == "permit expired 250 ms ago"
    large = PermitGate().check(_permit(contracts=1), resulting_contracts=-2, now_monotonic_ns=0)
    assert isinstance(large, Denied)
    assert large.detail == "-2 contracts, limit 1"


@pytest.mark.parametrize("contracts", [2, -2])
def test_the_limit_holds_for_long_and_short_alike(contracts: int) -> None:
    gate = PermitGate()
    assert gate.check(_permit(), resulting_contracts=contracts, now_monotonic_ns=0) == Allowed()
    beyond = gate.check(_permit(contracts=1), resulting_contracts=contracts, now_monotonic_ns=0)
    assert _reason(beyond) is PermitDenial.POSITION_LIMIT


def test_a_permit_of_an_older_epoch_is_void_once_a_newer_was_seen() -> None:
    """A halt raises the epoch: what was signed before it opens nothing any more."""
    gate = PermitGate()
    assert gate.check(_permit(epoch=3), resulting_contracts=1, now_monotonic_ns=0) == Allowed()
    assert gate.check(_permit(epoch=4), resulting_contracts=1, now_monotonic_ns=0) == Allowed()
    old = gate.check(_permit(epoch=3), resulting_contracts=1, now_monotonic_ns=0)
    assert _reason(old) is PermitDenial.FENCED
    assert gate.check(_permit(epoch=4), resulting_contracts=1, now_monotonic_ns=0) == Allowed()


def test_a_newer_permit_fences_even_when_it_opens_nothing_itself() -> None:
    gate = PermitGate()
    expired = gate.check(_permit(epoch=4), resulting_contracts=1, now_monotonic_ns=EXPIRES)
    assert _reason(expired) is PermitDenial.EXPIRED
    assert _reason(gate.check(_permit(epoch=3), resulting_contracts=1, now_monotonic_ns=0)) is (
        PermitDenial.FENCED
    )


def test_only_a_fresh_permit_cures_staleness_and_nothing_else() -> None:
    assert {PermitDenial.EXPIRED, PermitDenial.FENCED, PermitDenial.OLDER_THAN_GATE} == PERMIT_STALE


@pytest.mark.parametrize(
    ("granted", "drift", "allowed"), [(8, 0, True), (7, 0, False), (9, 2, False), (10, 2, True)]
)
def test_a_gate_that_followed_another_refuses_what_its_predecessor_may_have_fenced(
    granted: int, drift: int, *, allowed: bool
) -> None:
    """It was born at 7, having forgotten which epoch was the highest."""
    gate = PermitGate(born_monotonic_ns=7, drift_ns=drift)
    verdict = gate.check(_permit(granted=granted), resulting_contracts=1, now_monotonic_ns=11)
    assert _reason(verdict) == (None if allowed else "permit_older_than_gate")


@given(
    st.lists(
        st.tuples(
            st.none() | st.tuples(st.integers(1, 5), st.integers(0, 20), st.integers(0, 2)),
            st.integers(-3, 3),
            st.integers(0, 20),
        ),
        max_size=20,
    )
)
def test_nothing_is_allowed_but_by_the_newest_epoch_in_time_and_within_its_limit(
    asked: list[tuple[tuple[int, int, int] | None, int, int]],
) -> None:
    gate, newest = PermitGate(), 0
    for terms, contracts, now in asked:
        permit = _permit(epoch=terms[0], expires=terms[1], contracts=terms[2]) if terms else None
        verdict = gate.check(permit, resulting_contracts=contracts, now_monotonic_ns=now)
        newest = max(newest, terms[0] if terms else 0)
        good = terms is not None and terms[0] == newest and now < terms[1] and abs(contracts) <= terms[2]
        assert (verdict == Allowed()) is good
