"""Cancel, confirm, flatten, confirm: every step may fail, be repeated or be the last of its process."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.orders import OrderState, OrderType, Purpose, Side
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.halt_sequence import HaltSequence, Step
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.patience import LOOKS_MAX
from tests.unit.guardian.account import INSTRUMENT, NOON_NS, FakeDesk

BAR_NS = 5_000_000_000
BEFORE_CANCEL, AFTER_CANCEL = ("global_cancel", "before"), ("global_cancel", "after")
BEFORE_ORDERS, BEFORE_POSITION = ("working_orders", "before"), ("position_contracts", "before")
BEFORE_OFFSET, AFTER_OFFSET = ("place_offset", "before"), ("place_offset", "after")
BEFORE_REPORT = ("offset_report", "before")
CUTS = (
    *(BEFORE_CANCEL, AFTER_CANCEL, BEFORE_ORDERS, BEFORE_POSITION),
    *(BEFORE_OFFSET, AFTER_OFFSET, BEFORE_REPORT),
)


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        opened.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=1)
        yield opened


def sequence_of(latch: Latch, desk: FakeDesk, session_id: str = "s1") -> HaltSequence:
    return HaltSequence(desk=desk, latch=latch, instrument=INSTRUMENT, session_id=session_id)


def stepped(sequence: HaltSequence, number: int) -> Step:
    """The step at the `number`-th bar after noon."""
    return sequence.step(NOON_NS + number * BAR_NS, float(number))


def never_reversed(desk: FakeDesk) -> bool:
    """The position only ever came nearer to zero, on its own side of it."""
    sizes = [abs(position) for position in desk.positions_seen]
    one_side = min(desk.positions_seen) >= 0 or max(desk.positions_seen) <= 0
    return one_side and sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(("position", "side"), [(2, Side.SELL), (-3, Side.BUY)])
def test_everything_is_cancelled_and_seen_to_be_before_the_position_is_offset(
    latch: Latch, position: int, side: Side
) -> None:
    desk = FakeDesk(position=position, working=4)
    first = stepped(sequence_of(latch, desk), 1)
    placed = desk.calls.index("place_offset")
    assert desk.calls[:placed] == ["working_orders", "global_cancel", "working_orders", "position_contracts"]
    ((offset, _),) = desk.offsets.values()
    assert (offset.side, offset.quantity, offset.order_type) == (side, abs(position), OrderType.MARKET)
    assert offset.purpose is Purpose.HALT
    assert offset.order_ref.startswith("MIAG.")
    assert desk.position == 0
    assert not first.is_flat


def test_a_new_halt_cancels_before_it_asks_what_works(tmp_path: Path) -> None:
    """The cancel is what must not wait for an answer; with nothing to cancel it does no harm."""
    with closing(Latch.open(tmp_path)) as latch:
        desk = FakeDesk(position=1, working=2)
        sequence = sequence_of(latch, desk)
        latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=1)
        stepped(sequence, 1)
        assert desk.calls[:2] == ["global_cancel", "working_orders"]
        assert [stepped(sequence, number).is_flat for number in (2, 3)] == [False, True]
        assert desk.calls.count("global_cancel") == 1


def test_flat_is_said_after_two_looks_at_different_moments_and_not_before(latch: Latch) -> None:
    sequence = sequence_of(latch, FakeDesk())
    looks = [sequence.step(NOON_NS, moment).is_flat for moment in (1.0, 1.0, 1.0)]
    assert looks == [False, False, False]
    assert not latch.read().is_flat
    assert sequence.step(NOON_NS, 2.0).is_flat
    assert (latch.read().is_flat, latch.read().outcome) == (True, "FLAT")


def test_nothing_is_offset_while_an_order_still_works(latch: Latch) -> None:
    """The daily break: cancels do not take. The outcome has the numbers, and it goes on when they do."""
    desk = FakeDesk(position=1, working=2)
    desk.cancel_works = False
    sequence = sequence_of(latch, desk)
    waiting = [stepped(sequence, number) for number in (1, 2, 3)]
    assert {(step.is_flat, step.position_contracts, step.working_orders) for step in waiting} == {
        (False, 1, 2)
    }
    assert "NOT FLAT: position +1, 2 working orders" in latch.read().outcome
    assert desk.calls.count("global_cancel") == 3
    assert desk.offsets == {}
    desk.cancel_works = True
    assert [stepped(sequence, number).is_flat for number in (4, 5, 6, 7)] == [False, False, False, True]
    assert desk.positions_seen == [1, 0]


@pytest.mark.parametrize("aloud", [False, True])
@pytest.mark.parametrize("refused", ["offset", "cancel"])
def test_what_a_closed_market_refuses_is_tried_for_ever_ever_more_seldom_and_never_called_flat(
    latch: Latch, refused: str, *, aloud: bool
) -> None:
    desk = FakeDesk(position=-2, working=0 if refused == "offset" else 3)
    desk.refuses_aloud, desk.cancel_works = aloud, refused == "offset"
    desk.offset_states = [OrderState.REJECTED] * 1000
    sequence = sequence_of(latch, desk)
    for look in range(1000):
        assert not sequence.step(NOON_NS, float(look)).is_flat
    tries = len(desk.offsets) if refused == "offset" else desk.calls.count("global_cancel")
    assert 20 < tries < 30
    outcome = latch.read().outcome
    assert outcome.startswith(f"NOT FLAT: position -2, {desk.working} working orders")
    assert f"refused {tries} times" in outcome or refused == "cancel"
    desk.offset_states, desk.cancel_works = [], True
    looks = [sequence.step(NOON_NS, float(look)).is_flat for look in range(1000, 1000 + LOOKS_MAX + 5)]
    assert looks[-1]
    assert never_reversed(desk)


def test_an_offset_that_works_is_waited_for_and_not_sent_again(latch: Latch) -> None:
    desk = FakeDesk(position=1)
    desk.offset_states = [OrderState.WORKING]
    sequence = sequence_of(latch, desk)
    assert not any(stepped(sequence, number).is_flat for number in range(1, 6))
    ((order_ref, _),) = desk.offsets.items()
    desk.settle(order_ref, OrderState.FILLED)
    assert [stepped(sequence, number).is_flat for number in (6, 7)] == [False, True]
    assert desk.positions_seen == [1, 0]
    (kept,) = latch.offsets("s1")
    assert kept.state is OrderState.FILLED


@pytest.mark.parametrize("ended", [OrderState.REJECTED, OrderState.CANCELLED, OrderState.EXPIRED])
def test_an_offset_that_came_to_nothing_is_followed_by_a_new_one(latch: Latch, ended: OrderState) -> None:
    desk = FakeDesk(position=-2)
    desk.offset_states = [ended, ended]
    sequence = sequence_of(latch, desk)
    steps = [sequence.step(NOON_NS, float(number)).is_flat for number in range(6)]
    assert steps == [False, False, False, False, True, True]
    assert len(desk.offsets) == 3
    assert desk.positions_seen == [-2, 0]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "faults",
    [
        [BEFORE_CANCEL, BEFORE_CANCEL],
        [AFTER_CANCEL],
        [BEFORE_ORDERS, BEFORE_ORDERS],
        [BEFORE_POSITION, BEFORE_POSITION],
        [BEFORE_OFFSET, BEFORE_OFFSET],
        [AFTER_OFFSET],
        [AFTER_OFFSET, BEFORE_REPORT],
    ],
    ids=str,
)
def test_a_line_cut_at_any_call_is_repeated_until_flat_and_nothing_is_sent_twice(
    latch: Latch, faults: list[tuple[str, str]], *, restarted: bool
) -> None:
    """By the same guardian, and by a successor that knows nothing but the store."""
    desk = FakeDesk(position=2, working=1)
    desk.faults = list(faults)
    sequence = sequence_of(latch, desk)
    cuts = 0
    for number in range(1, 12):
        try:
            if stepped(sequence, number).is_flat:
                break
        except BrokerDisconnected:
            cuts += 1
            if restarted:
                sequence = sequence_of(latch, desk)
        assert not latch.read().is_flat
    assert cuts == len(faults)
    assert latch.read().is_flat
    assert desk.positions_seen == [2, 0]


def test_a_guardian_killed_between_the_intent_and_the_sending_is_followed_by_one_that_flattens(
    latch: Latch,
) -> None:
    desk = FakeDesk(position=1)
    desk.faults = [("place_offset", "before")]
    with pytest.raises(BrokerDisconnected):
        stepped(sequence_of(latch, desk), 1)
    (intended,) = latch.offsets("s1")
    assert intended.state is OrderState.INTENDED
    successor = sequence_of(latch, desk)
    assert [successor.step(NOON_NS + BAR_NS, float(number)).is_flat for number in (1, 2, 3)] == [
        False,
        False,
        True,
    ]
    assert [kept.state for kept in latch.offsets("s1")] == [OrderState.EXPIRED, OrderState.FILLED]
    assert desk.positions_seen == [1, 0]


cuts = st.lists(st.sampled_from(CUTS), max_size=8)
ends = st.lists(
    st.sampled_from([OrderState.FILLED, OrderState.REJECTED, OrderState.CANCELLED, OrderState.WORKING]),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(
    position=st.integers(-3, 3),
    working=st.integers(0, 3),
    faults=cuts,
    offset_states=ends,
    restarts=st.sets(st.integers(0, 30)),
)
def test_whatever_fails_the_position_is_never_reversed_and_ends_at_zero(
    position: int,
    working: int,
    faults: list[tuple[str, str]],
    offset_states: list[OrderState],
    restarts: set[int],
) -> None:
    desk = FakeDesk(position=position, working=working)
    desk.faults, desk.offset_states = list(faults), list(offset_states)
    with tempfile.TemporaryDirectory() as directory, closing(Latch.open(Path(directory))) as latch:
        latch.lower(TradingState.HALTED, reason="drill", who="test", at_ns=1)
        sequence = sequence_of(latch, desk)
        for number in range(31):
            if number in restarts:
                sequence = sequence_of(latch, desk)
            try:
                step = stepped(sequence, number)
            except BrokerDisconnected:
                continue
            for order_ref in [ref for ref, (_, state) in desk.offsets.items() if not state.is_final]:
                desk.settle(order_ref, OrderState.FILLED)
            if step.is_flat:
                assert (desk.position, desk.working) == (0, 0)
        desk.faults = []
        assert [stepped(sequence, number).is_flat for number in range(31, 37)][-1]
    assert desk.position == 0
    assert never_reversed(desk)


@pytest.mark.parametrize("found", ["position", "order"])
def test_what_turns_up_between_two_looks_starts_the_confirmation_anew(latch: Latch, found: str) -> None:
    desk = FakeDesk()
    sequence = sequence_of(latch, desk)
    assert not stepped(sequence, 1).is_flat
    if found == "position":
        desk.position = 1
    else:
        desk.working, desk.cancel_works = 1, False
    assert not stepped(sequence, 2).is_flat
    desk.working = 0
    assert [stepped(sequence, number).is_flat for number in (3, 4)] == [False, True]


@pytest.mark.parametrize("restarted", [False, True])
def test_an_order_that_turns_up_after_flat_was_said_is_cancelled_and_flat_is_confirmed_anew(
    latch: Latch, *, restarted: bool
) -> None:
    desk = FakeDesk()
    sequence = sequence_of(latch, desk)
    assert [stepped(sequence, number).is_flat for number in (1, 2, 3)] == [False, True, True]
    desk.working = 1
    sequence = sequence_of(latch, desk) if restarted else sequence
    assert not stepped(sequence, 4).is_flat
    assert (latch.read().is_flat, desk.working) == (False, 0)
    assert stepped(sequence, 5).is_flat
    assert latch.read().is_flat


def test_a_later_session_at_the_same_market_time_has_its_own_offset_on_disk(latch: Latch) -> None:
    """The same tape replayed over the same state directory, as every drill does; the console has one session too."""
    for session_id in ("s1", "s2"):
        desk = FakeDesk(position=1)
        assert not stepped(sequence_of(latch, desk, session_id), 1).is_flat
        assert [kept.state for kept in latch.offsets(session_id)] == [OrderState.FILLED]


@pytest.mark.parametrize("aloud", [False, True])
def test_a_later_session_retries_a_refused_offset_at_the_same_market_time(
    latch: Latch, *, aloud: bool
) -> None:
    """Where bars stand still, as in the daily break, the market time does not move on."""
    for session_id in ("s1", "s2"):
        desk = FakeDesk(position=1)
        desk.offset_states, desk.refuses_aloud = [OrderState.REJECTED], aloud
        sequence = sequence_of(latch, desk, session_id)
        for moment in range(5):
            sequence.step(NOON_NS, float(moment))
        assert desk.position == 0


def test_of_two_processes_only_one_has_an_offset_at_a_time(latch: Latch) -> None:
    """A guardian taken for dead, and a person's command line: together they must not reverse the position."""
    desk = FakeDesk(position=1)
    desk.offset_states = [OrderState.WORKING]
    guardian, command_line = sequence_of(latch, desk), sequence_of(latch, desk, "console")
    for number in range(1, 200):
        stepped(guardian, number)
        stepped(command_line, number)
    ((order_ref, _),) = desk.offsets.items()
    desk.settle(order_ref, OrderState.FILLED)
    assert [stepped(command_line, number).is_flat for number in (200, 201)] == [False, True]
    assert desk.positions_seen == [1, 0]


def test_a_position_that_another_process_offset_since_it_was_read_is_not_offset_again(latch: Latch) -> None:
    class OvertakenDesk(FakeDesk):
        """The other process goes all the way just after this one has read the position."""

        overtaken_by: HaltSequence | None = None

        def position_contracts(self) -> int:
            position = super().position_contracts()
            other, self.overtaken_by = self.overtaken_by, None
            if other is not None:
                stepped(other, 1)
            return position

    desk = OvertakenDesk(position=1)
    guardian = sequence_of(latch, desk)
    desk.overtaken_by = sequence_of(latch, desk, "console")
    assert [stepped(guardian, number).is_flat for number in (1, 2, 3)] == [False, False, True]
    assert desk.positions_seen == [1, 0]


def test_the_intent_of_a_process_that_died_before_sending_does_not_hold_up_another_for_ever(
    latch: Latch,
) -> None:
    desk = FakeDesk(position=1)
    desk.faults = [BEFORE_OFFSET]
    with pytest.raises(BrokerDisconnected):
        stepped(sequence_of(latch, desk), 1)
    command_line = sequence_of(latch, desk, "console")
    assert not any(stepped(command_line, number).is_flat for number in range(2, 12))
    assert desk.offsets == {}  # it may be on its way
    assert any(stepped(command_line, number).is_flat for number in range(12, 200))
    assert desk.positions_seen == [1, 0]
