"""Ticks and books are derived by rule, and their sums and orders are right for any bar."""

import random

import pytest

from mia_actors.core.market import Bar, Timeframe
from mia_actors.exchange.gateway.depth import BookChange, BookSide, Operation, book_changes, level
from mia_actors.exchange.gateway.price_points import moves, points, trades

ROWS = 5


def bar(prices: tuple[int, int, int, int], volume: int) -> Bar:
    opened, high, low, closed = prices
    return Bar(
        instrument="ESZ3",
        timeframe=Timeframe.S5,
        start_ns=0,
        open_ticks=opened,
        high_ticks=high,
        low_ticks=low,
        close_ticks=closed,
        volume=volume,
    )


@pytest.mark.parametrize("volume", [0, 1, 2, 3, 4, 5, 103])
def test_sizes_add_up_to_the_volume_and_the_close_is_traded_first_of_all(volume: int) -> None:
    rising = bar((10, 15, 8, 12), volume)
    assert [point.price_ticks for point in points(rising)] == [10, 8, 15, 12]
    found = list(trades(rising))
    assert sum(point.size for point in found) == volume
    assert [point.price_ticks for point in found][-1:] == ([12] if volume else [])


def test_falling_bar_visits_its_high_first_and_quotes_move_only_where_the_price_does() -> None:
    assert [point.price_ticks for point in points(bar((12, 15, 8, 10), 9))] == [12, 15, 8, 10]
    assert [point.price_ticks for point in moves(bar((10, 10, 10, 10), 9))] == [10]
    assert [point.price_ticks for point in moves(bar((10, 12, 10, 12), 9))] == [10, 12]


def applied(books: dict[BookSide, list[tuple[int, int]]], change: BookChange) -> None:
    rows = books[change.side]
    match change.operation:
        case Operation.INSERT:
            rows.insert(change.position, (change.price_ticks, change.size))
        case Operation.UPDATE:
            rows[change.position] = (change.price_ticks, change.size)
        case Operation.DELETE:
            assert rows.pop(change.position)[0] == change.price_ticks


def test_changes_turn_any_book_into_any_other() -> None:
    draw = random.Random(3)  # noqa: S311 - no secret
    books: dict[BookSide, list[tuple[int, int]]] = {side: [] for side in BookSide}
    before: int | None = None
    for _ in range(500):
        last = (before or 6_700) + draw.randint(-ROWS - 2, ROWS + 2)
        for change in book_changes(before, last, ROWS):
            applied(books, change)
        for side in BookSide:
            assert books[side] == [level(side, last, position) for position in range(ROWS)]
        before = last


def test_book_of_an_unchanged_price_does_not_change() -> None:
    assert list(book_changes(6_700, 6_700, ROWS)) == []
