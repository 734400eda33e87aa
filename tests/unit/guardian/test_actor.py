"""The guardian's shell without Ray or broker: leases, the order of things at a bar, and its own failure."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import pytest

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.facts import Tick
from mia_actors.core.orders import Permit, Side
from mia_actors.core.permit_gate import Allowed, Denied, PermitDenial, PermitGate, PermitRefusal
from mia_actors.core.units import ES
from mia_actors.guardian.actor import HEARTBEAT, Guardian
from mia_actors.guardian.core import GuardianCore, TradingState
from mia_actors.guardian.halt_file import HALT_FILE
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.thresholds import Thresholds
from mia_actors.guardian.watch import Watch
from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.ref import Ref
from tests.unit.guardian.account import ENTRY, INSTRUMENT, NOON_NS, FakeDesk, bar, fill, session_info

TTL_S = 2.0
SETTINGS = GuardianSettings(daily_loss_limit_usd=Decimal(200), permit_ttl_s=TTL_S, permit_wait_s=0.05)
PATIENT = SETTINGS.model_copy(update={"permit_wait_s": 30.0})


class Crashed(BaseException):
    """The process ended with this error as its last word."""


class Gate:
    """Notes what was latched when the market was told to go on."""

    def __init__(self, latch: Latch) -> None:
        self._latch = latch
        self.acknowledged: list[tuple[int, TradingState]] = []

    def acknowledge(self, until_ns: int) -> bool:
        self.acknowledged.append((until_ns, self._latch.read().state))
        return False


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON_NS)


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        yield opened


MakeGuardian = Callable[..., Guardian]


@pytest.fixture
def make_guardian(tmp_path: Path, latch: Latch, clock: VirtualClock) -> MakeGuardian:
    """A guardian as it is after `start`, with a desk in place of the broker session."""

    def crash(error: BaseException) -> NoReturn:
        raise Crashed from error

    def refs(name: str) -> Ref:
        raise AssertionError(f"the guardian asks nobody, least of all {name}")

    def make(
        desk: FakeDesk, *, settings: GuardianSettings = SETTINGS, equity_usd: Decimal = Decimal(10_000)
    ) -> Guardian:
        context = ChildContext(
            child_id="guardian",
            incarnation=1,
            session=session_info(tmp_path),
            clock=clock,
            refs=refs,
            finish=lambda: None,
            crash=crash,
        )
        guardian = Guardian(settings, context)
        guardian._latch = latch
        guardian._office = guardian._new_office(latch)
        guardian._watch = Watch(
            settings=settings,
            core=GuardianCore(settings, ES, equity_usd),
            latch=latch,
            desk=desk,
            instrument=INSTRUMENT,
            session_id="s1",
            now_ns=clock.now_ns,
        )
        return guardian

    return make


def granted(guardian: Guardian, as_of_s: float) -> Permit:
    permit = guardian.permit(bar(as_of_s).end_ns, 4)
    assert isinstance(permit, Permit)
    return permit


def checked(gate: PermitGate, permit: Permit, clock: VirtualClock, *, plus_ns: int = 0) -> Allowed | Denied:
    now_ns = round(clock.monotonic_s() * NS_PER_S) + plus_ns
    return gate.check(permit, resulting_contracts=1, now_monotonic_ns=now_ns)


def test_a_permit_lives_for_its_ttl_and_not_a_nanosecond_longer(
    make_guardian: MakeGuardian, latch: Latch, clock: VirtualClock
) -> None:
    guardian, gate = make_guardian(FakeDesk()), PermitGate()
    clock.advance_ns(7 * NS_PER_S)
    guardian._judge(bar(5), Gate(latch))
    permit = granted(guardian, 5)
    assert (permit.executor_incarnation, permit.as_of_ns) == (4, bar(5).end_ns)
    ttl_ns = round(TTL_S * NS_PER_S)
    assert isinstance(checked(gate, permit, clock, plus_ns=ttl_ns - 1), Allowed)
    late = checked(gate, permit, clock, plus_ns=ttl_ns)
    assert isinstance(late, Denied)
    assert late.reason is PermitDenial.EXPIRED


@pytest.mark.parametrize("ended_by", ["a new guardian", "a halt"])
def test_a_permit_of_an_older_epoch_is_fenced_once_a_newer_was_seen(
    make_guardian: MakeGuardian, latch: Latch, clock: VirtualClock, ended_by: str
) -> None:
    gate, guardian = PermitGate(), make_guardian(FakeDesk())
    guardian._judge(bar(5), Gate(latch))
    stale = granted(guardian, 5)
    if ended_by == "a halt":
        latch.lower(TradingState.HALTED, reason="fire", who="ada", at_ns=1)
        fresh = replace(stale, epoch=latch.epoch())
    else:
        successor = make_guardian(FakeDesk())
        successor._judge(bar(5), Gate(latch))
        fresh = granted(successor, 5)
    assert isinstance(checked(gate, stale, clock), Allowed)
    assert isinstance(checked(gate, fresh, clock), Allowed)
    fenced = checked(gate, stale, clock)
    assert isinstance(fenced, Denied)
    assert fenced.reason is PermitDenial.FENCED


def test_no_permit_for_a_time_that_is_not_judged(make_guardian: MakeGuardian, latch: Latch) -> None:
    guardian = make_guardian(FakeDesk())
    guardian._judge(bar(5), Gate(latch))
    behind = guardian.permit(bar(5).end_ns + 1, 4)
    assert isinstance(behind, PermitRefusal)
    assert behind.reason == "guardian_behind"


def test_a_permit_asked_for_late_tells_how_far_the_market_is(
    make_guardian: MakeGuardian, latch: Latch
) -> None:
    """Execution drops an entry that the market has left behind."""
    guardian = make_guardian(FakeDesk())
    guardian._judge(bar(50), Gate(latch))
    assert granted(guardian, 5).as_of_ns == bar(50).end_ns


@pytest.mark.parametrize(("mark_ticks", "refused"), [(ENTRY - 15, False), (ENTRY - 16, True)])
def test_a_permit_asked_for_early_is_answered_by_the_judgement_of_its_own_time(
    make_guardian: MakeGuardian, latch: Latch, mark_ticks: int, *, refused: bool
) -> None:
    guardian = make_guardian(FakeDesk(position=1), settings=PATIENT)
    guardian._ready()[0].add_fills([fill(1, Side.BUY, ENTRY)])
    guardian._judge(bar(5), Gate(latch))
    answers: list[Permit | PermitRefusal] = []
    asking = threading.Thread(target=lambda: answers.append(guardian.permit(bar(10).end_ns, 4)))
    asking.start()
    guardian._judge(bar(10, mark_ticks), Gate(latch))
    asking.join(30)
    assert [isinstance(answer, PermitRefusal) for answer in answers] == [refused]


def test_the_market_goes_on_only_when_the_halt_of_its_bar_is_on_disk(
    make_guardian: MakeGuardian, latch: Latch
) -> None:
    guardian, gate = make_guardian(FakeDesk(position=1)), Gate(latch)
    guardian._ready()[0].add_fills([fill(1, Side.BUY, ENTRY)])
    guardian._judge(bar(5), gate)
    guardian._judge(bar(10, ENTRY - 16), gate)
    guardian._judge(bar(10, ENTRY - 16), gate)  # told again after a reconnect: acknowledged again
    halted = (bar(10).end_ns, TradingState.HALTED)
    assert gate.acknowledged == [(bar(5).end_ns, TradingState.ACTIVE), halted, halted]


@pytest.mark.parametrize(
    ("kind", "state"), [("halt", TradingState.HALTED), ("flatten", TradingState.REDUCE_ONLY)]
)
def test_what_a_person_asked_for_is_heeded_before_the_next_bar_is_judged(
    make_guardian: MakeGuardian, latch: Latch, kind: str, state: TradingState
) -> None:
    desk = FakeDesk(position=1, working=1)
    guardian = make_guardian(desk)
    latch.ask(kind, reason="fire", who="ada", at_ns=1)
    guardian._judge(bar(5), Gate(latch))
    assert (latch.read().state, latch.read().reason, latch.read().who) == (state, "fire", "ada")
    assert latch.open_requests() == ()
    assert (desk.position, desk.working) == (0, 0)
    assert guardian.permit(bar(5).end_ns, 4) == PermitRefusal(reason=state.value, detail="fire")


def test_without_bars_the_account_is_made_flat_all_the_same(
    make_guardian: MakeGuardian, latch: Latch, clock: VirtualClock
) -> None:
    """The market stands still: seconds tell the two looks apart."""
    desk = FakeDesk(position=1)
    guardian = make_guardian(desk)
    latch.ask("halt", reason="fire", who="ada", at_ns=1)
    guardian._heed_people()
    for _ in range(3):
        clock.advance_ns(NS_PER_S)
        guardian._act_between_bars()
    assert latch.read().is_flat
    assert desk.positions_seen == [1, 0]


def test_between_bars_a_flat_account_is_looked_at_again_every_few_seconds_and_not_more_often(
    make_guardian: MakeGuardian, latch: Latch, clock: VirtualClock
) -> None:
    desk = FakeDesk()
    guardian = make_guardian(desk)
    latch.lower(TradingState.HALTED, reason="fire", who="ada", at_ns=1)
    latch.note_outcome(is_flat=True, outcome="FLAT")
    for _ in range(100):
        clock.advance_ns(NS_PER_S // 10)
        guardian._act_between_bars()
    assert 2 <= desk.calls.count("position_contracts") <= 10
    desk.position = 1
    for _ in range(100):
        clock.advance_ns(NS_PER_S // 10)
        guardian._act_between_bars()
    assert desk.positions_seen == [0, 0]
    assert latch.read().is_flat


class BrokenDesk(FakeDesk):
    """A desk with an error of ours in it."""

    def working_orders(self) -> int:
        raise RuntimeError("broken")


def run_into_error(guardian: Guardian) -> BaseException | None:
    """Lets the guardian's loop take one bar, in this thread; returns the last word of its process."""
    guardian._events.put(bar(5))
    with pytest.raises(Crashed) as crashed:
        guardian._guarded_loop()
    return crashed.value.__cause__


def test_an_error_of_the_guardian_itself_halts_and_ends_the_process(
    make_guardian: MakeGuardian, latch: Latch
) -> None:
    guardian = make_guardian(BrokenDesk())
    latch.lower(TradingState.REDUCE_ONLY, reason="position", who="guardian", at_ns=1)
    run_into_error(guardian)
    assert latch.read().state is TradingState.HALTED
    assert latch.read().reason == "the guardian failed: RuntimeError: broken"


def test_a_lost_connection_ends_the_process_and_latches_nothing_new(
    make_guardian: MakeGuardian, latch: Latch
) -> None:
    """The successor reads REDUCE_ONLY and goes on; until then there are no permits."""
    latch.lower(TradingState.REDUCE_ONLY, reason="position", who="guardian", at_ns=1)
    desk = FakeDesk(position=1)
    desk.faults = [("place_offset", "before")]
    assert isinstance(run_into_error(make_guardian(desk)), BrokerDisconnected)
    assert (latch.read().state, latch.read().is_flat) == (TradingState.REDUCE_ONLY, False)


def test_an_error_that_cannot_be_latched_ends_the_process_all_the_same(
    make_guardian: MakeGuardian, latch: Latch
) -> None:
    """A full or read-only disk."""
    guardian = make_guardian(BrokenDesk())
    latch._connection.execute("PRAGMA query_only = ON")
    run_into_error(guardian)


def test_a_halt_file_is_a_halt_within_one_turn(
    make_guardian: MakeGuardian, latch: Latch, tmp_path: Path
) -> None:
    guardian = make_guardian(FakeDesk(position=1))
    guardian._heed_people()
    assert latch.read().state is TradingState.ACTIVE
    (tmp_path / HALT_FILE).write_text("fire")
    guardian._heed_people()
    latched = latch.read()
    assert (latched.state, latched.reason, latched.who) == (TradingState.HALTED, "fire", "HALT file")


def test_a_guardian_that_hangs_falls_silent(
    make_guardian: MakeGuardian, latch: Latch, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat comes from the thread that judges, so that whoever listens to it hears of its work."""
    guardian, hanging, released = make_guardian(FakeDesk()), threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        hanging.set()
        released.wait(10)

    monkeypatch.setattr(guardian, "_judge", hang)
    guardian._events.put(bar(5))
    clock.advance_ns(10 * NS_PER_S)
    thread = threading.Thread(target=guardian._loop, daemon=True)
    thread.start()
    assert hanging.wait(10)
    clock.advance_ns(60 * NS_PER_S)
    assert latch.fact(HEARTBEAT) is None
    guardian._stopping.set()
    released.set()
    thread.join(10)
    assert latch.fact(HEARTBEAT) == str(clock.now_ns())


def test_a_trade_between_two_bars_that_breaks_a_limit_halts_at_once_out_of_lockstep(
    make_guardian: MakeGuardian, latch: Latch
) -> None:
    desk = FakeDesk(position=1)
    guardian = make_guardian(desk)
    guardian._ready()[0].add_fills([fill(1, Side.BUY, ENTRY)])
    guardian._judge(bar(5), Gate(latch))
    for ticks, state in ((ENTRY - 15, TradingState.ACTIVE), (ENTRY - 16, TradingState.HALTED)):
        tick = Tick(arrival_ns=NOON_NS, price_ticks=ticks)
        guardian._ready()[0].take(tick)
        guardian._look(tick)
        assert latch.read().state is state
    assert desk.position == 0
    calls = len(desk.calls)
    guardian._look(tick)
    assert len(desk.calls) == calls  # what follows is done at bars and while nothing arrives


def test_a_feed_that_falls_silent_ends_permits_without_any_bar(
    make_guardian: MakeGuardian, latch: Latch, clock: VirtualClock
) -> None:
    guardian = make_guardian(FakeDesk(), settings=SETTINGS.model_copy(update={"spread_ticks": Thresholds()}))
    guardian._judge(bar(5), Gate(latch))
    assert isinstance(guardian.permit(bar(5).end_ns, 4), Permit)
    clock.advance_ns(30 * NS_PER_S)
    guardian._look(None)
    refusal = guardian.permit(bar(5).end_ns, 4)
    assert refusal == PermitRefusal(reason="pause", detail="no market data for 30 s, limit 30 s")
    guardian._judge(bar(10), Gate(latch))
    assert isinstance(guardian.permit(bar(10).end_ns, 4), Permit)
