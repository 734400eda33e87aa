"""Position, runs of losses, trades, slippage, orders and rejects at their thresholds."""

import pytest

from mia_actors.core.facts import OrderRefused, OrderSeen
from mia_actors.core.orders import (
    EXECUTOR_PREFIX,
    GUARDIAN_PREFIX,
    Fill,
    OrderTerms,
    Purpose,
    Side,
    order_ref,
)
from mia_actors.guardian.core import Demand, GuardianCore, Level
from tests.unit.guardian.account import ENTRY, INSTRUMENT, NOON_NS, bar, fill, round_trips
from tests.unit.guardian.judging import (
    HALT,
    NO_ENTRIES,
    NOTHING,
    TOLD,
    Words,
    at,
    core_with,
    judged,
    seen,
    thresholds,
    words,
)

FLATTEN: Words = (Level.CRITICAL, Demand.FLATTEN)


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("held", "expected"), [(0, NOTHING), (1, (TOLD,)), (2, (FLATTEN,)), (3, (HALT,))])
def test_a_position_warns_is_flattened_and_halts(side: Side, held: int, expected: tuple[Words, ...]) -> None:
    core = core_with(position_contracts_warning=1, position_contracts_max=1, position_contracts_catastrophe=3)
    core.add_fills([fill(1, side, ENTRY, quantity=held)] if held else [])
    assert words(judged(core, 5), "position") == expected


@pytest.mark.parametrize(
    ("losses", "expected"), [(1, NOTHING), (2, (TOLD,)), (3, (NO_ENTRIES,)), (4, (HALT,))]
)
def test_losses_in_a_row_warn_pause_and_halt(losses: int, expected: tuple[Words, ...]) -> None:
    core = core_with(consecutive_losses_warning=2, consecutive_losses_max=3, consecutive_losses_catastrophe=4)
    core.add_fills(round_trips([5] + [-1] * losses))
    assert words(judged(core, 60), "consecutive_losses") == expected


@pytest.mark.parametrize(
    ("trades", "expected"), [(1, NOTHING), (2, (TOLD,)), (3, (NO_ENTRIES,)), (4, (HALT,))]
)
def test_round_trips_within_an_hour_warn_end_entries_and_halt(
    trades: int, expected: tuple[Words, ...]
) -> None:
    core = core_with(trades_per_hour_warning=2, trades_per_hour_critical=3, trades_per_hour_catastrophe=4)
    core.add_fills(round_trips([1] * trades))
    assert words(judged(core, 60), "trades_per_hour") == expected


SLIPPAGE = thresholds("2", "4", "8")


def entry(ticks: int, *, side: Side = Side.BUY, prefix: str = EXECUTOR_PREFIX) -> Fill:
    """An execution of an order decided at noon, seven seconds later."""
    reference = order_ref(prefix, INSTRUMENT, NOON_NS, Purpose.ENTRY)
    found = fill(7, side, ticks)
    return Fill(**{name: getattr(found, name) for name in found.__slots__} | {"order_ref": reference})


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("worse", "expected"),
    [(-9, NOTHING), (1, NOTHING), (2, (TOLD,)), (4, (NO_ENTRIES,)), (7, (NO_ENTRIES,)), (8, (HALT,))],
)
@pytest.mark.parametrize("known_by", ["the mark when it was decided", "its stop", "its limit"])
def test_a_fill_is_compared_with_the_price_it_should_have_had(
    side: Side, worse: int, expected: tuple[Words, ...], known_by: str
) -> None:
    core = core_with(slippage_ticks=SLIPPAGE, position_contracts_max=1)
    found = entry(ENTRY + side.sign * worse, side=side)
    if known_by == "the mark when it was decided":
        core.take(bar(0, ENTRY))
        core.take(bar(5, ENTRY + 100))
    else:
        limit, stop = (None, ENTRY) if known_by == "its stop" else (ENTRY, None)
        core.take(OrderTerms(order_ref=found.order_ref, limit_ticks=limit, stop_ticks=stop))
    core.add_fills([found])
    assert words(judged(core, 10), "slippage") == expected
    assert words(judged(core, 3700), "slippage") == NOTHING


def test_fills_that_nothing_is_known_of_end_entries_after_three() -> None:
    core = core_with(slippage_ticks=SLIPPAGE)
    core.add_fills(round_trips([1])[:2])
    assert words(judged(core, 5), "slippage") == NOTHING
    core.add_fills([fill(10, Side.BUY, ENTRY)])
    assert words(judged(core, 10), "slippage") == (NO_ENTRIES,)


def test_the_guardians_own_offset_may_slip() -> None:
    core = core_with(slippage_ticks=SLIPPAGE)
    core.take(bar(0, ENTRY))
    core.add_fills([entry(ENTRY + 50, prefix=GUARDIAN_PREFIX)])
    assert words(judged(core, 10), "slippage") == NOTHING


def send(core: GuardianCore, orders: int, *, refused: int = 0, second: float = 0, name: str = "t") -> None:
    """Orders heard at one moment, the first of them refused afterwards."""
    for number in range(orders):
        core.take(OrderSeen(arrival_ns=at(second), order_ref=f"{name}{number}", perm_id=number))
        core.take(OrderSeen(arrival_ns=at(second + 1), order_ref=f"{name}{number}", perm_id=number))
    for number in range(refused):
        core.take(OrderRefused(arrival_ns=at(second), order_ref=f"{name}{number}", perm_id=number))


@pytest.mark.parametrize(
    ("orders", "expected"), [(19, NOTHING), (20, (TOLD,)), (40, (NO_ENTRIES,)), (120, (HALT,))]
)
def test_orders_within_a_minute_warn_end_entries_and_halt(orders: int, expected: tuple[Words, ...]) -> None:
    core = core_with()
    send(core, orders)
    assert words(seen(core, 59), "orders_per_minute") == expected
    assert words(seen(core, 60), "orders_per_minute") == NOTHING


def test_orders_that_were_there_at_the_connect_and_the_guardians_own_are_not_counted() -> None:
    core = core_with()
    for number in range(200):
        listed = OrderSeen(arrival_ns=at(0), order_ref=f"l{number}", perm_id=number, listed=True)
        core.take(listed)
        core.take(OrderSeen(arrival_ns=at(1), order_ref=f"l{number}", perm_id=number))
        core.take(OrderSeen(arrival_ns=at(1), order_ref=f"{GUARDIAN_PREFIX}.x.{number}", perm_id=number))
    assert words(seen(core, 5), "orders_per_minute") == NOTHING


@pytest.mark.parametrize(
    ("refused", "orders", "expected"),
    [
        (9, 100, NOTHING),
        (10, 100, (TOLD,)),
        (29, 100, (TOLD,)),
        (30, 100, (NO_ENTRIES,)),
        (4, 4, NOTHING),
        (5, 5, (NO_ENTRIES,)),
    ],
)
def test_the_share_of_rejects_counts_from_five_orders_on(
    refused: int, orders: int, expected: tuple[Words, ...]
) -> None:
    core = core_with()
    send(core, orders, refused=refused)
    assert words(seen(core, 599), "reject_rate") == expected
    assert words(seen(core, 600), "reject_rate") == NOTHING


def test_what_is_known_by_its_arrival_says_nothing_in_lockstep() -> None:
    core = core_with()
    send(core, 500, refused=500)
    assert judged(core, 5).findings == ()
    assert seen(core, 5).demand is Demand.HALT
