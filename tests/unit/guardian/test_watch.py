"""What the guardian does at every bar: judge, latch, act, and give or refuse a permit."""

from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.orders import Fill, Permit, Side
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.units import ES
from mia_actors.guardian.core import GuardianCore, TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.permits import Lease
from mia_actors.guardian.thresholds import FallingThresholds
from mia_actors.guardian.watch import Watch
from tests.unit.guardian.account import ENTRY, INSTRUMENT, FakeDesk, bar, fill, round_trips

SETTINGS = GuardianSettings(
    daily_loss_limit_usd=Decimal(200), position_contracts_max=1, consecutive_losses_max=3
)
LEASE = Lease(epoch=7, executor_incarnation=3, granted_monotonic_ns=5, expires_monotonic_ns=11)
MakeWatch = Callable[..., Watch]


class LatchedFirstDesk(FakeDesk):
    """A broker that looks at the disk whenever it is told to change something."""

    def __init__(self, state_dir: Path, *, position: int = 0, working: int = 0) -> None:
        super().__init__(position=position, working=working)
        self.state_dir = state_dir
        self.states_on_disk: list[TradingState] = []

    def global_cancel(self) -> None:
        with closing(Latch.open(self.state_dir)) as latch:
            self.states_on_disk.append(latch.read().state)
        super().global_cancel()


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        yield opened


@pytest.fixture
def make_watch(latch: Latch) -> MakeWatch:
    """A guardian's life over the same store; it folds the day's fills anew."""

    def make(desk: FakeDesk, *fills: Fill, equity_usd: Decimal = Decimal(10_000)) -> Watch:
        watch = Watch(
            settings=SETTINGS,
            core=GuardianCore(SETTINGS, ES, equity_usd),
            latch=latch,
            desk=desk,
            instrument=INSTRUMENT,
            session_id="s1",
            now_ns=lambda: 42,
        )
        watch.add_fills(fills)
        return watch

    return make


def permitted(watch: Watch, as_of_s: float = 5) -> Permit | PermitRefusal:
    return watch.permit(bar(as_of_s).end_ns, LEASE)


def test_a_permit_names_epoch_incarnation_market_time_end_of_life_and_size(make_watch: MakeWatch) -> None:
    watch = make_watch(FakeDesk())
    watch.on_bar(bar(5))
    assert permitted(watch) == Permit(
        epoch=7,
        executor_incarnation=3,
        as_of_ns=bar(5).end_ns,
        granted_monotonic_ns=5,
        expires_monotonic_ns=11,
        position_contracts_max=1,
    )


def test_a_limit_is_on_disk_before_anything_is_cancelled_and_the_permit_is_gone(
    tmp_path: Path, make_watch: MakeWatch
) -> None:
    desk = LatchedFirstDesk(tmp_path, position=1, working=2)
    watch = make_watch(desk, fill(1, Side.BUY, ENTRY))
    watch.on_bar(bar(5, ENTRY - 15))
    assert isinstance(permitted(watch), Permit)
    assert desk.calls == []
    watch.on_bar(bar(10, ENTRY - 16))
    assert desk.states_on_disk == [TradingState.HALTED]
    assert permitted(watch) == PermitRefusal(reason="halted", detail="day P&L -200.00 USD, limit -200.00 USD")
    assert desk.position == 0
    for number in (3, 4):
        watch.on_bar(bar(5 * number, ENTRY))
    assert watch.is_flat


def test_a_profit_touches_nothing(make_watch: MakeWatch, latch: Latch) -> None:
    """A profit of 12.5 million USD, held and realised: the reference halted above 500."""
    desk = FakeDesk(position=1, working=2)
    watch = make_watch(desk, fill(1, Side.BUY, ENTRY))
    watch.on_bar(bar(5, ENTRY + 1_000_000))
    watch.add_fills([fill(2, Side.SELL, ENTRY + 1_000_000)])
    watch.on_bar(bar(10, ENTRY))
    assert latch.read().state is TradingState.ACTIVE
    assert isinstance(permitted(watch), Permit)
    assert desk.calls == []


def test_too_large_a_position_is_flattened_and_only_reducing_is_allowed_after_it(
    make_watch: MakeWatch, latch: Latch
) -> None:
    desk = FakeDesk(position=2)
    watch = make_watch(desk, fill(1, Side.BUY, ENTRY, quantity=2))
    watch.on_bar(bar(5))
    assert (desk.position, latch.read().state) == (0, TradingState.REDUCE_ONLY)
    assert permitted(watch) == PermitRefusal(reason="reduce_only", detail="position +2 contracts, limit 1")


def test_losses_in_a_row_refuse_permits_and_latch_nothing(make_watch: MakeWatch, latch: Latch) -> None:
    watch = make_watch(FakeDesk(), *round_trips([-1, -1, -1]))
    watch.on_bar(bar(10))
    refusal = permitted(watch)
    assert isinstance(refusal, PermitRefusal)
    assert refusal.reason == "pause"
    assert latch.read().state is TradingState.ACTIVE
    watch.on_bar(bar(10 + 3600))
    assert isinstance(permitted(watch), Permit)


def test_a_judgement_that_fails_halts_and_the_account_is_made_flat_all_the_same(
    make_watch: MakeWatch, latch: Latch
) -> None:
    desk = FakeDesk(position=1, working=2)
    watch = make_watch(desk, fill(1, Side.BUY, ENTRY), equity_usd=Decimal("NaN"))
    for number in range(1, 4):
        watch.on_bar(bar(5 * number))
    assert (latch.read().state, latch.read().is_flat) == (TradingState.HALTED, True)
    assert latch.read().reason.startswith("the guardian failed: InvalidOperation")
    assert isinstance(permitted(watch, 15), PermitRefusal)


def test_no_recovery_no_new_day_and_no_restart_raises_the_state(make_watch: MakeWatch, latch: Latch) -> None:
    desk = FakeDesk(position=1)
    watch = make_watch(desk, fill(1, Side.BUY, ENTRY))
    watch.on_bar(bar(5, ENTRY - 16))
    watch.on_bar(bar(10, ENTRY + 1000))
    day_s = 86_400
    for life in (watch, make_watch(desk), make_watch(desk)):
        life.lower(TradingState.REDUCE_ONLY, reason="less", who="a person")
        life.on_bar(bar(day_s, ENTRY + 1000))
        assert life.state is TradingState.HALTED
        assert isinstance(permitted(life, day_s), PermitRefusal)
    assert latch.read().reason == "day P&L -200.00 USD, limit -200.00 USD"


def test_a_successor_goes_on_with_what_its_predecessor_did_not_finish(make_watch: MakeWatch) -> None:
    desk = FakeDesk(position=1)
    desk.faults = [("place_offset", "before")]
    with pytest.raises(BrokerDisconnected):
        make_watch(desk, fill(1, Side.BUY, ENTRY)).on_bar(bar(5, ENTRY - 16))
    successor = make_watch(desk)
    assert (successor.state, successor.is_flat) == (TradingState.HALTED, False)
    for number in (2, 3, 4):
        successor.on_bar(bar(5 * number))
    assert successor.is_flat
    assert desk.positions_seen == [1, 0]


def test_a_person_halts_what_is_reduce_only_already_and_the_account_is_looked_at_again(
    make_watch: MakeWatch, latch: Latch
) -> None:
    desk = FakeDesk()
    watch = make_watch(desk)
    watch.lower(TradingState.REDUCE_ONLY, reason="lunch", who="ada")
    watch.on_bar(bar(5))
    watch.on_bar(bar(10))
    flat = [watch.is_flat]
    watch.lower(TradingState.HALTED, reason="fire", who="bob")
    flat.append(watch.is_flat)
    assert flat == [True, False]
    assert (latch.read().state, latch.read().who, latch.read().at_ns) == (TradingState.HALTED, "bob", 42)


def test_the_second_halt_of_a_life_is_confirmed_twice_too(make_watch: MakeWatch) -> None:
    watch = make_watch(FakeDesk())
    watch.lower(TradingState.REDUCE_ONLY, reason="lunch", who="ada")
    watch.on_bar(bar(5))
    watch.on_bar(bar(10))
    watch.lower(TradingState.HALTED, reason="fire", who="bob")
    watch.on_bar(bar(15))
    assert not watch.is_flat


@pytest.mark.parametrize("restarted", [False, True])
def test_a_fill_that_comes_after_flat_was_said_is_flattened_too(
    make_watch: MakeWatch, *, restarted: bool
) -> None:
    """A late execution of an order thought cancelled; architecture, section 'Act': keep watching."""
    desk = FakeDesk()
    watch = make_watch(desk)
    watch.lower(TradingState.HALTED, reason="fire", who="bob")
    watch.on_bar(bar(5))
    watch.on_bar(bar(10))
    assert watch.is_flat
    desk.position = 1
    watch = make_watch(desk) if restarted else watch
    watch.add_fills([fill(12, Side.BUY, ENTRY)])
    for number in (3, 4, 5):
        watch.on_bar(bar(5 * number))
    assert desk.position == 0


@pytest.mark.parametrize("again", [False, True])
def test_a_halt_latched_by_another_process_ends_the_permits_of_this_one(
    tmp_path: Path, make_watch: MakeWatch, *, again: bool
) -> None:
    """`mia halt` latches by itself where the guardian seems dead; then even the guardian's own halt changes nothing."""
    desk = FakeDesk(position=1)
    watch = make_watch(desk, fill(1, Side.BUY, ENTRY))
    watch.on_bar(bar(5))
    with closing(Latch.open(tmp_path)) as console:
        console.lower(TradingState.HALTED, reason="fire", who="bob", at_ns=1)
    if again:
        watch.lower(TradingState.HALTED, reason="asked by a person", who="ada")
    watch.on_bar(bar(10))
    assert desk.position == 0
    assert isinstance(permitted(watch, 10), PermitRefusal)


def test_there_is_no_permit_before_the_first_judgement(make_watch: MakeWatch) -> None:
    assert isinstance(permitted(make_watch(FakeDesk(), *round_trips([-1, -1, -1]))), PermitRefusal)


def test_before_the_close_the_account_is_made_flat_and_nothing_is_latched(latch: Latch) -> None:
    """Four hours before the close the session ends for this account; the next one begins as ever."""
    limits = FallingThresholds(warning=Decimal(300), critical=Decimal(240))
    settings = SETTINGS.model_copy(update={"close_of_session_min": limits})
    desk = FakeDesk(position=1, working=2)
    watch = Watch(
        settings=settings,
        core=GuardianCore(settings, ES, Decimal(10_000)),
        latch=latch,
        desk=desk,
        instrument=INSTRUMENT,
        session_id="s1",
        now_ns=lambda: 42,
    )
    watch.add_fills([fill(1, Side.BUY, ENTRY)])
    watch.on_bar(bar(-5))
    assert (desk.position, permitted(watch, -5)) == (
        1,
        PermitRefusal(reason="pause", detail="240.1 minutes before the close of the session"),
    )
    watch.on_bar(bar(0))
    assert (desk.position, desk.working, watch.state) == (0, 0, TradingState.ACTIVE)
    watch.add_fills([fill(2, Side.SELL, ENTRY)])
    watch.on_bar(bar(5))
    looks = len(desk.calls)
    for number in range(2, 12):
        watch.on_bar(bar(5 * number))
    assert len(desk.calls) == looks
    desk.working = 1
    watch.on_bar(bar(60))
    assert desk.working == 0
    watch.on_bar(bar(6 * 3600))
    assert isinstance(permitted(watch, 6 * 3600), Permit)
