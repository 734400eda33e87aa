"""What a connection hears of prices, profit, position and orders, as facts."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from mia_actors.broker.fact_word import FactWord
from mia_actors.core.facts import (
    BrokerEquity,
    BrokerPnl,
    BrokerPosition,
    Fact,
    OrderRefused,
    OrderSeen,
    Quote,
    Tick,
)
from mia_actors.core.orders import OrderTerms
from mia_actors.core.units import ES


class Ear:
    """A word, and every fact it passed on."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.word = FactWord(ES, on_fact=self.facts.append, arrival_ns=lambda: 42)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.mark.parametrize("live", [True, False])
def test_a_trade_is_a_tick_and_bid_and_ask_are_quotes_live_or_delayed(ear: Ear, *, live: bool) -> None:
    bid, ask, trade = (1, 2, 4) if live else (66, 67, 68)
    ear.word.price(trade, 1660.25)
    ear.word.price(bid, 1660.0)
    ear.word.price(ask, 1660.5)
    assert ear.facts == [
        Tick(arrival_ns=42, price_ticks=6641),
        Quote(arrival_ns=42, bid_ticks=6640, ask_ticks=None),
        Quote(arrival_ns=42, bid_ticks=6640, ask_ticks=6642),
    ]


@pytest.mark.parametrize("price", [-1.0, 0.0, float("nan"), float("inf"), 1.7976931348623157e308, 1660.1])
def test_a_price_that_is_none_marks_nothing_and_makes_the_quote_unavailable(ear: Ear, price: float) -> None:
    ear.word.price(1, 1660.0)
    ear.word.price(2, 1660.5)
    ear.word.price(4, price)
    ear.word.price(2, price)
    assert ear.facts[-1] == Quote(arrival_ns=42, bid_ticks=6640, ask_ticks=None)
    assert not any(isinstance(fact, Tick) for fact in ear.facts)


@pytest.mark.parametrize(
    ("told", "expected"),
    [("-125.5", Decimal("-125.5")), ("nan", None), ("1.7976931348623157E308", None), ("-", None)],
)
def test_money_that_is_not_a_number_is_unavailable(ear: Ear, told: str, expected: Decimal | None) -> None:
    ear.word.account_value("NetLiquidation", told, "USD")
    if told != "-":
        ear.word.pnl(float(told))
        assert ear.facts.pop() == BrokerPnl(arrival_ns=42, unrealized_usd=expected)
    assert ear.facts == [BrokerEquity(arrival_ns=42, usd=expected)]


def test_of_the_account_only_the_equity_in_dollars_is_told(ear: Ear) -> None:
    ear.word.account_value("NetLiquidation", "1", "EUR")
    ear.word.account_value("TotalCashValue", "1", "USD")
    assert ear.facts == []


def order(kind: str, limit: float = 1.7976931348623157e308, aux: float = 1.7976931348623157e308) -> object:
    return SimpleNamespace(orderRef="r", permId=7, orderType=kind, lmtPrice=limit, auxPrice=aux)


@pytest.mark.parametrize(
    ("heard", "limit", "stop"),
    [
        (order("MKT"), None, None),
        (order("LMT", 1660.25, 0.0), 6641, None),
        (order("STP", 0.0, 1660.5), None, 6642),
        (order("STP LMT", 1660.25, 1660.5), 6641, 6642),
    ],
)
def test_an_order_tells_its_prices_once_and_that_it_is_there_each_time(
    ear: Ear, heard: object, limit: int | None, stop: int | None
) -> None:
    terms = OrderTerms(order_ref="r", limit_ticks=limit, stop_ticks=stop)
    ear.word.order(heard, "Submitted")
    ear.word.is_live = True
    ear.word.order(heard, "Submitted")
    seen = OrderSeen(arrival_ns=42, order_ref="r", perm_id=7, listed=True)
    assert ear.facts == [terms, seen, OrderSeen(arrival_ns=42, order_ref="r", perm_id=7)]
    assert ear.word.terms == (terms,)


def test_a_refused_order_is_told_as_such_by_either_message(ear: Ear) -> None:
    refused = OrderRefused(arrival_ns=42, order_ref="r", perm_id=7)
    ear.word.order(order("MKT"), "Inactive")
    ear.word.order_state("r", 7, "Inactive")
    ear.word.order_state("r", 7, "Cancelled")
    assert [fact for fact in ear.facts if isinstance(fact, OrderRefused)] == [refused, refused]


def test_the_position_is_passed_on(ear: Ear) -> None:
    ear.word.position(-1)
    assert ear.facts == [BrokerPosition(contracts=-1)]
