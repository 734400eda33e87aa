"""What a disturbed session lost or did twice: ledgers and the broker's own books, compared by order reference. Pure."""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker has it in its books."""

    order_ref: str
    filled: int
    rejected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All records there are of what a session did."""

    ledger: str
    """Text of `ledger.csv`; empty when the session came to none."""
    broker: tuple[BrokerOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Order references, sorted."""

    lost: tuple[str, ...]
    """With fewer rows, fewer contracts filled, or fewer orders at the broker than undisturbed."""
    duplicated: tuple[str, ...]
    """With more of any of these, references that the undisturbed session never gave included."""


def compare(undisturbed: Books, disturbed: Books) -> Comparison:
    """Compares by order reference, record by record."""
    lost: set[str] = set()
    duplicated: set[str] = set()
    for before, after in zip(_counts(undisturbed), _counts(disturbed), strict=True):
        lost |= set(before - after)
        duplicated |= set(after - before)
    return Comparison(lost=tuple(sorted(lost)), duplicated=tuple(sorted(duplicated)))


def _counts(books: Books) -> tuple[Counter[str], ...]:
    """By order reference: rows and contracts in the ledger, orders and contracts at the broker."""
    rows = list(csv.DictReader(io.StringIO(books.ledger)))
    taken = [order for order in books.broker if not order.rejected]
    return (
        Counter(row["order_ref"] for row in rows if row["kind"] == "order"),
        _sum((row["order_ref"], int(row["fill_quantity"])) for row in rows if row["kind"] == "fill"),
        Counter(order.order_ref for order in taken),
        _sum((order.order_ref, order.filled) for order in taken),
    )


def _sum(pairs: Iterable[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for order_ref, contracts in pairs:
        total[order_ref] += contracts
    return total
