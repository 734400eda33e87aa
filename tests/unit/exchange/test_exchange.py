"""Matching, brackets, groups and margin: every scenario runs as it stands and in the mirrored market."""

from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import InvariantViolated, OrderRejected
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import OrderState, OrderType, Side, TimeInForce
from mia_actors.core.units import ES, Contract
from mia_actors.exchange.exchange import (
    CANCELLED_AT_DAY_END,
    CANCELLED_BY_OCA,
    CANCELLED_BY_TRADER,
    CANCELLED_WITH_PARENT,
    SimulatedExchange,
)
from mia_actors.exchange.orders import (
    AccountTerms,
    Costs,
    ExchangeEvent,
    ExchangeOrder,
    Executed,
    NewOrder,
    OrderChanged,
)

CONTRACT = Contract(symbol="ES", expiry="20131220", con_id=20131220)
START_NS = 1_381_242_600 * NS_PER_S  # 2013-10-08 14:30 UTC
STEP_NS = 5 * NS_PER_S
MIRROR = 20_000
MARKET, LIMIT, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT
BUY, SELL = Side.BUY, Side.SELL

Leg = tuple[Side, OrderType, int, int, int | None, str]
"""Side, type, limit and stop around 10000, place of the parent, group."""
Script = list[tuple[int, int, int, list[Leg] | None, bool]]
"""Per bar: open around 10000, how far up and down, what is submitted before it, whether one is cancelled."""


@dataclass
class Market:
    """An exchange spoken to in the words of the plain market, whether it is the mirrored one or not."""

    mirrored: bool = False
    cash_usd: Decimal = Decimal(25_000)
    exchange: SimulatedExchange = field(init=False)
    _orders: int = 0

    def __post_init__(self) -> None:
        self.exchange = SimulatedExchange(
            contract=CONTRACT,
            product=ES,
            costs=Costs(),
            account=AccountTerms(cash_usd=self.cash_usd),
            start_ns=START_NS,
        )

    def price(self, ticks: int | None) -> int | None:
        return ticks if ticks is None or not self.mirrored else MIRROR - ticks

    def side(self, side: Side) -> Side:
        return side.opposite if self.mirrored else side

    def order(
        self,
        side: Side,
        order_type: OrderType = MARKET,
        *,
        limit: int | None = None,
        stop: int | None = None,
        quantity: int = 1,
        parent: int | None = None,
        of: int | None = None,
        group: str = "",
        client: int = 11,
        tif: TimeInForce = TimeInForce.GTC,
        ref: str = "",
    ) -> NewOrder:
        self._orders += 1
        return NewOrder(
            client_id=client,
            order_id=self._orders,
            order_ref=ref or f"order {self._orders}",
            side=self.side(side),
            quantity=quantity,
            order_type=order_type,
            limit_ticks=self.price(limit),
            stop_ticks=self.price(stop),
            tif=tif,
            parent_index=parent,
            parent_perm_id=of,
            oca_group=group,
        )

    def submit(self, *orders: NewOrder) -> list[int]:
        return [changed.order.perm_id for changed in self.exchange.submit(orders)]

    def bracket(
        self, *, entry: OrderType = MARKET, limit: int | None = None, trigger: int | None = None
    ) -> list[int]:
        """A long bracket around 10000: stop at 9990, target at 10010."""
        return self.submit(
            self.order(BUY, entry, limit=limit, stop=trigger, ref="entry"),
            self.order(SELL, STOP, stop=9_990, parent=0, ref="stop"),
            self.order(SELL, LIMIT, limit=10_010, parent=0, ref="target"),
        )

    def advance(
        self, opened: int, high: int, low: int, close: int | None = None
    ) -> tuple[ExchangeEvent, ...]:
        close = opened if close is None else close
        return self.exchange.advance(self.bar(opened, high, low, close))

    def bar(self, opened: int, high: int, low: int, close: int) -> Bar:
        prices = [opened, high, low, close]
        if self.mirrored:
            prices = [MIRROR - ticks for ticks in (opened, low, high, close)]
        return Bar(
            instrument=CONTRACT.instrument,
            timeframe=Timeframe.S5,
            start_ns=self.exchange.now_ns,
            open_ticks=prices[0],
            high_ticks=prices[1],
            low_ticks=prices[2],
            close_ticks=prices[3],
            volume=10,
        )

    def fills(self) -> list[tuple[str, Side, int | None]]:
        return [
            (one.order.order_ref, self.side(one.side), self.price(one.price_ticks))
            for one in self.exchange.executions()
        ]

    def prices(self) -> list[int | None]:
        return [price for _, _, price in self.fills()]

    def states(self) -> list[OrderState]:
        return [order.state for order in self.exchange.orders()]

    def get(self, perm_id: int) -> ExchangeOrder:
        found = self.exchange.order(perm_id)
        assert found is not None
        return found


@pytest.fixture(params=[False, True], ids=["plain", "mirrored"])
def market(request: pytest.FixtureRequest) -> Market:
    return Market(mirrored=bool(request.param))


def test_market_order_fills_at_the_next_open_plus_slippage(market: Market) -> None:
    market.submit(market.order(BUY))
    market.advance(10_000, 10_004, 9_996, 10_002)
    assert market.prices() == [10_001]


def test_fill_carries_the_end_of_its_bar_and_its_commission(market: Market) -> None:
    market.submit(market.order(BUY, quantity=2))
    executed, changed = market.advance(10_000, 10_004, 9_996)
    assert isinstance(executed, Executed)
    assert isinstance(changed, OrderChanged)
    assert executed.execution.order == changed.order
    assert executed.execution.event_time_ns == START_NS + STEP_NS
    assert executed.execution.commission_usd == Decimal("4.50")
    assert executed.execution.realized_pnl_usd is None
    assert executed.execution.exec_id == "sim.00000001.01"
    assert (changed.order.filled, changed.order.remaining) == (2, 0)
    assert changed.order.finished_at_ns == START_NS + STEP_NS


def test_limit_that_is_only_touched_does_not_fill(market: Market) -> None:
    market.submit(market.order(BUY, LIMIT, limit=9_995))
    market.advance(10_000, 10_001, 9_995)
    assert market.fills() == []


def test_limit_traded_through_fills_at_its_price(market: Market) -> None:
    market.submit(market.order(BUY, LIMIT, limit=9_995))
    market.advance(10_000, 10_001, 9_994)
    assert market.prices() == [9_995]


def test_resting_limit_that_the_open_gaps_through_gets_no_better_price(market: Market) -> None:
    market.submit(market.order(BUY, LIMIT, limit=9_995))
    market.advance(10_000, 10_000, 10_000)
    market.advance(9_980, 9_985, 9_975)
    assert market.prices() == [9_995]


def test_limit_that_arrives_marketable_takes_the_market(market: Market) -> None:
    market.submit(market.order(BUY, LIMIT, limit=10_050))
    market.advance(10_000, 10_001, 9_999)
    assert market.prices() == [10_001]


def test_modified_limit_arrives_again(market: Market) -> None:
    (limit,) = market.submit(market.order(BUY, LIMIT, limit=9_900))
    market.advance(10_000, 10_001, 9_999)
    market.exchange.modify(limit, quantity=1, limit_ticks=market.price(10_050), stop_ticks=None)
    market.advance(10_000, 10_001, 9_999)
    assert market.prices() == [10_001]


def test_stop_touched_fills_at_its_price_plus_slippage(market: Market) -> None:
    market.submit(market.order(BUY, STOP, stop=10_005))
    market.advance(10_000, 10_004, 9_999)
    assert market.fills() == []
    market.advance(10_000, 10_005, 9_999)
    assert market.prices() == [10_006]


def test_stop_gapped_through_fills_at_the_open_plus_slippage(market: Market) -> None:
    market.submit(market.order(BUY, STOP, stop=10_005))
    market.advance(10_020, 10_025, 10_018)
    assert market.prices() == [10_021]


def test_stop_limit_within_its_limit_fills_when_triggered(market: Market) -> None:
    market.submit(market.order(BUY, STOP_LIMIT, stop=10_005, limit=10_006))
    market.advance(10_000, 10_005, 9_999)
    assert market.prices() == [10_006]


def test_stop_limit_gapped_past_its_limit_rests_and_waits(market: Market) -> None:
    market.submit(market.order(BUY, STOP_LIMIT, stop=10_005, limit=10_007))
    market.advance(10_020, 10_025, 10_000)  # triggered; the same bar gives no fill
    assert market.fills() == []
    market.advance(10_010, 10_012, 10_007)  # touched only
    assert market.fills() == []
    market.advance(10_010, 10_012, 10_006)
    assert market.prices() == [10_007]


def test_stop_limit_not_triggered_does_not_fill_at_its_limit(market: Market) -> None:
    market.submit(market.order(BUY, STOP_LIMIT, stop=10_005, limit=10_007))
    market.advance(10_000, 10_004, 9_990)
    assert market.fills() == []


def test_order_waits_for_the_first_bar_after_its_submission(market: Market) -> None:
    market.advance(10_000, 10_020, 9_980)
    market.submit(market.order(BUY, LIMIT, limit=9_990))
    assert market.fills() == []
    market.advance(10_000, 10_001, 9_999)
    assert market.fills() == []


def test_bracket_children_are_held_until_the_entry_fills(market: Market) -> None:
    entry, stop, target = market.bracket(entry=LIMIT, limit=9_995)
    market.advance(10_000, 10_030, 9_996)  # through the target, were it not held
    assert market.fills() == []
    assert [market.get(number).held for number in (entry, stop, target)] == [False, True, True]
    market.advance(9_996, 9_997, 9_994)
    assert market.fills() == [("entry", BUY, 9_995)]
    assert [market.get(number).held for number in (stop, target)] == [False, False]


def test_target_fills_and_cancels_the_stop(market: Market) -> None:
    _, stop, target = market.bracket()
    market.advance(10_000, 10_005, 9_995)
    market.advance(10_005, 10_011, 10_004)
    assert market.fills() == [("entry", BUY, 10_001), ("target", SELL, 10_010)]
    assert market.get(target).state is OrderState.FILLED
    assert (market.get(stop).state, market.get(stop).reason) == (OrderState.CANCELLED, CANCELLED_BY_OCA)
    assert market.exchange.position_contracts == 0


def test_stop_comes_before_the_target_where_one_bar_touches_both(market: Market) -> None:
    _, _, target = market.bracket()
    market.advance(10_000, 10_005, 9_995)
    market.advance(10_005, 10_020, 9_980)
    assert market.fills() == [("entry", BUY, 10_001), ("stop", SELL, 9_989)]
    assert market.get(target).state is OrderState.CANCELLED


def test_stop_may_end_the_position_in_the_bar_of_the_entry(market: Market) -> None:
    market.bracket()
    market.advance(10_000, 10_005, 9_985)
    assert market.fills() == [("entry", BUY, 10_001), ("stop", SELL, 9_989)]


def test_target_may_not_fill_in_the_bar_of_the_entry(market: Market) -> None:
    market.bracket()
    market.advance(10_000, 10_050, 9_995)
    assert market.fills() == [("entry", BUY, 10_001)]
    market.advance(10_005, 10_011, 10_004)
    assert market.fills()[1:] == [("target", SELL, 10_010)]


def test_stop_of_an_entry_filled_within_the_bar_starts_from_the_entry(market: Market) -> None:
    """The bar opened below the protective stop, but the position did not exist at the open."""
    market.bracket(entry=STOP, trigger=10_000)
    market.advance(9_985, 10_002, 9_980)
    assert market.fills() == [("entry", BUY, 10_001), ("stop", SELL, 9_989)]


def test_target_overrun_before_it_could_work_takes_the_market(market: Market) -> None:
    market.bracket()
    market.advance(10_030, 10_035, 10_028)
    market.advance(10_030, 10_035, 10_028)
    assert market.fills() == [("entry", BUY, 10_031), ("target", SELL, 10_029)]


def test_cancelled_entry_takes_its_children_with_it(market: Market) -> None:
    entry, stop, target = market.bracket(entry=LIMIT, limit=9_900)
    events = market.exchange.cancel(entry)
    assert [event.order.perm_id for event in events if isinstance(event, OrderChanged)] == [
        entry,
        stop,
        target,
    ]
    assert [market.get(number).reason for number in (entry, stop, target)] == [
        CANCELLED_BY_TRADER,
        CANCELLED_WITH_PARENT,
        CANCELLED_WITH_PARENT,
    ]


def test_cancelling_one_child_leaves_the_other(market: Market) -> None:
    _, stop, target = market.bracket()
    market.advance(10_000, 10_005, 9_995)
    market.exchange.cancel(target)
    assert market.get(stop).state is OrderState.WORKING


def test_child_of_a_filled_parent_works_at_once(market: Market) -> None:
    (entry,) = market.submit(market.order(BUY))
    market.advance(10_000, 10_001, 9_999)
    (stop,) = market.submit(market.order(SELL, STOP, stop=9_990, of=entry))
    assert market.get(stop).held is False
    market.advance(10_000, 10_001, 9_990)
    assert market.prices() == [10_001, 9_989]


def test_child_of_a_cancelled_parent_is_rejected(market: Market) -> None:
    (entry,) = market.submit(market.order(BUY, LIMIT, limit=9_900))
    market.exchange.cancel(entry)
    (stop,) = market.submit(market.order(SELL, STOP, stop=9_990, of=entry))
    assert market.get(stop).state is OrderState.REJECTED


def test_fill_cancels_its_group_of_the_same_client_only(market: Market) -> None:
    market.submit(
        market.order(BUY, STOP, stop=10_005, group="straddle"),
        market.order(SELL, STOP, stop=9_995, group="straddle"),
        market.order(SELL, STOP, stop=9_000, group="other"),
        market.order(SELL, STOP, stop=9_000, group="straddle", client=12),
    )
    market.advance(10_000, 10_006, 9_999)
    assert market.states() == [
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.WORKING,
        OrderState.WORKING,
    ]


def test_group_of_which_two_are_touched_in_one_bar_fills_once(market: Market) -> None:
    market.submit(
        market.order(BUY, STOP, stop=10_005, group="straddle"),
        market.order(SELL, STOP, stop=9_995, group="straddle"),
    )
    market.advance(10_000, 10_010, 9_990)
    assert market.prices() == [10_006]


def test_cancel_all_ends_the_orders_of_every_client(market: Market) -> None:
    market.submit(market.order(BUY, LIMIT, limit=9_900), market.order(SELL, LIMIT, limit=10_100, client=12))
    market.bracket(entry=LIMIT, limit=9_900)
    market.exchange.cancel_all()
    assert set(market.states()) == {OrderState.CANCELLED}
    assert market.exchange.working_orders() == ()


def test_cancel_of_a_final_or_unknown_order_changes_nothing(market: Market) -> None:
    (entry,) = market.submit(market.order(BUY))
    market.advance(10_000, 10_001, 9_999)
    assert market.exchange.cancel(entry) == ()
    assert market.exchange.cancel(1) == ()
    assert market.get(entry).state is OrderState.FILLED


def test_modified_stop_triggers_at_its_new_price(market: Market) -> None:
    _, stop, _ = market.bracket()
    market.advance(10_000, 10_005, 9_995)
    (changed,) = market.exchange.modify(stop, quantity=1, limit_ticks=None, stop_ticks=market.price(10_000))
    assert isinstance(changed, OrderChanged)
    market.advance(10_003, 10_004, 9_999)
    assert market.prices()[1:] == [9_999]


def test_modify_refuses_what_a_new_order_could_not_be(market: Market) -> None:
    (limit,) = market.submit(market.order(BUY, LIMIT, limit=9_900))
    for quantity, ticks, reason in ((0, 9_900, "quantity"), (1, None, "limit price"), (9, 9_900, "margin")):
        with pytest.raises(OrderRejected, match=reason):
            market.exchange.modify(limit, quantity=quantity, limit_ticks=market.price(ticks), stop_ticks=None)
    assert market.get(limit).quantity == 1
    with pytest.raises(OrderRejected, match="not known"):
        market.exchange.modify(1, quantity=1, limit_ticks=1, stop_ticks=None)


def test_modify_of_a_final_order_changes_nothing(market: Market) -> None:
    (entry,) = market.submit(market.order(BUY))
    market.advance(10_000, 10_001, 9_999)
    assert market.exchange.modify(entry, quantity=5, limit_ticks=None, stop_ticks=None) == ()


def test_order_beyond_margin_is_rejected_with_the_numbers(market: Market) -> None:
    (entry,) = market.submit(market.order(BUY, quantity=6))
    assert market.get(entry).state is OrderState.REJECTED
    assert market.get(entry).reason == "margin: 30000.00 USD needed for 6 contracts, equity is 25000.00 USD"
    market.advance(10_000, 10_001, 9_999)
    assert market.fills() == []


def test_margin_counts_what_works_already(market: Market) -> None:
    market.submit(market.order(BUY, LIMIT, limit=9_900, quantity=3))
    assert market.get(market.submit(market.order(BUY, quantity=3))[0]).state is OrderState.REJECTED
    assert market.get(market.submit(market.order(BUY, quantity=2))[0]).state is OrderState.WORKING


def test_margin_is_asked_of_a_group_together(market: Market) -> None:
    numbers = market.submit(market.order(BUY, quantity=3), market.order(BUY, quantity=3))
    assert {market.get(number).state for number in numbers} == {OrderState.REJECTED}


def test_protective_legs_do_not_count_as_exposure_of_their_side(market: Market) -> None:
    market.bracket(entry=LIMIT, limit=9_900)
    (short,) = market.submit(market.order(SELL, LIMIT, limit=10_100, quantity=5))
    assert market.get(short).state is OrderState.WORKING


def test_protective_legs_ask_for_no_margin(market: Market) -> None:
    market.cash_usd = Decimal(5_000)
    market.__post_init__()
    numbers = market.bracket()
    assert {market.get(number).state for number in numbers} == {OrderState.WORKING}


def test_group_is_rejected_whole(market: Market) -> None:
    numbers = market.submit(
        market.order(BUY, quantity=6), market.order(SELL, STOP, stop=9_990, quantity=6, parent=0)
    )
    assert [market.get(number).state for number in numbers] == [OrderState.REJECTED] * 2
    assert market.exchange.working_orders() == ()


def test_reducing_order_is_never_rejected_for_margin(market: Market) -> None:
    market.cash_usd = Decimal(5_100)
    market.__post_init__()
    market.submit(market.order(BUY))
    market.advance(10_000, 10_001, 9_999)
    market.advance(9_960, 9_960, 9_960)  # 41 ticks down: equity is under the margin of one contract
    assert market.exchange.account().available_usd < 0
    market.submit(
        market.order(SELL, STOP, stop=9_900)
    )  # works on the same side and is not a reason to refuse
    flip, out = market.submit(market.order(SELL, quantity=2)) + market.submit(market.order(SELL))
    assert market.get(flip).state is OrderState.REJECTED
    market.advance(9_960, 9_960, 9_960)
    assert market.get(out).state is OrderState.FILLED
    assert market.exchange.position_contracts == 0


@pytest.mark.parametrize(
    ("order_type", "limit", "stop", "quantity", "reason"),
    [
        (MARKET, None, None, 0, "quantity 0: at least 1"),
        (LIMIT, None, None, 1, "LMT order without its limit price"),
        (STOP, None, None, 1, "STP order without its stop price"),
        (STOP_LIMIT, 10_000, None, 1, "STP LMT order without its stop price"),
        (LIMIT, 0, None, 1, "limit price of 0 ticks: must be positive"),
    ],
)
def test_order_without_sense_is_rejected_with_the_reason(
    order_type: OrderType, limit: int | None, stop: int | None, quantity: int, reason: str
) -> None:
    market = Market()
    (number,) = market.submit(market.order(BUY, order_type, limit=limit, stop=stop, quantity=quantity))
    assert (market.get(number).state, market.get(number).reason) == (OrderState.REJECTED, reason)


def test_parent_after_its_child_is_no_parent() -> None:
    market = Market()
    numbers = market.submit(market.order(SELL, STOP, stop=9_990, parent=1), market.order(BUY))
    assert {market.get(number).state for number in numbers} == {OrderState.REJECTED}


def test_day_order_ends_with_its_trade_date_and_a_gtc_order_does_not(market: Market) -> None:
    market.submit(
        market.order(BUY, LIMIT, limit=9_990, tif=TimeInForce.DAY), market.order(BUY, LIMIT, limit=9_990)
    )
    market.advance(10_000, 10_001, 9_999)
    tomorrow = market.bar(10_000, 10_001, 9_980, 9_985)
    shifted = START_NS + 24 * 3600 * NS_PER_S
    market.exchange.advance(
        Bar(
            instrument=tomorrow.instrument,
            timeframe=tomorrow.timeframe,
            start_ns=shifted,
            open_ticks=tomorrow.open_ticks,
            high_ticks=tomorrow.high_ticks,
            low_ticks=tomorrow.low_ticks,
            close_ticks=tomorrow.close_ticks,
            volume=1,
        )
    )
    first, second = market.exchange.orders()
    assert (first.state, first.reason) == (OrderState.CANCELLED, CANCELLED_AT_DAY_END)
    assert second.state is OrderState.FILLED


def test_profit_is_realised_by_average_cost_after_commissions(market: Market) -> None:
    market.submit(market.order(BUY))
    market.advance(10_000, 10_000, 10_000)  # long 1 at 10001
    market.submit(market.order(BUY))
    market.advance(10_010, 10_010, 10_010)  # long 2, average 10006
    average = market.exchange.average_price_ticks
    assert average == (MIRROR - 10_006 if market.mirrored else 10_006)
    assert abs(market.exchange.position_contracts) == 2
    account = market.exchange.account()
    assert account.unrealized_usd == Decimal("100.00")  # 2 contracts, 4 ticks
    assert account.net_liquidation_usd == Decimal("25095.50")
    assert (account.initial_margin_usd, account.available_usd) == (Decimal(10_000), Decimal("15095.50"))
    market.submit(market.order(SELL, quantity=2))
    executed, _ = market.advance(10_030, 10_030, 10_030)  # out at 10029
    assert isinstance(executed, Executed)
    assert executed.execution.realized_pnl_usd == Decimal("570.50")  # 46 ticks less 4.50
    account = market.exchange.account()
    assert account.realized_usd == Decimal("566.00")
    assert account.cash_usd == account.net_liquidation_usd == Decimal("25566.00")


def test_bar_before_market_time_is_refused(market: Market) -> None:
    bar = market.bar(10_000, 10_001, 9_999, 10_000)
    market.exchange.advance(bar)
    with pytest.raises(InvariantViolated, match="before market time"):
        market.exchange.advance(bar)


def test_numbers_are_given_in_order_of_submission(market: Market) -> None:
    assert market.bracket() == [900_000_001, 900_000_002, 900_000_003]
    assert market.submit(market.order(BUY)) == [900_000_004]


offsets = st.integers(-12, 12)
sides = st.sampled_from(Side)


@st.composite
def groups(draw: st.DrawFn) -> list[Leg]:
    entry_side = draw(sides)
    first = (entry_side, draw(st.sampled_from(OrderType)), draw(offsets), draw(offsets), None, "")
    if draw(st.booleans()):
        group = draw(st.sampled_from(["", "oca"]))
        return [(*first[:5], group)]
    away = draw(st.integers(1, 10))
    sign = entry_side.sign
    return [
        first,
        (entry_side.opposite, STOP, 0, -sign * away, 0, ""),
        (entry_side.opposite, LIMIT, sign * away, 0, 0, ""),
    ]


steps = st.tuples(offsets, st.integers(0, 8), st.integers(0, 8), st.none() | groups(), st.booleans())


def _play(
    mirrored: bool,  # noqa: FBT001 - the one thing that differs
    script: Script,
) -> tuple[list[tuple[str, Side, int | None]], list[tuple[OrderState, bool]], int]:
    market = Market(mirrored=mirrored)
    for opened, up, down, group, cancels in script:
        if group:
            market.submit(
                *(
                    market.order(
                        side,
                        order_type,
                        limit=10_000 + limit if order_type in {LIMIT, STOP_LIMIT} else None,
                        stop=10_000 + stop if order_type in {STOP, STOP_LIMIT} else None,
                        parent=parent,
                        group=oca,
                    )
                    for side, order_type, limit, stop, parent, oca in group
                )
            )
        if cancels and market.exchange.working_orders():
            market.exchange.cancel(market.exchange.working_orders()[0].perm_id)
        market.advance(10_000 + opened, 10_000 + opened + up, 10_000 + opened - down)
    position = market.exchange.position_contracts
    return (
        market.fills(),
        [(order.state, order.held) for order in market.exchange.orders()],
        -position if mirrored else position,
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=12))
def test_mirrored_tape_and_orders_give_mirrored_fills(
    script: Script,
) -> None:
    """Neither direction has an advantage anywhere in matching."""
    assert _play(False, script) == _play(True, script)


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, min_size=1, max_size=12))
def test_position_is_the_sum_of_fills_and_final_orders_stay_final(
    script: Script,
) -> None:
    fills, states, position = _play(False, script)
    assert position == sum(side.sign for _, side, _ in fills)
    assert len(fills) == sum(1 for state, _ in states if state is OrderState.FILLED)
    assert not any(held for state, held in states if state.is_final)
