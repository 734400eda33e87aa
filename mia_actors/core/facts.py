"""What the guardian is told: closed set of facts, each with its market time or its time of arrival.

Market time (`core.market.Bar`, `core.orders.Fill`) comes with the data and is the same in every life. Times of
arrival are UTC nanoseconds of the shell that heard it; a shell in lockstep, and the backtest, tell no such fact.
A value that is None was told as missing, not a number, or off the tick grid: it is unavailable, never neutral.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from mia_actors.core.market import Bar
from mia_actors.core.orders import OrderTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A trade of the contract, heard between two bars."""

    arrival_ns: int
    price_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Best bid and ask."""

    arrival_ns: int
    bid_ticks: int | None
    ask_ticks: int | None

    @property
    def spread_ticks(self) -> int | None:
        """Ask less bid; None unless both are there and not crossed."""
        if self.bid_ticks is None or self.ask_ticks is None or self.ask_ticks < self.bid_ticks:
            return None
        return self.ask_ticks - self.bid_ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPnl:
    """The broker's own word on the open position of the contract (`reqPnLSingle`)."""

    arrival_ns: int
    unrealized_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerEquity:
    """The account's NetLiquidation by the account updates."""

    arrival_ns: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """The account's position in the contract, streamed or asked, in wire order with the executions."""

    contracts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The broker connection of the guardian came up, or broke."""

    arrival_ns: int
    up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSeen:
    """An order of whatever client, heard of for the first time or again."""

    arrival_ns: int
    order_ref: str
    perm_id: int
    listed: bool = False
    """Told by a list at the connect: it is not new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused:
    """The broker rejected an order."""

    arrival_ns: int
    order_ref: str
    perm_id: int


class SupervisionKind(StrEnum):
    """What happened to the tree of actors."""

    RESTART = "restart"
    QUARANTINE = "quarantine"
    """A child or a part of the tree is down for good."""
    ESCALATION = "escalation"
    """The tree gave up, or asked for a halt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionNotice:
    """An event of the supervision tree; `arrival_ns` is when it happened, UTC."""

    arrival_ns: int
    number: int
    """Of the event in its log: a repeat is known by it."""
    kind: SupervisionKind
    node: str


Fact = (
    Bar
    | OrderTerms
    | Tick
    | Quote
    | BrokerPnl
    | BrokerEquity
    | BrokerPosition
    | Line
    | OrderSeen
    | OrderRefused
    | SupervisionNotice
)
