from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.decisions import TargetPosition
from mia_actors.core.orders import OrderType, Purpose, Side
from mia_actors.execution.planner import (
    CannotReach,
    CloseAll,
    NothingToDo,
    OpenBracket,
    bracket,
    offset,
    plan,
)

DECIDED = 1_381_242_900_000_000_000
LONG = TargetPosition(
    target_id="ESZ3@1",
    instrument="ESZ3",
    decided_at_ns=DECIDED,
    net_contracts=2,
    stop_ticks=6600,
    target_ticks=6620,
    reason="test",
)
SHORT = replace(LONG, net_contracts=-2, stop_ticks=6620, target_ticks=6600)
FLAT = replace(LONG, net_contracts=0, stop_ticks=None, target_ticks=None)


def test_an_entry_carries_its_stop_and_its_target() -> None:
    entry, stop, goal = bracket(LONG)
    assert (entry.side, entry.order_type, entry.quantity) == (Side.BUY, OrderType.MARKET, 2)
    assert (stop.side, stop.order_type, stop.stop_ticks) == (Side.SELL, OrderType.STOP, 6600)
    assert (goal.side, goal.order_type, goal.limit_ticks) == (Side.SELL, OrderType.LIMIT, 6620)
    assert stop.parent_ref == goal.parent_ref == entry.order_ref


def test_a_short_is_the_mirror_of_a_long() -> None:
    assert [leg.side for leg in bracket(SHORT)] == [leg.side.opposite for leg in bracket(LONG)]


def test_references_name_decision_and_purpose() -> None:
    refs = [leg.order_ref for leg in bracket(LONG)]
    assert refs == [f"MIA.ESZ3.20131008T143500.{purpose}" for purpose in ("entry", "stop", "target")]


@pytest.mark.parametrize(
    "broken",
    [
        replace(LONG, stop_ticks=None),
        replace(LONG, target_ticks=None),
        replace(LONG, stop_ticks=6620, target_ticks=6600),
        replace(SHORT, stop_ticks=6600, target_ticks=6620),
        FLAT,
    ],
)
def test_an_entry_without_protection_is_not_built(broken: TargetPosition) -> None:
    with pytest.raises(ValueError, match=r"stop|wrong sides"):
        bracket(broken)


def test_what_is_held_already_needs_nothing() -> None:
    assert isinstance(plan(LONG, 2), NothingToDo)


def test_scaling_and_reversing_are_refused() -> None:
    assert isinstance(plan(LONG, 1), CannotReach)
    assert isinstance(plan(LONG, -2), CannotReach)


def test_from_flat_a_bracket_and_to_flat_a_close() -> None:
    assert isinstance(plan(LONG, 0), OpenBracket)
    assert isinstance(plan(FLAT, 2), CloseAll)


@given(st.integers(-5, 5).filter(bool))
def test_an_offset_brings_any_position_to_zero(position: int) -> None:
    order = offset(FLAT, position)
    assert position + order.side.sign * order.quantity == 0
    assert order.purpose is Purpose.EXIT
