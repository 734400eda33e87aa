"""What execution answers."""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.ledger import LedgerOrder
from mia_actors.core.orders import Fill, OrderReport


class AppliedStatus(StrEnum):
    """What became of a target."""

    SENT = "sent"
    """The broker acknowledged every order of it."""
    NOTHING = "nothing"
    """The wanted position was held already."""
    REFUSED = "refused"
    """The guardian or this executor refused; nothing was sent."""
    REJECTED = "rejected"
    """The broker refused."""
    EXPIRED = "expired"
    """It could not be sent while it was still fresh; nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The fate of one target; the same target asked again gives the same answer."""

    target_id: str
    status: AppliedStatus
    detail: str
    reports: tuple[OrderReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Execution's part of the ledger: its orders, and every execution of the account it knows of."""

    orders: tuple[LedgerOrder, ...]
    fills: tuple[Fill, ...]
    position_contracts: int
    """By the broker's word."""
    unresolved: tuple[str, ...]
    """Order references whose fate the broker did not tell."""
