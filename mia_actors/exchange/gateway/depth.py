"""A simulated order book around the last price, and how one becomes the next. Pure.

Sizes follow from price and distance by rule; nobody's orders are in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from mia_actors.exchange.gateway.price_points import QUOTE_TICKS

SIZE_FIRST, SIZE_STEP = 9, 6
"""Contracts at the best price, and how many more at each one behind it, about."""
SIZE_WAVE = 11


class Operation(IntEnum):
    """What a row of the book does, by its number on the wire."""

    INSERT = 0
    UPDATE = 1
    DELETE = 2


class BookSide(IntEnum):
    """By its number on the wire."""

    ASK = 0
    BID = 1

    @property
    def outwards(self) -> int:
        """In which direction its prices go from the best one."""
        return -1 if self is BookSide.BID else 1


@dataclass(frozen=True, slots=True)
class BookChange:
    """One row of one side."""

    position: int
    """0 is the best price."""
    operation: Operation
    side: BookSide
    price_ticks: int
    size: int


def level(side: BookSide, last_ticks: int, position: int) -> tuple[int, int]:
    """Price and size of a row."""
    price_ticks = last_ticks + side.outwards * (QUOTE_TICKS + position)
    return price_ticks, SIZE_FIRST + SIZE_STEP * position + (price_ticks * 7 + side) % SIZE_WAVE


def book_changes(before_ticks: int | None, last_ticks: int, rows: int) -> Iterator[BookChange]:
    """What turns the book around one last price into that around another; None: it was empty.

    A receiver that deletes, inserts and updates in this order has `rows` rows on each side, best first.
    """
    for side in BookSide:
        if before_ticks is None:
            kept = 0
        else:
            ahead = (before_ticks - last_ticks) * side.outwards
            kept = max(0, rows - abs(ahead))
            yield from _moved(side, before_ticks, last_ticks, rows, ahead)
        if kept == 0:
            operation = Operation.INSERT if before_ticks is None else Operation.UPDATE
            for position in range(rows):
                yield BookChange(position, operation, side, *level(side, last_ticks, position))


def _moved(side: BookSide, before_ticks: int, last_ticks: int, rows: int, ahead: int) -> Iterator[BookChange]:
    """Rows that leave, rows that come, and rows whose size is another one; `ahead` many new ones are the best."""
    if ahead == 0 or abs(ahead) >= rows:
        return
    count = abs(ahead)
    gone = range(rows - 1, rows - 1 - count, -1) if ahead > 0 else range(count)
    for position in gone:
        at = position if ahead > 0 else 0
        yield BookChange(at, Operation.DELETE, side, *level(side, before_ticks, position))
    new = range(count - 1, -1, -1) if ahead > 0 else range(rows - count, rows)
    for position in new:
        at = 0 if ahead > 0 else position
        yield BookChange(at, Operation.INSERT, side, *level(side, last_ticks, position))
    for position in range(count, rows) if ahead > 0 else range(rows - count):
        before = position - ahead
        if level(side, before_ticks, before) != level(side, last_ticks, position):
            yield BookChange(position, Operation.UPDATE, side, *level(side, last_ticks, position))
