"""Whose an execution is: ours by its reference, and what others do only where it takes our position away."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.orders import Fill, Side
from mia_actors.core.ownership import is_own, owned

OURS, THEIRS = "MIA.ESZ3.20131008T143000.entry", ""


def fill(number: int, contracts: int, ref: str) -> Fill:
    return Fill(
        exec_id=f"x.{number:04d}.01",
        order_ref=ref,
        perm_id=number,
        instrument="ESZ3",
        side=Side.BUY if contracts > 0 else Side.SELL,
        quantity=abs(contracts),
        price_ticks=6600,
        event_time_ns=number * 10**9,
        commission_usd=Decimal("2.25") * abs(contracts),
    )


def counted(*steps: tuple[int, str], adopt: bool = False) -> list[int]:
    fills = [fill(number, contracts, ref) for number, (contracts, ref) in enumerate(steps)]
    return [one.signed_quantity for one in owned(fills, adopt=adopt)]


def test_what_others_open_is_theirs_and_so_is_what_closes_it() -> None:
    assert counted((1, OURS), (2, THEIRS), (-2, THEIRS)) == [1]


def test_what_others_take_from_our_position_counts_as_far_as_it_goes() -> None:
    assert counted((2, OURS), (-1, THEIRS)) == [2, -1]
    assert counted((1, OURS), (-3, THEIRS)) == [1, -1]


def test_what_others_hold_is_closed_before_ours() -> None:
    assert counted((1, OURS), (1, THEIRS), (-2, THEIRS)) == [1, -1]


def test_adopted_executions_all_count() -> None:
    assert counted((1, OURS), (2, THEIRS), (-3, THEIRS), adopt=True) == [1, 2, -3]


def test_a_part_carries_its_share_of_the_commission() -> None:
    _, part = owned([fill(0, 1, OURS), fill(1, -3, THEIRS)], adopt=False)
    assert (part.quantity, part.commission_usd, part.exec_id) == (1, Decimal("2.25"), "x.0001.01")


def test_the_guardian_s_offsets_are_ours_and_look_alikes_are_not() -> None:
    assert is_own("MIAG.ESZ3.1.halt")
    assert not is_own("MIAMI.ESZ3.20131008T143000.entry")


@given(st.lists(st.tuples(st.integers(-3, 3).filter(bool), st.sampled_from([OURS, THEIRS])), max_size=12))
def test_ours_and_theirs_make_the_account_and_others_never_turn_our_position_over(
    steps: list[tuple[int, str]],
) -> None:
    fills = [fill(number, contracts, ref) for number, (contracts, ref) in enumerate(steps)]
    ours = 0
    for one in owned(fills, adopt=False):
        before, ours = ours, ours + one.signed_quantity
        if not is_own(one.order_ref):
            assert abs(ours) < abs(before)
            assert ours * before >= 0
    own_orders = sum(one.signed_quantity for one in fills if is_own(one.order_ref))
    taken = own_orders - ours
    assert abs(taken) <= sum(one.quantity for one in fills if not is_own(one.order_ref))
    assert owned(fills, adopt=False) == owned(reversed(fills), adopt=False)
