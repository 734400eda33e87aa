"""A closed market: orders are refused, cancels do not take, and all of it ends when it opens."""

from collections.abc import Callable

import pytest

from mia_actors.core.orders import OrderState, OrderType, Side, TimeInForce
from mia_actors.core.units import ES, Contract
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.orders import AccountTerms, Costs, NewOrder

REASON = "the exchange is closed"


def order(number: int) -> NewOrder:
    return NewOrder(
        client_id=11,
        order_id=number,
        order_ref=f"t{number}",
        side=Side.BUY,
        quantity=1,
        order_type=OrderType.LIMIT,
        limit_ticks=100,
        tif=TimeInForce.GTC,
    )


def cancel_one(exchange: SimulatedExchange) -> None:
    exchange.cancel(exchange.orders()[0].perm_id)


def cancel_all(exchange: SimulatedExchange) -> None:
    exchange.cancel_all()


@pytest.mark.parametrize("cancel", [cancel_one, cancel_all])
def test_a_closed_market_refuses_orders_and_leaves_resting_ones_until_it_opens(
    cancel: Callable[[SimulatedExchange], None],
) -> None:
    exchange = SimulatedExchange(
        contract=Contract(symbol="ES", expiry="20131220", con_id=1),
        product=ES,
        costs=Costs(),
        account=AccountTerms(),
        start_ns=0,
    )
    exchange.submit([order(1)])
    exchange.closed = REASON
    exchange.submit([order(2)])
    cancel(exchange)
    resting, refused = exchange.orders()
    assert (resting.state, refused.state, refused.reason) == (OrderState.WORKING, OrderState.REJECTED, REASON)
    exchange.closed = ""
    exchange.submit([order(3)])
    cancel(exchange)
    assert [one.state for one in exchange.orders()][::2] == [
        OrderState.CANCELLED,
        OrderState.CANCELLED if cancel is cancel_all else OrderState.WORKING,
    ]
