"""Leases over a real store: who gets one, until when, and what the store remembers of it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import ConfigError
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.permits import Executors, Lease, LeaseIssuer, PermitOffice, Standing, executors_fact

TTL_S = 2.0
TTL_NS = 2 * NS_PER_S
MakeOffice = Callable[..., PermitOffice]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        yield opened


@pytest.fixture
def make_office(latch: Latch, clock: VirtualClock) -> MakeOffice:
    """A guardian's life over the same store."""

    def make(session_id: str = "s1", ttl_s: float = TTL_S) -> PermitOffice:
        return PermitOffice(
            latch,
            session_id=session_id,
            ttl_s=ttl_s,
            monotonic_ns=lambda: round(clock.monotonic_s() * NS_PER_S),
        )

    return make


def reason(answer: Lease | PermitRefusal) -> str:
    return answer.reason if isinstance(answer, PermitRefusal) else "granted"


def test_a_lease_begins_when_the_clock_was_read_and_lasts_one_time_to_live(
    make_office: MakeOffice, clock: VirtualClock, latch: Latch
) -> None:
    clock.advance_ns(5)
    assert make_office().lease(3) == Lease(
        epoch=latch.epoch(),
        executor_incarnation=3,
        granted_monotonic_ns=5,
        expires_monotonic_ns=5 + TTL_NS,
    )


def test_the_clock_is_read_before_the_store(
    latch: Latch, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow look at the store shortens the lease: a halt during it must not be outlived by more than the rest."""

    def slowly(session_id: str) -> Standing:
        clock.advance_ns(NS_PER_S)
        return real(session_id)

    office = PermitOffice(
        latch, session_id="s1", ttl_s=TTL_S, monotonic_ns=lambda: round(clock.monotonic_s() * NS_PER_S)
    )
    real = latch.standing
    monkeypatch.setattr(latch, "standing", slowly)
    lease = office.lease(1)
    assert isinstance(lease, Lease)
    assert (lease.granted_monotonic_ns, lease.expires_monotonic_ns) == (0, TTL_NS)


def test_the_first_executor_of_a_session_does_not_wait(make_office: MakeOffice) -> None:
    assert reason(make_office().lease(4)) == "granted"


def test_a_newer_executor_waits_until_the_leases_of_the_older_one_have_run_out(
    make_office: MakeOffice, clock: VirtualClock
) -> None:
    office = make_office()
    office.lease(1)
    clock.advance_ns(NS_PER_S)
    early = office.lease(2)
    assert isinstance(early, PermitRefusal)
    assert (early.reason, early.again_in_s) == ("older_lease", 1.0)
    clock.advance_ns(NS_PER_S - 1)
    assert reason(office.lease(2)) == "older_lease"
    clock.advance_ns(1)
    assert reason(office.lease(2)) == "granted"


@pytest.mark.parametrize("restarted", [False, True])
def test_an_older_executor_gets_nothing_once_a_newer_one_asked(
    make_office: MakeOffice, *, restarted: bool
) -> None:
    """Whether the newer one got a lease or not, and whether the guardian that heard it still lives or not."""
    office = make_office()
    office.lease(1)
    assert reason(office.lease(2)) == "older_lease"
    office = make_office() if restarted else office
    assert reason(office.lease(1)) == "executor_superseded"


def test_a_guardians_death_costs_the_executor_that_had_the_lease_nothing(make_office: MakeOffice) -> None:
    make_office().lease(1)
    assert reason(make_office().lease(1)) == "granted"


@pytest.mark.parametrize(("ttl_before_s", "wait_s"), [(TTL_S, 2.0), (7.0, 7.0), (1.0, 2.0)])
def test_a_restarted_guardian_knows_not_what_was_leased_last_and_waits_for_the_longest_it_can_be(
    make_office: MakeOffice, ttl_before_s: float, wait_s: float
) -> None:
    make_office(ttl_s=ttl_before_s).lease(1)
    early = make_office().lease(2)
    assert isinstance(early, PermitRefusal)
    assert (early.reason, early.again_in_s) == ("older_lease", wait_s)


def test_a_guardian_that_was_followed_by_another_grants_nothing(make_office: MakeOffice) -> None:
    older, newer = make_office(), make_office()
    assert reason(older.lease(1)) == "guardian_superseded"
    assert reason(newer.lease(1)) == "granted"


def test_incarnations_of_another_session_are_others(make_office: MakeOffice) -> None:
    make_office("s1").lease(9)
    assert reason(make_office("s2").lease(1)) == "granted"


@pytest.mark.parametrize("state", [TradingState.REDUCE_ONLY, TradingState.HALTED])
def test_the_latch_is_read_at_each_grant(make_office: MakeOffice, latch: Latch, state: TradingState) -> None:
    office = make_office()
    before = office.lease(1)
    latch.lower(state, reason="fire", who="another process", at_ns=1)
    refused = office.lease(1)
    assert isinstance(refused, PermitRefusal)
    assert (refused.reason, refused.detail, refused.again_in_s) == (state.value, "fire", None)
    assert latch.release(latch.read(), reason="over", who="ada", at_ns=2)
    after = office.lease(1)
    assert isinstance(before, Lease)
    assert isinstance(after, Lease)
    assert after.epoch > before.epoch


def test_a_request_on_disk_ends_the_leases_before_anybody_heeded_it(
    make_office: MakeOffice, latch: Latch
) -> None:
    office = make_office()
    asked = latch.ask("halt", reason="fire", who="ada", at_ns=1)
    assert reason(office.lease(1)) == "halt_requested"
    latch.handled(asked)
    assert reason(office.lease(1)) == "granted"


def test_a_store_that_cannot_be_understood_grants_nothing(make_office: MakeOffice, latch: Latch) -> None:
    office = make_office()
    latch.note_fact(executors_fact("s1"), "gibberish")
    with pytest.raises(ConfigError, match="that means halted"):
        office.lease(1)


def test_clocks_that_may_differ_lengthen_the_wait_for_an_older_lease_by_as_much() -> None:
    issuer = LeaseIssuer(life=1, ttl_ns=10, clear_ns=0, drift_ns=3)
    standing = Standing(
        state=TradingState.ACTIVE,
        reason="",
        epoch=1,
        life=1,
        requests_open=False,
        executors=Executors(asked=1, leased=1),
    )
    issuer.grant(1, now_ns=5, standing=standing)
    answers = [issuer.grant(2, now_ns=now_ns, standing=standing).answer for now_ns in (17, 18)]
    assert [reason(answer) for answer in answers] == ["older_lease", "granted"]
