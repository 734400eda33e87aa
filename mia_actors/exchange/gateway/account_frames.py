"""Frames about the account. Pure."""

from decimal import Decimal

from mia_actors.exchange.gateway.dialect import Dialect
from mia_actors.exchange.gateway.framing import Field
from mia_actors.exchange.orders import AccountValues

CURRENCY = "USD"


def position(dialect: Dialect, contracts: int, average_ticks: Decimal | None) -> list[Field]:
    """The account's position."""
    return [
        61,
        3,
        dialect.account,
        *dialect.short_contract(""),
        contracts,
        average_cost_usd(dialect, average_ticks),
    ]


def average_cost_usd(dialect: Dialect, average_ticks: Decimal | None) -> Decimal:
    """For futures the wire's cost is price times multiplier."""
    if average_ticks is None:
        return Decimal(0)
    return average_ticks * dialect.product.tick_size * dialect.product.multiplier


def account_value(dialect: Dialect, tag: str, value: str) -> list[Field]:
    """One line of the account updates."""
    return [6, 2, tag, value, CURRENCY, dialect.account]


def portfolio(
    dialect: Dialect,
    contracts: int,
    average_ticks: Decimal | None,
    last_ticks: int | None,
    values: AccountValues,
) -> list[Field]:
    """The position at the market's price, as the account updates carry it."""
    price = dialect.product.price_of(last_ticks or 0)
    return [
        7,
        8,
        *dialect.short_contract(dialect.product.exchange),
        contracts,
        price,
        price * contracts * dialect.product.multiplier,
        average_cost_usd(dialect, average_ticks),
        values.unrealized_usd,
        values.realized_usd,
        dialect.account,
    ]


def profit(request_id: int, values: AccountValues) -> list[Field]:
    """Profit of the account since the market began, open and realised."""
    realized, unrealized = values.realized_usd, values.unrealized_usd
    return [94, request_id, realized + unrealized, unrealized, realized]


def profit_of_position(
    request_id: int, contracts: int, value_usd: Decimal, values: AccountValues
) -> list[Field]:
    """The same of the one contract there is, with its position and what that is worth."""
    realized, unrealized = values.realized_usd, values.unrealized_usd
    return [95, request_id, contracts, realized + unrealized, unrealized, realized, value_usd]


def account_lines(values: AccountValues) -> tuple[tuple[str, str], ...]:
    """Tags of the account updates and the summary."""
    return (
        ("AccountType", "SIMULATED"),
        ("NetLiquidation", f"{values.net_liquidation_usd:.2f}"),
        ("TotalCashValue", f"{values.cash_usd:.2f}"),
        ("InitMarginReq", f"{values.initial_margin_usd:.2f}"),
        ("MaintMarginReq", f"{values.initial_margin_usd:.2f}"),
        ("AvailableFunds", f"{values.available_usd:.2f}"),
        ("RealizedPnL", f"{values.realized_usd:.2f}"),
        ("UnrealizedPnL", f"{values.unrealized_usd:.2f}"),
    )
