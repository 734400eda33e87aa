"""A filter admits an execution where all of its fields agree; a time or side that is none is refused."""

from decimal import Decimal

import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.orders import OrderState, OrderType, Side, TimeInForce
from mia_actors.exchange.gateway.execution_filter import ExecutionFilter
from mia_actors.exchange.orders import ExchangeOrder, Execution

AT_NS = 1_381_158_005 * NS_PER_S
"""2013-10-07 15:00:05 UTC, 10:00:05 in Chicago (summer time)."""
ANY = ("0", "", "", "", "", "", "")


def sale() -> Execution:
    order = ExchangeOrder(
        perm_id=1,
        parent_perm_id=None,
        client_id=11,
        order_id=7,
        order_ref="MIA.one",
        side=Side.SELL,
        quantity=1,
        order_type=OrderType.MARKET,
        limit_ticks=None,
        stop_ticks=None,
        tif=TimeInForce.GTC,
        oca_group="",
        state=OrderState.FILLED,
        held=False,
        filled=1,
        average_price_ticks=Decimal(6_700),
        submitted_at_ns=AT_NS - NS_PER_S,
        finished_at_ns=AT_NS,
    )
    return Execution(
        exec_id="sim.1",
        order=order,
        side=order.side,
        quantity=1,
        price_ticks=6_700,
        event_time_ns=AT_NS,
        commission_usd=Decimal(2),
        realized_pnl_usd=None,
    )


def admits(*fields: str) -> bool:
    return ExecutionFilter.parsed(fields).admits(
        sale(), account="DUSIM0001", symbol="ES", security_type="FUT", exchange="CME"
    )


@pytest.mark.parametrize(
    ("place", "agrees", "differs"),
    [
        (0, "11", "12"),
        (1, "DUSIM0001", "DU1"),
        (2, "20131007-15:00:05", "20131007-15:00:06"),
        (3, "ES", "ESZ3"),
        (4, "FUT", "STK"),
        (5, "CME", "GLOBEX"),
        (6, "SELL", "BUY"),
    ],
)
def test_each_field_alone_decides_and_an_empty_one_does_not(place: int, agrees: str, differs: str) -> None:
    assert admits(*ANY)
    assert admits(*ANY[:place], agrees, *ANY[place + 1 :])
    assert not admits(*ANY[:place], differs, *ANY[place + 1 :])


def test_one_field_that_differs_outweighs_all_that_agree() -> None:
    assert admits("11", "DUSIM0001", "20131007-15:00:00", "ES", "FUT", "CME", "SELL")
    assert not admits("11", "DUSIM0001", "20131007-15:00:00", "ES", "FUT", "CME", "BUY")


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("20131007 15:00:05", True),
        ("20131007  15:00:06", False),
        ("20131007 15:00:05 UTC", True),
        ("20131007 10:00:05 US/Central", True),
        ("20131007 10:00:06 US/Central", False),
        ("20131007 11:00:06 US/Eastern", False),
    ],
)
def test_time_is_read_in_its_zone_and_its_very_second_is_in(text: str, *, is_in: bool) -> None:
    assert admits("0", "", text, "", "", "", "") is is_in


@pytest.mark.parametrize(
    "text",
    ["20131007", "2013-10-07 15:00:05", "20131307-15:00:05", "20131007-25:00:00", "20131007 15:00:05 Mars"],
)
def test_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|month|day|format"):
        ExecutionFilter.parsed(("0", "", text, "", "", "", ""))


@pytest.mark.parametrize("side", ["BOT", "sell", "SSHORT"])
def test_side_that_is_none_is_refused_with_what_is_allowed(side: str) -> None:
    with pytest.raises(ValueError, match="BUY, SELL"):
        ExecutionFilter.parsed(("0", "", "", "", "", "", side))
