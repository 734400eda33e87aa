"""Broker objects to ours and back; nothing of ib_insync passes this module but by name.

Prices become ticks exactly: a price off the grid is an error, never rounded. Times become UTC nanoseconds.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from mia_actors.broker.wire import IbOrder
from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.errors import InvariantViolated, PermissionMissing
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill, OrderSpec, OrderState, OrderType, Side
from mia_actors.core.units import Contract, Product

UNSET_FROM = 1.7e308
"""IB writes "no value" as the largest double."""
SIDES = {"BOT": Side.BUY, "SLD": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}

ORDER_STATES = {
    "PendingSubmit": OrderState.SENT,
    "ApiPending": OrderState.SENT,
    "PreSubmitted": OrderState.WORKING,
    "Submitted": OrderState.WORKING,
    "PendingCancel": OrderState.WORKING,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "ApiCancelled": OrderState.CANCELLED,
    "Inactive": OrderState.REJECTED,
}
"""Status words as they come from the gateway. What ib_insync writes into its own objects is not consulted."""

BAR_SIZES = {
    Timeframe.S5: "5 secs",
    Timeframe.M1: "1 min",
    Timeframe.M5: "5 mins",
    Timeframe.M15: "15 mins",
    Timeframe.H1: "1 hour",
    Timeframe.H4: "4 hours",
}


def order_state(status: str) -> OrderState:
    """State a status word of the gateway stands for; an unknown word is a question."""
    return ORDER_STATES.get(status, OrderState.UNKNOWN)


def contract_of(ib_contract: Any) -> Contract:
    """Our contract of a broker's contract with a full expiry date."""
    expiry = str(ib_contract.lastTradeDateOrContractMonth).split(" ", maxsplit=1)[0]
    return Contract(symbol=str(ib_contract.symbol), expiry=expiry, con_id=int(ib_contract.conId))


def live_bar(product: Product, instrument: str, start_s: int, prices: Sequence[float], volume: float) -> Bar:
    """A streamed 5-second bar; `prices` are open, high, low, close.

    Raises:
        ValueError: a price is off the tick grid.
    """
    return _bar(product, instrument, Timeframe.S5, start_s * NS_PER_S, prices, volume)


def historical_bar(product: Product, instrument: str, timeframe: Timeframe, row: Any) -> Bar:
    """A bar of a historical answer that was asked for with epoch times.

    Raises:
        ValueError: a price is off the tick grid.
        InvariantViolated: the bar has a date instead of a time.
    """
    if not isinstance(row.date, datetime):
        raise InvariantViolated(f"intraday bar without a time: {row.date!r}")
    prices = (row.open, row.high, row.low, row.close)
    return _bar(product, instrument, timeframe, time_ns_of(row.date), prices, row.volume)


def _bar(
    product: Product,
    instrument: str,
    timeframe: Timeframe,
    start_ns: int,
    prices: Sequence[float],
    volume: float,
) -> Bar:
    first, high, low, last = prices
    return Bar(
        instrument=instrument,
        timeframe=timeframe,
        start_ns=start_ns,
        open_ticks=product.ticks_of(first),
        high_ticks=product.ticks_of(high),
        low_ticks=product.ticks_of(low),
        close_ticks=product.ticks_of(last),
        volume=max(0, round(volume)),  # -1 stands for no trades
    )


def fill_of(product: Product, ib_contract: Any, execution: Any) -> Fill:
    """An execution, its commission not known yet.

    Raises:
        ValueError: the price is off the tick grid.
    """
    return Fill(
        exec_id=str(execution.execId),
        order_ref=str(execution.orderRef),
        perm_id=int(execution.permId),
        instrument=contract_of(ib_contract).instrument,
        side=SIDES[execution.side],
        quantity=round(execution.shares),
        price_ticks=product.ticks_of(execution.price),
        event_time_ns=time_ns_of(execution.time),
    )


def commission_usd(report: Any) -> Decimal | None:
    """Commission of a report, None while it is not known.

    Raises:
        PermissionMissing: it is in another currency, which nothing here can convert.
    """
    if not 0 <= abs(report.commission) < UNSET_FROM:
        return None
    if report.currency not in {"", "USD"}:
        raise PermissionMissing(f"commission in {report.currency}; accounts must be held in USD")
    return Decimal(str(report.commission))


def net_liquidation_usd(account: str, rows: Sequence[Any]) -> Decimal | None:
    """The account's equity out of the broker's table; None while it is not in it."""
    for row in rows:
        if row.tag == "NetLiquidation" and row.account == account and row.currency in {"", "USD", "BASE"}:
            return Decimal(row.value)
    return None


def ib_order(
    product: Product, spec: OrderSpec, *, order_id: int, parent_id: int, account: str, transmit: bool
) -> IbOrder:
    """The broker's form of an order; time in force and reference are always set, presets would change it."""
    order = IbOrder(
        orderId=order_id,
        action=spec.side.value,
        totalQuantity=spec.quantity,
        orderType=spec.order_type.value,
        tif=spec.tif.value,
        orderRef=spec.order_ref,
        parentId=parent_id,
        account=account,
        outsideRth=True,
        transmit=transmit,
    )
    if spec.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}:
        order.lmtPrice = _price(product, spec, spec.limit_ticks)
    if spec.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        order.auxPrice = _price(product, spec, spec.stop_ticks)
    return order


def _price(product: Product, spec: OrderSpec, ticks: int | None) -> float:
    if ticks is None:
        raise InvariantViolated(f"{spec.order_ref}: a {spec.order_type} order without its price")
    return float(product.price_of(ticks))
