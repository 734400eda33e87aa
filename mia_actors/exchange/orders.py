"""The exchange's own vocabulary: orders as submitted, as known, and what happens to them."""

from dataclasses import dataclass
from decimal import Decimal

from mia_actors.core.orders import OrderState, OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What trading costs here; conservative by default."""

    commission_usd_per_side: Decimal = Decimal("2.25")
    """Per contract."""
    slippage_ticks: int = 1
    """Paid by every market order and triggered stop."""
    fill_share_max: Decimal | None = None
    """Share of a 5-second bar's volume that one order gets in it, at least one contract; None: orders fill whole."""

    def contracts_in(self, volume: int) -> int | None:
        """Most contracts of one order that fill in a bar of this volume; None for any number."""
        return None if self.fill_share_max is None else max(1, int(self.fill_share_max * volume))


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """The simulated account; its name says that it is one."""

    account: str = "DUSIM0001"
    cash_usd: Decimal = Decimal(25_000)
    initial_margin_usd_per_contract: Decimal = Decimal(5_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """An order as a client submits it; its identity here is the `perm_id` it will be given."""

    client_id: int
    order_id: int
    """The client's own number, unique per client."""
    order_ref: str
    side: Side
    quantity: int
    order_type: OrderType
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    tif: TimeInForce = TimeInForce.DAY
    parent_perm_id: int | None = None
    """The parent, when it is with the exchange already."""
    parent_index: int | None = None
    """The parent's place in the same group, before its children."""
    oca_group: str = ""
    """Orders of one client with the same name, not empty: the fill of one cancels the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOrder:
    """An order as the exchange knows it; a change makes a new record."""

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
    """Waits for its parent to fill; WORKING all the same."""
    filled: int
    average_price_ticks: Decimal | None
    submitted_at_ns: int
    finished_at_ns: int | None
    reason: str = ""

    @property
    def remaining(self) -> int:
        """Contracts not filled."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. `exec_id` is the same whenever the same tape meets the same orders."""

    exec_id: str
    order: ExchangeOrder
    """State after this fill."""
    side: Side
    quantity: int
    price_ticks: int
    event_time_ns: int
    """End of the 5-second bar it happened in."""
    commission_usd: Decimal
    realized_pnl_usd: Decimal | None
    """What it realised, commission off; None when it opened or added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    """An order was accepted, released, modified, cancelled, rejected or filled."""

    order: ExchangeOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A fill happened; the order's change follows."""

    execution: Execution


ExchangeEvent = OrderChanged | Executed


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValues:
    """The account at the market's present price."""

    net_liquidation_usd: Decimal
    cash_usd: Decimal
    """Starting cash plus realised profit, after commissions."""
    realized_usd: Decimal
    """Since the start, after all commissions."""
    unrealized_usd: Decimal
    initial_margin_usd: Decimal
    available_usd: Decimal
