"""Frames about orders and executions. Pure; versions 157 to 178 where they differ."""

from decimal import Decimal

from mia_actors.core.orders import OrderState, OrderType
from mia_actors.exchange.gateway.dialect import Dialect, date_text
from mia_actors.exchange.gateway.framing import UNSET_DOUBLE, Field
from mia_actors.exchange.gateway.order_tables import completed_order_fields, open_order_fields
from mia_actors.exchange.orders import ExchangeOrder, Execution, NewOrder

EXECUTION_HAS_REVISION = 178
SIDES = {"BUY": "BOT", "SELL": "SLD"}


def open_order(dialect: Dialect, order: ExchangeOrder, parent_order_id: int) -> list[Field]:
    """An order that works, or its last state."""
    shown = {
        "msgId": "5",
        "orderId": str(order.order_id),
        "clientId": str(order.client_id),
        "sharesAllocation(obsolete)": f"{order.perm_id}.0/{dialect.account}/100",
        "permId": str(order.perm_id),
        "parentId": str(parent_order_id),
        "status": status_word(order),
    }
    return list(open_order_fields(dialect.version, _order_values(dialect, order) | shown))


def what_if(dialect: Dialect, order: NewOrder, margin_usd: Decimal) -> list[Field]:
    """The answer to a what-if order, which is not with the exchange and has no permanent number."""
    shown = {
        "msgId": "5",
        "orderId": str(order.order_id),
        "clientId": str(order.client_id),
        "permId": "0",
        "whatIf": "1",
        "status": "PreSubmitted",
        "commissionCurrency": "USD",
        "initMarginChange": str(margin_usd),
        "maintMarginChange": str(margin_usd),
    }
    return list(open_order_fields(dialect.version, _order_values(dialect, order) | shown))


def completed_order(dialect: Dialect, order: ExchangeOrder) -> list[Field]:
    """An order that ended; the wire carries neither its order id nor its client id."""
    filled = order.state is OrderState.FILLED
    shown = {
        "msgId": "101",
        "permId": str(order.perm_id),
        "status": status_word(order),
        "filledQuantity": str(order.filled),
        "completedTime": date_text(order.finished_at_ns or 0),
        "completedStatus": f"Filled Size: {order.filled}" if filled else order.reason or "Cancelled",
    }
    return list(completed_order_fields(dialect.version, _order_values(dialect, order) | shown))


def order_status(dialect: Dialect, order: ExchangeOrder, parent_order_id: int) -> list[Field]:
    """Where an order stands."""
    price = _average(dialect, order)
    return [
        3,
        order.order_id,
        status_word(order),
        order.filled,
        order.remaining,
        price,
        order.perm_id,
        parent_order_id,
        price,
        order.client_id,
        "",
        0.0,
    ]


def execution(dialect: Dialect, request_id: int, found: Execution) -> list[Field]:
    """A fill, live (-1) or asked for."""
    order, product = found.order, dialect.product
    price = product.price_of(found.price_ticks)
    shown: list[Field] = [
        11,
        request_id,
        order.order_id,
        *dialect.short_contract(product.exchange),
        found.exec_id,
        date_text(found.event_time_ns),
        dialect.account,
        product.exchange,
        SIDES[found.side.value],
        found.quantity,
        price,
        order.perm_id,
        order.client_id,
        0,
        order.filled,
        _average(dialect, order),
        order.order_ref,
        "",
        "",
        "",
        2,
    ]
    return [*shown, 0] if dialect.version >= EXECUTION_HAS_REVISION else shown


def commission(found: Execution) -> list[Field]:
    """What a fill cost."""
    realized = UNSET_DOUBLE if found.realized_pnl_usd is None else found.realized_pnl_usd
    return [59, 1, found.exec_id, found.commission_usd, "USD", realized, "", ""]


def status_word(order: ExchangeOrder) -> str:
    """TWS's word for an order's state."""
    if order.state is OrderState.WORKING:
        waits = order.held or order.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
        return "PreSubmitted" if waits else "Submitted"
    words = {OrderState.FILLED: "Filled", OrderState.REJECTED: "Inactive"}
    return words.get(order.state, "Cancelled")


def _order_values(dialect: Dialect, order: ExchangeOrder | NewOrder) -> dict[str, str]:
    contract, product = dialect.contract, dialect.product
    return {
        "conId": str(contract.con_id),
        "symbol": contract.symbol,
        "secType": "FUT",
        "lastTradeDateOrContractMonth": contract.expiry,
        "multiplier": str(product.multiplier),
        "exchange": product.exchange,
        "currency": product.currency,
        "localSymbol": contract.instrument,
        "tradingClass": contract.symbol,
        "action": order.side.value,
        "totalQuantity": str(order.quantity),
        "orderType": order.order_type.value,
        "lmtPrice": _price_text(dialect, order.limit_ticks),
        "auxPrice": _price_text(dialect, order.stop_ticks),
        "tif": order.tif.value,
        "ocaGroup": order.oca_group,
        "account": dialect.account,
        "orderRef": order.order_ref,
        "outsideRth": "1",
    }


def _price_text(dialect: Dialect, ticks: int | None) -> str:
    return "0.0" if ticks is None else str(dialect.price(ticks))


def _average(dialect: Dialect, order: ExchangeOrder) -> float:
    if order.average_price_ticks is None:
        return 0.0
    return float(order.average_price_ticks * dialect.product.tick_size)
