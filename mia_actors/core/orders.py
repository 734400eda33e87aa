"""Orders, fills and positions as facts; the broker's objects are parsed into these at the edge."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from mia_actors.core.clock import time_ns_of, utc_datetime


class Side(StrEnum):
    """Direction of an order or fill."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a purchase, -1 for a sale."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that offsets this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Order types by IB's words."""

    MARKET = "MKT"
    LIMIT = "LMT"
    STOP = "STP"
    STOP_LIMIT = "STP LMT"


class TimeInForce(StrEnum):
    """How long an order works; always set, IB's presets otherwise change it (error 10349)."""

    DAY = "DAY"
    GTC = "GTC"


class Purpose(StrEnum):
    """Why an order exists; part of its identity."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    EXIT = "exit"
    HALT = "halt"


class OrderState(StrEnum):
    """What is known of an order.

    UNKNOWN is a question, not a fact: it is settled by asking the broker, never by sending again.
    """

    INTENDED = "intended"
    SENT = "sent"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def is_final(self) -> bool:
        """True when nothing more can happen to the order."""
        return self in {OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED}


GUARDIAN_PREFIX = "MIAG"
EXECUTOR_PREFIX = "MIA"
ORDER_REF_LENGTH_MAX = 40
STAMP = "%Y%m%dT%H%M%S"
STAMP_PARTS = 4
"""Parts a reference with a decision time has at least."""


def decision_time_ns(reference: str) -> int | None:
    """The decision time that `order_ref` wrote into a reference; None for anybody else's."""
    parts = reference.split(".")
    if len(parts) < STAMP_PARTS:
        return None
    try:
        return time_ns_of(datetime.strptime(parts[2], STAMP).replace(tzinfo=UTC))
    except ValueError:
        return None


def order_ref(prefix: str, instrument: str, decided_at_ns: int, purpose: Purpose, sequence: int = 0) -> str:
    """Deterministic identity of an order: prefix, instrument, decision time, purpose.

    Same decision, same string, whatever process or incarnation computes it; it is what `orderRef` carries.

    Raises:
        ValueError: longer than the broker keeps, or with a comma.
    """
    stamp = utc_datetime(decided_at_ns).strftime(STAMP)
    suffix = f".{sequence}" if sequence else ""
    text = f"{prefix}.{instrument}.{stamp}.{purpose.value}{suffix}"
    if len(text) > ORDER_REF_LENGTH_MAX or "," in text:
        raise ValueError(
            f"order reference {text!r} must have at most {ORDER_REF_LENGTH_MAX} characters, no comma"
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSpec:
    """An order as wanted. A repeat with the same `order_ref` is the same order."""

    order_ref: str
    instrument: str
    side: Side
    quantity: int
    order_type: OrderType
    purpose: Purpose
    decided_at_ns: int
    """Event time of the decision, UTC ns."""
    limit_ticks: int | None = None
    stop_ticks: int | None = None
    tif: TimeInForce = TimeInForce.GTC
    parent_ref: str | None = None
    """Set on the protective legs of a bracket; they work only once the parent has filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTerms:
    """At what price an order may fill, as the broker was told; of whatever client."""

    order_ref: str
    limit_ticks: int | None
    stop_ticks: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the broker says of an order now."""

    order_ref: str
    perm_id: int
    state: OrderState
    filled: int
    remaining: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `commission_usd` is None until the broker reported it."""

    exec_id: str
    order_ref: str
    perm_id: int
    instrument: str
    side: Side
    quantity: int
    price_ticks: int
    event_time_ns: int
    """The broker's execution time, UTC ns, whole seconds on the TWS wire."""
    commission_usd: Decimal | None = None

    @property
    def signed_quantity(self) -> int:
        """Position change: positive for a purchase."""
        return self.side.sign * self.quantity


def execution_stem(exec_id: str) -> tuple[str, int]:
    """What a correction repeats of an execution id, and its number: a higher one replaces a lower."""
    stem, _, number = exec_id.rpartition(".")
    return (stem, int(number)) if stem and number.isdigit() else (exec_id, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSnapshot:
    """Everything the broker was asked after a connect: lists that each came to their end.

    `orders` holds open and completed orders with a reference, ours or another client's; `fills` all
    executions of the day of all clients, corrections already applied.
    """

    orders: tuple[OrderReport, ...]
    fills: tuple[Fill, ...]
    position_contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The guardian's lease to open or increase risk.

    Reducing risk never needs one. Its moments are on the machine's monotonic clock; `epoch` grows with every
    guardian incarnation and every halt, and a gate that has seen a higher epoch refuses a lower.
    """

    epoch: int
    executor_incarnation: int
    as_of_ns: int
    """Market time up to which the guardian had evaluated when it signed."""
    granted_monotonic_ns: int
    """Read before the guardian looked whether it may grant anything."""
    expires_monotonic_ns: int
    position_contracts_max: int
