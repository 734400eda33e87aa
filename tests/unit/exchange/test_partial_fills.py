"""Orders that get a share of each bar's volume: in parts, protected all the while, never closed twice."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import OrderState, OrderType, Side
from mia_actors.core.units import ES
from mia_actors.exchange.contract_names import contract_of_month
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.orders import AccountTerms, Costs, NewOrder

START_NS = 1_700_000_000 * 10**9
CONTRACT = contract_of_month("ES", 2023, 12)
RICH = AccountTerms(cash_usd=Decimal(1_000_000))
SHARE = Decimal("0.1")


def exchange() -> SimulatedExchange:
    return SimulatedExchange(
        contract=CONTRACT, product=ES, costs=Costs(fill_share_max=SHARE), account=RICH, start_ns=START_NS
    )


def advance(market: SimulatedExchange, opened: int, *, high: int = 0, low: int = 0, volume: int = 20) -> None:
    bar = Bar(
        instrument=CONTRACT.instrument,
        timeframe=Timeframe.S5,
        start_ns=market.now_ns,
        open_ticks=opened,
        high_ticks=max(opened, high),
        low_ticks=min(opened, low or opened),
        close_ticks=opened,
        volume=volume,
    )
    market.advance(bar)


def bracket(market: SimulatedExchange, quantity: int, *, entry: OrderType = OrderType.MARKET) -> list[int]:
    def order(number: int, side: Side, kind: OrderType, *, limit: int | None, stop: int | None) -> NewOrder:
        return NewOrder(
            client_id=11,
            order_id=number,
            order_ref=f"o{number}",
            side=side,
            quantity=quantity,
            order_type=kind,
            limit_ticks=limit,
            stop_ticks=stop,
            parent_index=0 if number > 1 else None,
        )

    limit = 10_000 if entry is OrderType.LIMIT else None
    group = [
        order(1, Side.BUY, entry, limit=limit, stop=None),
        order(2, Side.SELL, OrderType.STOP, limit=None, stop=9_980),
        order(3, Side.SELL, OrderType.LIMIT, limit=10_020, stop=None),
    ]
    return [changed.order.perm_id for changed in market.submit(group)]


def states(market: SimulatedExchange) -> list[tuple[OrderState, int]]:
    return [(order.state, order.filled) for order in market.orders()]


WORKING, FILLED, CANCELLED = OrderState.WORKING, OrderState.FILLED, OrderState.CANCELLED


def test_an_order_fills_bar_by_bar_at_the_average_of_its_parts() -> None:
    market = exchange()
    bracket(market, 5)
    advance(market, 10_000)
    assert states(market)[0] == (WORKING, 2)
    advance(market, 10_004)
    advance(market, 10_008)
    assert [one.quantity for one in market.executions()] == [2, 2, 1]
    assert states(market)[0] == (FILLED, 5)
    assert market.orders()[0].average_price_ticks == Decimal(10_001 * 2 + 10_005 * 2 + 10_009) / 5


def test_a_thin_bar_gives_one_contract() -> None:
    market = exchange()
    bracket(market, 3)
    advance(market, 10_000, volume=0)
    assert market.position_contracts == 1


def test_the_stop_works_from_the_first_part_on_and_its_fill_ends_the_rest_of_the_entry() -> None:
    market = exchange()
    bracket(market, 6, entry=OrderType.LIMIT)
    advance(market, 10_004, low=9_999)
    assert states(market) == [(WORKING, 2), (WORKING, 0), (WORKING, 0)]
    advance(market, 9_979, low=9_970)
    assert market.position_contracts == 0
    assert states(market) == [(CANCELLED, 2), (CANCELLED, 2), (CANCELLED, 0)]


def test_a_stop_once_triggered_goes_on_at_the_market_until_all_is_closed() -> None:
    market = exchange()
    bracket(market, 4)
    advance(market, 10_000, volume=40)
    assert market.position_contracts == 4
    advance(market, 9_990, low=9_970)
    advance(market, 9_999)
    assert market.position_contracts == 0
    assert [one.price_ticks for one in market.executions()] == [10_001, 9_979, 9_998]
    assert states(market) == [(FILLED, 4), (FILLED, 4), (CANCELLED, 0)]


def test_a_parent_cancelled_half_way_leaves_what_it_opened_protected() -> None:
    market = exchange()
    entry, *_ = bracket(market, 6)
    advance(market, 10_000)
    market.cancel(entry)
    assert states(market) == [(CANCELLED, 2), (WORKING, 0), (WORKING, 0)]
    advance(market, 10_010, high=10_030, volume=1000)
    assert market.position_contracts == 0
    assert [order.state.is_final for order in market.orders()] == [True] * 3


@pytest.mark.parametrize("entry", [OrderType.MARKET, OrderType.LIMIT])
@given(
    quantity=st.integers(1, 9),
    path=st.lists(st.tuples(st.integers(9_960, 10_040), st.integers(0, 25), st.integers(0, 60)), max_size=30),
)
def test_a_bracket_never_turns_its_position_over_and_is_over_when_flat_again(
    entry: OrderType, quantity: int, path: list[tuple[int, int, int]]
) -> None:
    market = exchange()
    bracket(market, quantity, entry=entry)
    for opened, reach, volume in path:
        advance(market, opened, high=opened + reach, low=opened - reach, volume=volume)
        assert 0 <= market.position_contracts <= quantity
        first, stop, _ = market.orders()
        if market.position_contracts:
            assert stop.state is WORKING
        elif first.filled:
            assert not market.working_orders()
