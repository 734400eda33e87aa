from dataclasses import replace
from typing import Any

import pytest

from mia_actors.broker.order_gate import OrderGate
from mia_actors.core.errors import OrderRejected, PermitStale
from mia_actors.core.orders import OrderSpec, OrderType, Permit, Purpose, Side

MARKET = 6_600
PERMIT = Permit(
    epoch=3,
    executor_incarnation=2,
    as_of_ns=0,
    granted_monotonic_ns=1,
    expires_monotonic_ns=1000,
    position_contracts_max=1,
)


def _leg(purpose: Purpose, side: Side, **more: Any) -> OrderSpec:
    given: dict[str, Any] = {
        "order_ref": f"MIA.ESZ3.20131008T140000.{purpose.value}",
        "instrument": "ESZ3",
        "side": side,
        "quantity": 1,
        "order_type": OrderType.MARKET,
        "purpose": purpose,
        "decided_at_ns": 0,
    }
    return OrderSpec(**given | more)


ENTRY = _leg(Purpose.ENTRY, Side.BUY)
STOP = _leg(Purpose.STOP, Side.SELL, parent_ref=ENTRY.order_ref)
TARGET = _leg(Purpose.TARGET, Side.SELL, parent_ref=ENTRY.order_ref)
BRACKET = [ENTRY, STOP, TARGET]
EXIT = _leg(Purpose.EXIT, Side.SELL)


def _check(
    group: list[OrderSpec],
    permit: Permit | None = PERMIT,
    *,
    held: int = 0,
    entering: int = 0,
    now_ns: int = 1,
    market: int | None = MARKET,
    gate: OrderGate | None = None,
) -> None:
    (gate or OrderGate(born_monotonic_ns=0)).check(
        group,
        permit,
        held_contracts=held,
        entering_contracts=entering,
        market_ticks=market,
        now_monotonic_ns=now_ns,
    )


def test_a_bracket_with_a_permit_passes() -> None:
    _check(BRACKET)


def test_an_entry_without_a_permit_is_rejected() -> None:
    with pytest.raises(OrderRejected, match="permit_missing"):
        _check(BRACKET, None)


def test_a_permit_that_ran_out_is_worth_asking_for_another() -> None:
    with pytest.raises(PermitStale, match="permit_expired"):
        _check(BRACKET, now_ns=1000)


def test_a_permit_from_before_a_halt_is_void_for_ever() -> None:
    gate = OrderGate(born_monotonic_ns=0)
    _check(BRACKET, replace(PERMIT, epoch=4), gate=gate)
    with pytest.raises(PermitStale, match="epoch 4 was seen"):
        _check(BRACKET, PERMIT, gate=gate)


def test_a_permit_from_before_the_gates_own_birth_is_worth_asking_for_another() -> None:
    """Its predecessor may have seen a newer epoch, or a newer executor."""
    with pytest.raises(PermitStale, match="permit_older_than_gate"):
        _check(BRACKET, gate=OrderGate(born_monotonic_ns=1))
    _check([EXIT], PERMIT, held=1, gate=OrderGate(born_monotonic_ns=1))


def test_an_order_of_a_dead_executor_is_rejected_once_its_successor_was_here() -> None:
    gate = OrderGate(born_monotonic_ns=0)
    _check(BRACKET, gate=gate)
    with pytest.raises(OrderRejected, match="incarnation 2 was here already"):
        _check(BRACKET, replace(PERMIT, executor_incarnation=1), gate=gate)


@pytest.mark.parametrize(("held", "entering"), [(1, 0), (0, 1)])
def test_position_and_working_entries_count_towards_the_limit(held: int, entering: int) -> None:
    with pytest.raises(OrderRejected, match="2 contracts, limit 1"):
        _check(BRACKET, held=held, entering=entering)


@pytest.mark.parametrize(
    "group",
    [
        [ENTRY],
        [ENTRY, TARGET],
        [STOP, ENTRY, TARGET],
        [ENTRY, replace(STOP, parent_ref="another")],
        [ENTRY, replace(STOP, side=Side.BUY)],
        [ENTRY, replace(STOP, quantity=2)],
        [ENTRY, ENTRY, STOP],
    ],
)
def test_an_entry_without_its_own_stop_is_rejected(group: list[OrderSpec]) -> None:
    with pytest.raises(OrderRejected, match="with one stop of its size"):
        _check(group)


@pytest.mark.parametrize("order", [EXIT, replace(STOP, parent_ref=None)])
def test_what_reduces_needs_no_permit(order: OrderSpec) -> None:
    _check([order], None, held=1)


@pytest.mark.parametrize(
    ("order", "held"), [(EXIT, 0), (EXIT, -1), (replace(EXIT, quantity=2), 1), (replace(STOP), 0)]
)
def test_what_does_not_reduce_is_rejected_even_with_a_permit(order: OrderSpec, held: int) -> None:
    with pytest.raises(OrderRejected, match="not a reduction"):
        _check([order], PERMIT, held=held)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("stop", "target", "said"),
    [
        (-20, 50, None),
        (-1_000, 1_000, None),
        (-1_001, 50, "at most 1000"),
        (-20, 66_000, "at most 1000"),  # a digit too many
        (0, 50, "at or beyond the stop"),
        (5, 50, "at or beyond the stop"),
    ],
)
def test_the_prices_of_an_entry_are_near_a_market_on_the_right_side_of_its_stop(
    side: Side, stop: int, target: int, said: str | None
) -> None:
    entry = replace(ENTRY, side=side)
    group = [
        entry,
        replace(STOP, side=side.opposite, stop_ticks=MARKET + side.sign * stop),
        replace(TARGET, side=side.opposite, limit_ticks=MARKET + side.sign * target),
    ]
    if said is None:
        _check(group)
        return
    with pytest.raises(OrderRejected, match=said):
        _check(group)


def test_without_a_price_nothing_is_opened_and_what_reduces_passes() -> None:
    with pytest.raises(OrderRejected, match="price is not known"):
        _check(BRACKET, market=None)
    _check([EXIT], held=1, market=None)
