from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.orders import Fill, Side
from mia_actors.core.tradebook import TradeBook, fill_order
from mia_actors.core.units import ES


def _fill(
    number: int, side: Side, quantity: int, price: int, ref: str = "MIA.ESZ3.20131008T143500.entry"
) -> Fill:
    return Fill(
        exec_id=f"e{number:04d}",
        order_ref=ref,
        perm_id=number,
        instrument="ESZ3",
        side=side,
        quantity=quantity,
        price_ticks=price,
        event_time_ns=number * 10**9,
        commission_usd=Decimal("2.25"),
    )


def test_a_round_trip_realises_its_ticks_less_both_commissions() -> None:
    book = TradeBook.of(ES, [_fill(1, Side.BUY, 1, 6600), _fill(2, Side.SELL, 1, 6608)])
    assert book.position_contracts == 0
    assert book.realized_usd == Decimal("100.00") - Decimal("4.50")
    (trade,) = book.closed_trades
    assert trade.side is Side.BUY
    assert trade.net_usd == Decimal("95.50")


def test_a_short_gains_when_the_price_falls() -> None:
    book = TradeBook.of(ES, [_fill(1, Side.SELL, 2, 6600), _fill(2, Side.BUY, 2, 6590)])
    assert book.realized_usd == Decimal(2 * 10) * Decimal("12.50") - Decimal("4.50")


def test_unrealised_profit_is_marked_at_the_given_price() -> None:
    book = TradeBook.of(ES, [_fill(1, Side.SELL, 1, 6600)])
    assert book.unrealized_usd(6604) == Decimal("-50.00")


def test_crossing_zero_closes_one_trade_and_opens_the_next() -> None:
    book = TradeBook.of(ES, [_fill(1, Side.BUY, 1, 6600), _fill(2, Side.SELL, 3, 6604)])
    assert book.position_contracts == -2
    assert len(book.closed_trades) == 1
    assert book.open_trade is not None
    assert book.open_trade.side is Side.SELL


def test_an_execution_counts_once_however_often_it_is_reported() -> None:
    book = TradeBook(ES)
    for _ in range(3):
        book.add(_fill(1, Side.BUY, 1, 6600))
    assert book.position_contracts == 1


def test_within_one_second_the_entry_comes_before_the_stop_that_ends_it() -> None:
    entry = _fill(2, Side.BUY, 1, 6600, "MIA.ESZ3.20131008T143500.entry")
    stop = _fill(1, Side.SELL, 1, 6592, "MIA.ESZ3.20131008T143500.stop")
    same_moment = [
        Fill(**{name: getattr(fill, name) for name in Fill.__dataclass_fields__} | {"event_time_ns": 7})
        for fill in (stop, entry)
    ]
    assert [fill.order_ref for fill in sorted(same_moment, key=fill_order)] == [
        entry.order_ref,
        stop.order_ref,
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Side)), st.integers(1, 4), st.integers(6000, 7000)),
        min_size=1,
        max_size=30,
    ),
    st.integers(6000, 7000),
)
def test_realised_and_unrealised_add_up_to_the_cash_flows(
    legs: list[tuple[Side, int, int]], mark: int
) -> None:
    """Total profit is what selling brought minus what buying cost, the rest valued at the mark."""
    fills = [_fill(number, side, quantity, price) for number, (side, quantity, price) in enumerate(legs, 1)]
    book = TradeBook.of(ES, fills)
    flows = sum(-fill.signed_quantity * fill.price_ticks for fill in fills) + book.position_contracts * mark
    commissions = Decimal("2.25") * len(fills)
    total = book.realized_usd + book.unrealized_usd(mark)
    assert abs(total - (Decimal(flows) * ES.tick_value_usd - commissions)) < Decimal("0.0001")


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(6000, 7000)), min_size=1, max_size=10))
def test_closed_trades_add_up_to_the_realised_profit_when_flat(entries: list[tuple[int, int]]) -> None:
    fills: list[Fill] = []
    for quantity, price in entries:
        fills.append(_fill(len(fills) + 1, Side.BUY, quantity, price))
        fills.append(_fill(len(fills) + 1, Side.SELL, quantity, price + 3))
    book = TradeBook.of(ES, fills)
    assert sum(trade.net_usd for trade in book.closed_trades) == book.realized_usd
