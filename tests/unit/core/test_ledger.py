from decimal import Decimal

from mia_actors.core.ledger import COLUMNS, LedgerOrder, build_ledger
from mia_actors.core.orders import Fill, OrderSpec, OrderState, OrderType, Purpose, Side
from mia_actors.core.units import ES

DECIDED = 1_381_242_900_000_000_000
REF = "MIA.ESZ3.20131008T143500.entry"


def _order(state: OrderState = OrderState.FILLED) -> LedgerOrder:
    return LedgerOrder(
        spec=OrderSpec(
            order_ref=REF,
            instrument="ESZ3",
            side=Side.BUY,
            quantity=1,
            order_type=OrderType.MARKET,
            purpose=Purpose.ENTRY,
            decided_at_ns=DECIDED,
        ),
        state=state,
    )


def _fill(exec_id: str = "a", perm_id: int = 1) -> Fill:
    return Fill(
        exec_id=exec_id,
        order_ref=REF,
        perm_id=perm_id,
        instrument="ESZ3",
        side=Side.BUY,
        quantity=1,
        price_ticks=6621,
        event_time_ns=DECIDED + 5 * 10**9,
        commission_usd=Decimal("2.25"),
    )


def test_a_row_per_order_and_fill_in_time_order() -> None:
    ledger = build_ledger(ES, [_order()], [_fill()])
    header, order, fill = ledger.text.splitlines()
    assert header == ",".join(COLUMNS)
    assert order == f"2013-10-08T14:35:00Z,order,ESZ3,{REF},BUY,1,MKT,,,filled,,,,,"
    assert fill == f"2013-10-08T14:35:05Z,fill,ESZ3,{REF},BUY,1,MKT,,,,1,1655.25,2.25,1,-2.25"
    assert (ledger.orders, ledger.fills) == (1, 1)


def test_broker_numbers_do_not_change_the_hash() -> None:
    one = build_ledger(ES, [_order()], [_fill("a", 1)])
    other = build_ledger(ES, [_order()], [_fill("zz", 99)])
    assert one.sha256 == other.sha256


def test_another_state_changes_the_hash() -> None:
    assert (
        build_ledger(ES, [_order()], []).sha256 != build_ledger(ES, [_order(OrderState.CANCELLED)], []).sha256
    )


def test_the_order_in_which_facts_arrive_does_not_matter() -> None:
    assert build_ledger(ES, [_order(), _order()], [_fill(), _fill()]) == build_ledger(
        ES, [_order()], [_fill()]
    )
