"""The broker's objects into ours: the one place that reads `ib_insync` types."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from mia_actors.core.clock import time_ns_of
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill, OrderReport, OrderState, Side
from mia_actors.core.units import Contract, Product

STATES = {
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
SIDES = {"BOT": Side.BUY, "SLD": Side.SELL, "BUY": Side.BUY, "SELL": Side.SELL}


def state_of(status: str) -> OrderState:
    """Our state of a TWS order status; a word nobody knows is a question."""
    return STATES.get(status, OrderState.UNKNOWN)


def moment_ns(moment: datetime) -> int:
    """UTC ns of a library time; the library makes them aware, a naive one is UTC."""
    return time_ns_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def bar_of(product: Product, instrument: str, timeframe: Timeframe, raw: Any) -> Bar:
    """A bar of ours from a real-time or historical bar; prices on the grid or an error.

    Raises:
        ValueError: a price off the tick grid.
    """
    opened = raw.open_ if hasattr(raw, "open_") else raw.open
    moment = raw.time if hasattr(raw, "time") else raw.date
    return Bar(
        instrument=instrument,
        timeframe=timeframe,
        start_ns=moment_ns(moment),
        open_ticks=product.ticks_of(opened),
        high_ticks=product.ticks_of(raw.high),
        low_ticks=product.ticks_of(raw.low),
        close_ticks=product.ticks_of(raw.close),
        volume=int(raw.volume),
    )


def fill_of(product: Product, raw: Any) -> Fill:
    """An execution with its commission, where the report has come."""
    execution, report = raw.execution, raw.commissionReport
    return Fill(
        exec_id=execution.execId,
        order_ref=execution.orderRef,
        perm_id=int(execution.permId),
        instrument=raw.contract.localSymbol,
        side=SIDES[execution.side],
        quantity=int(execution.shares),
        price_ticks=product.ticks_of(execution.price),
        event_time_ns=moment_ns(execution.time),
        commission_usd=Decimal(str(report.commission)) if report.execId else None,
    )


def report_of(trade: Any) -> OrderReport:
    """What a trade object says of its order; a cancel that an error caused locally is a question."""
    status = trade.orderStatus
    reason = next((entry.message for entry in reversed(trade.log) if entry.message), "")
    return OrderReport(
        order_ref=trade.order.orderRef,
        perm_id=int(trade.order.permId or status.permId),
        state=state_of(status.status),
        filled=int(status.filled or trade.filled()),
        remaining=int(status.remaining),
        reason=reason,
    )


def contract_of(raw: Any) -> Contract:
    """A qualified future."""
    expiry = raw.lastTradeDateOrContractMonth
    return Contract(symbol=raw.symbol, expiry=expiry.split(" ")[0], con_id=int(raw.conId))
