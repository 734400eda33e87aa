from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from mia_actors.broker import parse
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import InvariantViolated, PermissionMissing
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import (
    OrderSpec,
    OrderState,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
    execution_stem,
)
from mia_actors.core.units import ES

START_S = 1_381_240_800


@dataclass(kw_only=True)
class FakeContract:
    symbol: str = "ES"
    lastTradeDateOrContractMonth: str = "20131220 08:30 US/Central"  # noqa: N815 - the broker's name
    conId: int = 7  # noqa: N815


@dataclass(kw_only=True)
class FakeExecution:
    execId: str = "0000e0d5.6533.01.01"  # noqa: N815
    orderRef: str = "MIA.ESZ3.20131008T140000.entry"  # noqa: N815
    permId: int = 9  # noqa: N815
    side: str = "SLD"
    shares: float = 2.0
    price: float = 1660.25
    time: datetime = datetime(2013, 10, 8, 14, 0, 5, tzinfo=UTC)


@dataclass(kw_only=True)
class FakeReport:
    commission: float = 2.05
    currency: str = "USD"


@dataclass(kw_only=True)
class FakeRow:
    date: Any = field(default_factory=lambda: datetime.fromtimestamp(START_S, UTC))
    open: float = 1660.0
    high: float = 1660.5
    low: float = 1659.75
    close: float = 1660.25
    volume: float = 12.0


@dataclass(kw_only=True)
class FakeValue:
    account: str = "DU1"
    tag: str = "NetLiquidation"
    value: str = "25000.50"
    currency: str = "USD"


def _spec(order_type: OrderType, **more: Any) -> OrderSpec:
    return OrderSpec(
        order_ref="MIA.ESZ3.20131008T140000.exit",
        instrument="ESZ3",
        side=Side.SELL,
        quantity=1,
        order_type=order_type,
        purpose=Purpose.EXIT,
        decided_at_ns=0,
        **more,
    )


def test_a_streamed_bar_has_exact_ticks_and_its_start() -> None:
    bar = parse.live_bar(ES, "ESZ3", START_S, (1660.0, 1660.5, 1659.75, 1660.25), 12)
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) == (6640, 6642, 6639, 6641)
    assert (bar.start_ns, bar.timeframe, bar.volume) == (START_S * NS_PER_S, Timeframe.S5, 12)


def test_a_price_off_the_grid_is_an_error_and_never_rounded() -> None:
    with pytest.raises(ValueError, match=r"1660\.1 is not a multiple"):
        parse.live_bar(ES, "ESZ3", START_S, (1660.1, 1660.5, 1659.75, 1660.25), 12)


def test_no_volume_is_written_as_minus_one_and_read_as_zero() -> None:
    assert parse.live_bar(ES, "ESZ3", START_S, (1660.0,) * 4, -1).volume == 0


def test_a_historical_bar_is_the_streamed_one() -> None:
    streamed = parse.live_bar(ES, "ESZ3", START_S, (1660.0, 1660.5, 1659.75, 1660.25), 12)
    assert parse.historical_bar(ES, "ESZ3", Timeframe.S5, FakeRow()) == streamed


def test_a_daily_row_among_intraday_bars_is_an_error() -> None:
    with pytest.raises(InvariantViolated, match="without a time"):
        parse.historical_bar(ES, "ESZ3", Timeframe.M1, FakeRow(date=date(2013, 10, 8)))


def test_a_contract_s_expiry_loses_its_time_and_names_the_instrument() -> None:
    contract = parse.contract_of(FakeContract())
    assert (contract.expiry, contract.instrument, contract.con_id) == ("20131220", "ESZ3", 7)


def test_an_execution_becomes_a_fill_without_commission() -> None:
    fill = parse.fill_of(ES, FakeContract(), FakeExecution())
    assert (fill.side, fill.quantity, fill.price_ticks, fill.instrument) == (Side.SELL, 2, 6641, "ESZ3")
    assert fill.event_time_ns == (START_S + 5) * NS_PER_S
    assert fill.commission_usd is None


def test_a_correction_repeats_the_stem_of_the_execution_it_corrects() -> None:
    assert execution_stem("0000e0d5.6533.01.01") == ("0000e0d5.6533.01", 1)
    assert execution_stem("0000e0d5.6533.01.02") == ("0000e0d5.6533.01", 2)
    assert execution_stem("plain") == ("plain", 0)


def test_a_commission_is_exact_and_unset_is_unknown() -> None:
    assert parse.commission_usd(FakeReport()) == Decimal("2.05")
    assert parse.commission_usd(FakeReport(commission=1.7976931348623157e308)) is None


def test_a_commission_in_another_currency_is_refused() -> None:
    with pytest.raises(PermissionMissing, match="EUR"):
        parse.commission_usd(FakeReport(currency="EUR"))


def test_the_equity_is_that_of_the_account_asked_for() -> None:
    rows = [FakeValue(account="DU2", value="1"), FakeValue(tag="Cushion", value="1"), FakeValue()]
    assert parse.net_liquidation_usd("DU1", rows) == Decimal("25000.50")
    assert parse.net_liquidation_usd("DU3", rows) is None


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PendingSubmit", OrderState.SENT),
        ("PreSubmitted", OrderState.WORKING),
        ("PendingCancel", OrderState.WORKING),
        ("Inactive", OrderState.REJECTED),
        ("Mystery", OrderState.UNKNOWN),
    ],
)
def test_a_status_word_is_a_state_and_an_unknown_one_a_question(word: str, state: OrderState) -> None:
    assert parse.order_state(word) is state


def test_every_order_carries_reference_time_in_force_and_outside_hours() -> None:
    order = parse.ib_order(
        ES,
        _spec(OrderType.STOP_LIMIT, limit_ticks=6640, stop_ticks=6641, tif=TimeInForce.DAY),
        order_id=5,
        parent_id=4,
        account="DU1",
        transmit=False,
    )
    assert (order.orderRef, order.tif, order.outsideRth) == ("MIA.ESZ3.20131008T140000.exit", "DAY", True)
    assert (order.lmtPrice, order.auxPrice, order.action) == (1660.0, 1660.25, "SELL")
    assert (order.orderId, order.parentId, order.account, order.transmit) == (5, 4, "DU1", False)


def test_a_priced_order_without_its_price_is_a_bug() -> None:
    with pytest.raises(InvariantViolated, match="without its price"):
        parse.ib_order(ES, _spec(OrderType.STOP), order_id=1, parent_id=0, account="", transmit=True)
