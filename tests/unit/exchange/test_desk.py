"""The in-process desk: the reference is the identity, and facts look as they do over the wire."""

from decimal import Decimal

import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import InvariantViolated, OrderRejected
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import OrderSpec, OrderState, OrderType, Purpose, Side
from mia_actors.core.ports import GuardianDesk, OrderDesk
from mia_actors.core.units import ES, Contract
from mia_actors.exchange.desk import GUARDIAN_CLIENT_ID, TRADING_CLIENT_ID, ExchangeDesk
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.orders import AccountTerms, Costs

CONTRACT = Contract(symbol="ES", expiry="20131220", con_id=20131220)
START_NS = 1_381_242_600 * NS_PER_S


def make() -> tuple[SimulatedExchange, ExchangeDesk]:
    exchange = SimulatedExchange(
        contract=CONTRACT, product=ES, costs=Costs(), account=AccountTerms(), start_ns=START_NS
    )
    return exchange, ExchangeDesk(exchange)


def spec(
    purpose: Purpose,
    order_type: OrderType = OrderType.MARKET,
    *,
    side: Side = Side.BUY,
    quantity: int = 1,
    limit: int | None = None,
    stop: int | None = None,
    parent: str | None = None,
) -> OrderSpec:
    return OrderSpec(
        order_ref=f"MIA.ESZ3.1.{purpose.value}",
        instrument="ESZ3",
        side=side,
        quantity=quantity,
        order_type=order_type,
        purpose=purpose,
        decided_at_ns=START_NS,
        limit_ticks=limit,
        stop_ticks=stop,
        parent_ref=parent,
    )


def bracket(quantity: int = 1) -> tuple[OrderSpec, OrderSpec, OrderSpec]:
    entry = spec(Purpose.ENTRY, quantity=quantity)
    return (
        entry,
        spec(
            Purpose.STOP,
            OrderType.STOP,
            side=Side.SELL,
            quantity=quantity,
            stop=6_600,
            parent=entry.order_ref,
        ),
        spec(
            Purpose.TARGET,
            OrderType.LIMIT,
            side=Side.SELL,
            quantity=quantity,
            limit=6_620,
            parent=entry.order_ref,
        ),
    )


def advance(exchange: SimulatedExchange, opened: int, high: int, low: int) -> None:
    exchange.advance(
        Bar(
            instrument="ESZ3",
            timeframe=Timeframe.S5,
            start_ns=exchange.now_ns,
            open_ticks=opened,
            high_ticks=high,
            low_ticks=low,
            close_ticks=opened,
            volume=1,
        )
    )


def test_desk_is_both_ports() -> None:
    _, desk = make()
    trading: OrderDesk = desk
    guardian: GuardianDesk = desk
    assert trading.snapshot().position_contracts == guardian.position_contracts() == 0


def test_held_legs_are_working_and_belong_to_the_trading_client() -> None:
    exchange, desk = make()
    reports = desk.place(bracket(), None)
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    assert [report.remaining for report in reports] == [1, 1, 1]
    assert {order.client_id for order in exchange.orders()} == {TRADING_CLIENT_ID}
    entry, stop, target = exchange.orders()
    assert stop.parent_perm_id == target.parent_perm_id == entry.perm_id


def test_placing_a_known_group_again_returns_its_present_reports() -> None:
    exchange, desk = make()
    first = desk.place(bracket(), None)
    assert desk.place(bracket(), None) == first
    advance(exchange, 6_610, 6_611, 6_609)
    assert [report.state for report in desk.place(bracket(), None)] == [
        OrderState.FILLED,
        OrderState.WORKING,
        OrderState.WORKING,
    ]
    assert len(exchange.orders()) == 3


def test_missing_leg_of_a_known_entry_joins_its_parent() -> None:
    exchange, desk = make()
    entry, stop, _ = bracket()
    desk.place([entry], None)
    desk.place([entry, stop], None)
    assert len(exchange.orders()) == 2
    assert exchange.orders()[1].parent_perm_id == exchange.orders()[0].perm_id


def test_leg_without_its_parent_is_a_bug() -> None:
    _, desk = make()
    with pytest.raises(InvariantViolated, match="never placed"):
        desk.place([bracket()[1]], None)


def test_rejection_is_raised_and_raised_again_on_a_repeat() -> None:
    exchange, desk = make()
    for _ in range(2):
        with pytest.raises(OrderRejected, match="margin"):
            desk.place(bracket(quantity=6), None)
    assert len(exchange.orders()) == 3
    assert {report.state for report in desk.snapshot().orders} == {OrderState.REJECTED}


def test_fill_has_the_broker_form() -> None:
    exchange, desk = make()
    desk.place([spec(Purpose.ENTRY, quantity=2)], None)
    advance(exchange, 6_610, 6_611, 6_609)
    (fill,) = desk.fills()
    assert fill.exec_id == "sim.00000001.01"
    assert (fill.order_ref, fill.instrument) == ("MIA.ESZ3.1.entry", "ESZ3")
    assert (fill.signed_quantity, fill.price_ticks) == (2, 6_611)
    assert fill.event_time_ns == START_NS + 5 * NS_PER_S
    assert fill.event_time_ns % NS_PER_S == 0
    assert fill.commission_usd == Decimal("4.50")
    assert desk.snapshot().fills == (fill,)
    assert desk.snapshot().position_contracts == 2


def test_fills_after_a_time_leave_out_that_time() -> None:
    exchange, desk = make()
    desk.place(bracket(), None)
    advance(exchange, 6_610, 6_611, 6_609)
    assert len(desk.fills()) == 1
    advance(exchange, 6_600, 6_600, 6_599)
    entry, stop = desk.fills()
    assert desk.fills(after_ns=entry.event_time_ns) == (stop,)
    assert desk.fills(after_ns=entry.event_time_ns - 1) == (entry, stop)
    assert desk.fills(after_ns=stop.event_time_ns) == ()


def test_cancel_reports_final_states_and_a_fill_that_came_first() -> None:
    exchange, desk = make()
    entry, stop, target = bracket()
    desk.place([entry, stop, target], None)
    advance(exchange, 6_610, 6_611, 6_609)
    reports = desk.cancel([entry.order_ref, stop.order_ref, target.order_ref, "MIA.unknown"])
    assert [(report.state, report.filled) for report in reports] == [
        (OrderState.FILLED, 1),
        (OrderState.CANCELLED, 0),
        (OrderState.CANCELLED, 0),
    ]
    assert desk.working_orders() == 0


def test_guardian_cancels_everything_and_offsets_once() -> None:
    exchange, desk = make()
    desk.place(bracket(), None)
    advance(exchange, 6_610, 6_611, 6_609)
    assert desk.working_orders() == 2
    desk.global_cancel()
    assert desk.working_orders() == 0
    offset = spec(Purpose.HALT, side=Side.SELL)
    assert desk.place_offset(offset).state is OrderState.WORKING
    assert desk.place_offset(offset) == desk.place_offset(offset)
    advance(exchange, 6_610, 6_611, 6_609)
    assert desk.place_offset(offset).state is OrderState.FILLED
    assert desk.position_contracts() == 0
    assert exchange.orders()[-1].client_id == GUARDIAN_CLIENT_ID
    assert len(exchange.orders()) == 4
