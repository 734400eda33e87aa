"""Lost and doubled orders, found by reference in the ledger and in the broker's books."""

import pytest

from mia_actors.chaos.comparison import Books, BrokerOrder, compare

HEADER = "event_time,kind,order_ref,fill_quantity,net_position\n"
ENTRY = "t,order,one.entry,,\n"
STOP = "t,order,one.stop,,\n"
FILL = "t,fill,one.entry,1,1\n"


def order(order_ref: str, *, filled: int = 0, rejected: bool = False) -> BrokerOrder:
    return BrokerOrder(order_ref=order_ref, filled=filled, rejected=rejected)


LEDGER = HEADER + ENTRY + STOP + FILL
BROKER = (order("one.entry", filled=1), order("one.stop"))
UNDISTURBED = Books(ledger=LEDGER, broker=BROKER)


def test_equal_books_have_nothing_lost_or_doubled() -> None:
    found = compare(UNDISTURBED, Books(ledger=HEADER + FILL + STOP + ENTRY, broker=BROKER[::-1]))
    assert (found.lost, found.duplicated) == ((), ())


@pytest.mark.parametrize(
    ("ledger", "broker", "lost", "duplicated"),
    [
        pytest.param(HEADER + ENTRY + FILL, BROKER, ("one.stop",), (), id="a row is missing"),
        pytest.param(HEADER + ENTRY + STOP, BROKER, ("one.entry",), (), id="a fill is missing"),
        pytest.param(LEDGER + STOP, BROKER, (), ("one.stop",), id="a row comes twice"),
        pytest.param(LEDGER + FILL, BROKER, (), ("one.entry",), id="a fill comes twice"),
        pytest.param(LEDGER, BROKER[:1], ("one.stop",), (), id="the broker never had it"),
        pytest.param(LEDGER, (*BROKER, order("one.stop")), (), ("one.stop",), id="the broker has it twice"),
        pytest.param(
            LEDGER,
            (order("one.entry", filled=2), BROKER[1]),
            (),
            ("one.entry",),
            id="filled twice at the broker",
        ),
        pytest.param(LEDGER + "t,order,two.entry,,\n", BROKER, (), ("two.entry",), id="a new reference"),
        pytest.param("", (), ("one.entry", "one.stop"), (), id="a session without books"),
    ],
)
def test_each_difference_is_told_by_reference(
    ledger: str, broker: tuple[BrokerOrder, ...], lost: tuple[str, ...], duplicated: tuple[str, ...]
) -> None:
    found = compare(UNDISTURBED, Books(ledger=ledger, broker=broker))
    assert (found.lost, found.duplicated) == (lost, duplicated)


def test_an_order_that_the_broker_refused_was_not_doubled() -> None:
    broker = (*BROKER, order("one.stop", rejected=True))
    assert compare(UNDISTURBED, Books(ledger=LEDGER, broker=broker)).duplicated == ()
