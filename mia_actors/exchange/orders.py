"""What goes into the simulated exchange and what comes out: orders, executions, account values, events."""

from dataclasses import dataclass
from decimal import Decimal

from mia_actors.core.orders import OrderState, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a fill costs beyond the price on the tape."""

    commission_usd_per_side: Decimal = Decimal("2.25")
    """Per contract and execution."""
    slippage_ticks: int = 1
    """Added against market orders and triggered stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """The simulated account at the start of a session; its name says that it is one."""

    account: str = "DUSIM0001"
    cash_usd: Decimal = Decimal(25_000)
    initial_margin_usd_per_contract: Decimal = Decimal(5_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValues:
    """The account marked at the last trade price."""

    account: str
    net_liquidation_usd: Decimal
    cash_usd: Decimal
    """Starting cash plus realised profit, commissions paid."""
    realized_usd: Decimal
    """Since the session's start, after all commissions."""
    unrealized_usd: Decimal
    initial_margin_usd: Decimal
    available_usd: Decimal
    """Net liquidation minus initial margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as it arrives. `client_id` and `order_id` are only echoed: `perm_id` is the identity."""

    client_id: int
    order_id: int
    order_ref: str
    side: Side
    quantity: int
    order_type: OrderType
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    tif: TimeInForce = TimeInForce.GTC
    parent_perm_id: int | None = None
    """Parent the exchange already has."""
    parent_index: int | None = None
    """Parent in the same group, by its place in it; it comes before its children."""
    oca_group: str = ""
    """Orders of one client with the same non-empty name: the fill of one cancels the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOrder:
    """An order and its state at one moment."""

    perm_id: int
    parent_perm_id: int | None
    client_id: int
    order_id: int
    order_ref: str
    side: Side
    quantity: int
    order_type: OrderType
    limit_ticks: int | None
    stop_ticks: int | None
    tif: TimeInForce
    oca_group: str
    state: OrderState
    """WORKING, FILLED, CANCELLED or REJECTED."""
    held: bool
    """True while a child waits for the fill of its parent; it is WORKING all the same."""
    filled: int
    average_price_ticks: Decimal | None
    submitted_at_ns: int
    finished_at_ns: int | None
    reason: str

    @property
    def remaining(self) -> int:
        """Contracts not filled."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill; every fill of this exchange is whole."""

    exec_id: str
    """`sim.00000001.01`, counted in the order of execution."""
    order: ExchangeOrder
    """As it stands after this fill."""
    side: Side
    quantity: int
    price_ticks: int
    event_time_ns: int
    """End of the 5-second bar it happened in."""
    commission_usd: Decimal
    realized_pnl_usd: Decimal | None
    """Profit of what it closed, after its own commission; None when it closed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    """An order was accepted, released, modified, cancelled or rejected."""

    order: ExchangeOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """An order was filled; `execution.order` is its new state, no `OrderChanged` repeats it."""

    execution: Execution


ExchangeEvent = OrderChanged | Executed
