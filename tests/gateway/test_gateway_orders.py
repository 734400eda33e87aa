"""Orders by the stock client: brackets, fills, changes, cancels, refusals."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from mia_actors.core.clock import time_ns_of
from mia_actors.core.market import Bar
from mia_actors.core.units import ES
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.tape import TapeSelection, load_tape
from tests.gateway.stock import Future, LimitOrder, MarketOrder, Order, StopLimitOrder, StopOrder
from tests.gateway.tws_market import (
    FAR,
    TICK,
    Market,
    bracket,
    entered,
    far_limit,
    references,
    taken,
    trading,
    until,
)

pytestmark = pytest.mark.gateway
COMMISSION_USD = 2.25
TAPE = "synthetic:7"


def test_bracket_is_held_until_its_last_order_is_transmitted(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        entry = MarketOrder("BUY", 1)
        orders = bracket(client, entry=entry, stop=price - FAR, target=price + FAR, reference="MIA.one")
        trades = [client.ib.placeOrder(market.contract, order) for order in orders[:2]]
        await client.ib.reqCurrentTimeAsync()
        assert await client.ib.reqAllOpenOrdersAsync() == []
        market.show(2)
        await client.ib.reqCurrentTimeAsync()
        assert not trades[0].fills
        trades.append(client.ib.placeOrder(market.contract, orders[2]))
        await until(lambda: all(trade.orderStatus.permId for trade in trades), "the bracket is taken")
        assert [trade.orderStatus.status for trade in trades] == ["Submitted", "PreSubmitted", "PreSubmitted"]
        assert [trade.order.parentId for trade in trades] == [0, entry.orderId, entry.orderId]

    market.play(scenario())


def test_entry_fills_at_next_open_with_commission_at_the_bars_end(market: Market) -> None:
    """Fill and commission come before the bar they happened in, with its end as their time."""

    async def scenario() -> None:
        client, price = await trading(market)
        trades = await entered(market, client, price)
        now_ns = market.now_ns()
        await until(lambda: ("bar", now_ns) in client.told, "the bar of the fill")
        (fill,) = trades[0].fills
        assert client.told[-3:] == [("fill", now_ns), ("commission", now_ns), ("bar", now_ns)]
        assert time_ns_of(fill.execution.time) == now_ns
        assert fill.execution.price == price + TICK  # bars are continuous: the open, and one tick of slippage
        assert (fill.execution.side, fill.execution.shares, fill.execution.orderRef) == (
            "BOT",
            1,
            "MIA.one.entry",
        )
        assert fill.commissionReport.commission == COMMISSION_USD
        assert [trade.isDone() for trade in trades] == [True, False, False]
        assert references(await client.ib.reqAllOpenOrdersAsync()) == ["MIA.one.stop", "MIA.one.target"]

    market.play(scenario())


def test_cancelled_parent_takes_its_children_with_it(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        entry = far_limit(price, "")
        orders = bracket(client, entry=entry, stop=price - 2 * FAR, target=price, reference="MIA.one")
        trades = await taken(market, client, orders)
        client.ib.cancelOrder(entry)
        await until(lambda: all(trade.isDone() for trade in trades), "all are cancelled")
        assert {trade.orderStatus.status for trade in trades} == {"Cancelled"}
        assert all(202 in client.codes(order.orderId) for order in orders)

    market.play(scenario())


def test_filled_leg_cancels_the_other_and_tells_what_it_realised(market: Market) -> None:
    """A stop just under the market ends the position; its profit is after commission."""

    async def scenario() -> None:
        client, price = await trading(market)
        entry = MarketOrder("BUY", 1)
        orders = bracket(client, entry=entry, stop=price - TICK, target=price + FAR, reference="MIA.one")
        trades = await taken(market, client, orders)
        for _ in range(24):
            market.show()
            await client.ib.reqCurrentTimeAsync()
            if trades[2].isDone():
                break
        await until(lambda: all(trade.isDone() for trade in trades), "stop filled, target cancelled")
        assert [trade.orderStatus.status for trade in trades] == ["Filled", "Cancelled", "Filled"]
        bought, sold = trades[0].fills[0], trades[2].fills[0]
        gained = (Decimal(str(sold.execution.price)) - Decimal(str(bought.execution.price))) * 50
        realised = sold.commissionReport.realizedPNL
        assert realised <= float(gained) - COMMISSION_USD
        assert realised >= float(gained) - 2 * COMMISSION_USD
        assert [held.position for held in client.ib.positions() if held.position] == []

    market.play(scenario())


REFUSED: list[tuple[Order, int]] = [
    (LimitOrder("BUY", 1, 5_000.1), 110),
    (LimitOrder("BUY", 1, float("inf")), 110),
    (StopLimitOrder("BUY", 1, 9_000, 9_000.1), 110),
    (MarketOrder("BUY", 0), 434),
    (MarketOrder("BUY", 1.5), 434),
    (MarketOrder("BUY", 500), 201),
    (StopOrder("SELL", 1, 5_000, parentId=4_711), 201),
    (Order(action="BUY", totalQuantity=1, orderType="TRAIL", auxPrice=5), 321),
    (MarketOrder("SSHORT", 1), 321),
    (MarketOrder("BUY", 1, tif="IOC"), 321),
    (MarketOrder("BUY", 1, algoStrategy="Adaptive"), 321),
]


def test_orders_that_cannot_be_are_refused_each_with_its_code_and_nothing_works(market: Market) -> None:
    """The session goes on after every one; a leg whose parent is not known would be a position of its own."""

    async def scenario() -> None:
        client, _ = await trading(market)
        for order, code in REFUSED:
            order.orderId, order.tif = 0, order.tif or "GTC"
            trade = client.ib.placeOrder(market.contract, order)
            await client.ib.reqCurrentTimeAsync()
            assert client.codes(trade.order.orderId) == [code], order
        foreign = client.ib.placeOrder(Future("NQ", "20260618", "CME"), MarketOrder("BUY", 1, tif="GTC"))
        assert await client.ib.reqAllOpenOrdersAsync() == []
        assert client.codes(foreign.order.orderId) == [200]
        market.show()
        await client.ib.reqCurrentTimeAsync()
        assert client.ib.fills() == []

    market.play(scenario())


def test_refused_entry_takes_its_bracket_with_it(market: Market) -> None:
    """The legs come after the refusal of their entry, already on their way: none of them may work alone."""

    async def scenario() -> None:
        client, price = await trading(market)
        entry = LimitOrder("BUY", 1, price + 0.1)
        orders = bracket(client, entry=entry, stop=price - TICK, target=price + TICK, reference="MIA.one")
        for order in orders:
            client.ib.placeOrder(market.contract, order)
        await client.ib.reqCurrentTimeAsync()
        assert [client.codes(order.orderId) for order in orders] == [[110], [201], [201]]
        assert await client.ib.reqAllOpenOrdersAsync() == []

    market.play(scenario())


def test_what_if_order_is_answered_and_not_placed(market: Market) -> None:
    async def scenario() -> None:
        client, _ = await trading(market)
        state = await client.ib.whatIfOrderAsync(market.contract, MarketOrder("BUY", 2))
        assert float(state.initMarginChange) == 10_000
        assert await client.ib.reqAllOpenOrdersAsync() == []

    market.play(scenario())


def test_same_order_id_again_changes_price_and_quantity_and_keeps_the_order(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        trade = await client.placed(far_limit(price, "MIA.one"))
        perm_id, moved = trade.orderStatus.permId, price - FAR + TICK
        trade.order.lmtPrice, trade.order.totalQuantity = moved, 2
        client.ib.placeOrder(market.contract, trade.order)
        await client.ib.reqCurrentTimeAsync()
        assert trade.orderStatus.remaining == 2
        (known,) = await (await market.client(21)).ib.reqAllOpenOrdersAsync()
        assert (known.order.lmtPrice, known.order.totalQuantity, known.order.permId) == (moved, 2, perm_id)

    market.play(scenario())


def test_refused_change_leaves_the_order_as_it_was_and_says_so(market: Market) -> None:
    """The library takes most errors on an order for its end; the status after them corrects it."""

    async def scenario() -> None:
        client, price = await trading(market)
        other = await market.client(21)
        for change, code in (
            ({"lmtPrice": 5_000.1}, 110),
            ({"totalQuantity": 0}, 434),
            ({"totalQuantity": 500}, 201),
            ({"action": "SELL"}, 105),
            ({"orderType": "MKT"}, 105),
            ({"tif": "IOC"}, 321),
        ):
            trade = await client.placed(far_limit(price, f"MIA.{code}"))
            for name, value in change.items():
                setattr(trade.order, name, value)
            client.ib.client.placeOrder(trade.order.orderId, market.contract, trade.order)
            await client.ib.reqCurrentTimeAsync()
            assert client.codes(trade.order.orderId) == [code], change
            assert trade.orderStatus.status == "Submitted", change
            (known,) = await other.ib.reqAllOpenOrdersAsync()
            assert (known.order.action, known.order.orderType) == ("BUY", "LMT")
            assert (known.order.lmtPrice, known.order.totalQuantity) == (price - FAR, 1)
            client.ib.client.cancelOrder(trade.order.orderId, "")
            await until(trade.isDone, "it is cancelled")

    market.play(scenario())


def test_prices_of_open_orders_come_back_as_sent(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        far = price + FAR
        await client.placed(StopLimitOrder("BUY", 1, far + 2 * TICK, far + TICK, tif="GTC", orderRef="a"))
        await client.placed(LimitOrder("SELL", 1, far, tif="GTC", orderRef="b"))
        await client.leave()
        again = await market.client()
        found = sorted((trade.order for trade in again.ib.openTrades()), key=lambda order: order.orderRef)
        assert [(one.orderType, one.action, one.lmtPrice) for one in found] == [
            ("STP LMT", "BUY", far + 2 * TICK),
            ("LMT", "SELL", far),
        ]
        assert found[0].auxPrice == far + TICK

    market.play(scenario())


def test_finished_and_unknown_orders_can_be_neither_cancelled_nor_changed(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        trades = await entered(market, client, price)
        entry = trades[0].order
        client.ib.client.cancelOrder(999, "")
        client.ib.client.cancelOrder(entry.orderId, "")
        client.ib.client.placeOrder(entry.orderId, market.contract, entry)
        await client.ib.reqCurrentTimeAsync()
        assert client.codes(999) == [10147]
        assert client.codes(entry.orderId) == [10148, 104]

    market.play(scenario())


def test_untransmitted_order_can_be_cancelled_and_never_works(market: Market) -> None:
    """The leg that would have transmitted it finds its parent gone."""

    async def scenario() -> None:
        client, price = await trading(market)
        entry = MarketOrder("BUY", 1)
        orders = bracket(client, entry=entry, stop=price - FAR, target=price + FAR, reference="MIA.one")
        client.ib.placeOrder(market.contract, entry)
        client.ib.client.cancelOrder(entry.orderId, "")
        client.ib.placeOrder(market.contract, orders[2])
        await client.ib.reqCurrentTimeAsync()
        assert client.codes(orders[2].orderId) == [201]
        assert await client.ib.reqAllOpenOrdersAsync() == []

    market.play(scenario())


def _bar_around(tape: str) -> tuple[int, Bar]:
    """A 5-second bar that goes a tick under its open and two over it, and how many come before it."""
    for number, bar in enumerate(
        one for base in load_tape(TapeSelection(source=tape)).bars for one in expand(base)
    ):
        if number > 1 and bar.low_ticks <= bar.open_ticks - 1 and bar.high_ticks >= bar.open_ticks + 2:
            return number, bar
    pytest.fail("the tape has no such bar")


@pytest.mark.parametrize("with_stop", [True, False])
def test_stop_comes_before_target_where_one_bar_touches_both(
    open_market: Callable[..., Market], *, with_stop: bool
) -> None:
    """Alone, the target would fill in that bar; beside its OCA stop it is cancelled."""
    before, bar = _bar_around(TAPE)
    market = open_market(tape=TAPE, cycles=before // 12 + 1)

    async def scenario() -> None:
        client = await market.client()
        market.show(before)
        price = float(ES.price_of(bar.open_ticks))
        legs: list[Order] = [LimitOrder("SELL", 1, price + TICK, orderRef="target")]
        if with_stop:
            legs.append(StopOrder("SELL", 1, price - TICK, orderRef="stop"))
        for leg in legs:
            leg.ocaGroup, leg.ocaType, leg.tif = "exits", 1, "GTC"
        trades = await taken(market, client, legs)
        market.show()
        await until(lambda: all(trade.isDone() for trade in trades), "both have ended")
        ended = {trade.order.orderRef: trade.orderStatus for trade in trades}
        if not with_stop:
            assert ended["target"].status == "Filled"
            return
        assert (ended["stop"].status, ended["target"].status) == ("Filled", "Cancelled")
        assert ended["stop"].avgFillPrice == price - 2 * TICK  # its price, and one tick of slippage
        assert client.ib.positions()[0].position == -1

    market.play(scenario())


def test_only_ones_own_oca_group_is_cancelled(market: Market) -> None:
    async def scenario() -> None:
        client, price = await trading(market)
        other = await market.client(21)
        mine, apart, foreign = [
            await one.placed(far_limit(price, f"{one.client_id}.{group}", ocaGroup=group, ocaType=1))
            for one, group in ((client, "first"), (client, "second"), (other, "first"))
        ]
        filled = await client.placed(MarketOrder("BUY", 1, ocaGroup="first", ocaType=1, tif="GTC"))
        market.show()
        await until(filled.isDone, "the purchase")
        await until(mine.isDone, "its group is cancelled")
        assert [filled.orderStatus.status, mine.orderStatus.status] == ["Filled", "Cancelled"]
        assert 202 in client.codes(mine.order.orderId)
        working = await client.ib.reqAllOpenOrdersAsync()
        assert references(working) == sorted([apart.order.orderRef, foreign.order.orderRef])

    market.play(scenario())


def test_an_order_larger_than_its_share_of_the_volume_fills_in_parts(
    open_market: Callable[..., Market],
) -> None:
    """One execution and one commission a part; the order works until the last."""
    market = open_market("--fill-share", "0.000001")

    async def scenario() -> None:
        client = await market.client()
        trade = await client.placed(MarketOrder("BUY", 3, tif="GTC", outsideRth=True))
        filled = []
        for part in (1, 2, 3):
            market.show(2 if part == 1 else 1)  # the first of all is the market's beginning
            await client.ib.reqCurrentTimeAsync()
            filled.append((trade.orderStatus.status, trade.orderStatus.filled, trade.orderStatus.remaining))
        assert ("Submitted", 2.0, 1.0) in filled
        await until(lambda: len(client.ib.fills()) == 3, "three parts")
        fills = client.ib.fills()
        assert [fill.execution.shares for fill in fills] == [1, 1, 1]
        assert [fill.execution.cumQty for fill in fills] == [1, 2, 3]
        assert len({fill.execution.execId for fill in fills}) == 3
        assert all(fill.commissionReport.commission == 2.25 for fill in fills)
        assert trade.orderStatus.status == "Filled"
        assert trade.orderStatus.avgFillPrice == pytest.approx(
            sum(fill.execution.price for fill in fills) / 3
        )

    market.play(scenario())
