import pytest

from mia_actors.broker.order_book import OrderBook, OrderKey, purpose_of
from mia_actors.core.orders import OrderReport, OrderSpec, OrderState, OrderType, Purpose, Side

REF = "MIA.ESZ3.20131008T140000.entry"
KEY = OrderKey(client_id=11, order_id=5)


def _spec(order_ref: str = REF, *, side: Side = Side.BUY, quantity: int = 2) -> OrderSpec:
    return OrderSpec(
        order_ref=order_ref,
        instrument="ESZ3",
        side=side,
        quantity=quantity,
        order_type=OrderType.MARKET,
        purpose=Purpose.ENTRY,
        decided_at_ns=0,
    )


def _sent() -> OrderBook:
    book = OrderBook()
    book.sent(_spec(), KEY)
    return book


def _opened(book: OrderBook, status: str = "Submitted", key: OrderKey = KEY, perm_id: int = 900) -> None:
    book.opened(order_ref=REF, key=key, perm_id=perm_id, side=Side.BUY, quantity=2, status=status)


def _status(book: OrderBook, status: str, *, filled: int = 0, perm_id: int = 900) -> None:
    book.status(key=KEY, perm_id=perm_id, status=status, filled=filled, remaining=2 - filled)


def _report(book: OrderBook, order_ref: str = REF) -> OrderReport:
    report = book.report(order_ref)
    assert report is not None
    return report


def test_an_order_is_sent_then_working_then_filled() -> None:
    book = _sent()
    assert _report(book).state is OrderState.SENT
    _opened(book, "PreSubmitted")
    assert (_report(book).state, _report(book).perm_id) == (OrderState.WORKING, 900)
    _status(book, "Filled", filled=2)
    assert (_report(book).state, _report(book).filled, _report(book).remaining) == (OrderState.FILLED, 2, 0)


@pytest.mark.parametrize("code", [10349, 399, 2109, 404])
def test_a_notice_on_a_live_order_leaves_it_working(code: int) -> None:
    book = _sent()
    _opened(book)
    book.objected(key=KEY, code=code, text="TIF set to DAY")
    assert _report(book).state is OrderState.WORKING


@pytest.mark.parametrize("code", [104, 161, 201, 10147, 99999])
def test_an_error_on_a_live_order_is_a_question_until_the_gateway_speaks_again(code: int) -> None:
    """The client library says Cancelled here; fifteen such orders were once resent, and all had filled."""
    book = _sent()
    _opened(book)
    book.objected(key=KEY, code=code, text="no")
    assert _report(book).state is OrderState.UNKNOWN
    _status(book, "Submitted")
    assert _report(book).state is OrderState.WORKING


def test_a_refusal_that_ends_the_order_is_a_rejection_with_its_reason() -> None:
    book = _sent()
    book.objected(key=KEY, code=201, text="margin")
    _status(book, "Cancelled")
    assert (_report(book).state, _report(book).reason) == (OrderState.REJECTED, "201 order rejected: margin")


def test_a_cancelled_order_without_a_refusal_is_cancelled() -> None:
    book = _sent()
    _opened(book)
    book.objected(key=KEY, code=202, text="by trader")
    _status(book, "Cancelled")
    assert (_report(book).state, _report(book).reason) == (OrderState.CANCELLED, "202 by trader")


def test_nothing_follows_a_complete_fill() -> None:
    book = _sent()
    _status(book, "Filled", filled=2)
    _status(book, "Submitted", filled=2)
    book.objected(key=KEY, code=10148, text="too late")
    assert _report(book).state is OrderState.FILLED


def test_an_execution_before_any_status_fills_the_order() -> None:
    book = _sent()
    for total in (1, 2):
        book.executed(order_ref=REF, key=KEY, perm_id=900, side=Side.BUY, quantity_total=total)
    assert (_report(book).state, _report(book).filled) == (OrderState.FILLED, 2)


def test_an_order_known_from_its_executions_alone_counts_as_filled_until_it_is_listed() -> None:
    book = OrderBook()
    book.executed(order_ref=REF, key=KEY, perm_id=900, side=Side.BUY, quantity_total=1)
    assert _report(book).state is OrderState.FILLED
    _opened(book)
    assert (_report(book).state, _report(book).filled) == (OrderState.WORKING, 1)


def test_a_reused_order_number_is_not_mistaken_for_the_old_order() -> None:
    """After its restart a gateway can issue numbers again: the permanent number and reference decide."""
    book = _sent()
    _opened(book, perm_id=900)
    other = "MIA.ESZ3.20131008T150000.entry"
    book.opened(order_ref=other, key=KEY, perm_id=901, side=Side.BUY, quantity=2, status="Submitted")
    _status(book, "Filled", filled=2, perm_id=901)
    assert _report(book).state is OrderState.WORKING
    assert _report(book, other).state is OrderState.FILLED


def test_what_was_never_acknowledged_and_is_in_no_list_has_not_arrived() -> None:
    book = _sent()
    book.settle(set())
    assert book.report(REF) is None


def test_what_was_refused_and_is_in_no_list_is_rejected() -> None:
    book = _sent()
    book.objected(key=KEY, code=110, text="off the grid")
    book.settle(set())
    assert _report(book).state is OrderState.REJECTED


def test_what_worked_and_is_in_no_list_is_a_question() -> None:
    book = _sent()
    _opened(book)
    book.settle(set())
    assert _report(book).state is OrderState.UNKNOWN


def test_a_failed_cancel_is_settled_by_the_lists_and_never_a_rejection() -> None:
    book = _sent()
    _opened(book)
    book.objected(key=KEY, code=10147, text="not found")
    book.settle(set())
    assert _report(book).state is OrderState.UNKNOWN
    _opened(book)
    book.settle({REF})
    assert _report(book).state is OrderState.WORKING


def test_a_finished_order_is_read_back_without_its_order_number() -> None:
    book = OrderBook()
    book.completed(
        order_ref=REF,
        perm_id=900,
        side=Side.BUY,
        quantity=2,
        status="Filled",
        filled=2,
        reason="Filled Size: 2",
    )
    assert (_report(book).state, _report(book).filled) == (OrderState.FILLED, 2)
    assert book.key(REF) is None


def test_a_rejection_is_still_one_when_only_the_completed_list_tells_of_it() -> None:
    book = OrderBook()
    book.completed(
        order_ref=REF,
        perm_id=900,
        side=Side.BUY,
        quantity=2,
        status="Cancelled",
        filled=0,
        reason="Rejected by System: margin",
    )
    assert _report(book).state is OrderState.REJECTED


def test_orders_without_a_reference_are_nobody_s_business() -> None:
    book = OrderBook()
    assert (
        book.opened(order_ref="", key=KEY, perm_id=1, side=Side.BUY, quantity=1, status="Submitted") is None
    )
    assert book.status(key=KEY, perm_id=1, status="Filled", filled=1, remaining=0) is None
    assert book.reports() == ()


def test_only_an_order_that_is_not_final_has_a_number_to_cancel() -> None:
    book = _sent()
    assert book.key(REF) == KEY
    _status(book, "Filled", filled=2)
    assert book.key(REF) is None


def test_working_entries_count_with_what_remains_of_them() -> None:
    book = _sent()
    book.sent(_spec("MIA.ESZ3.20131008T140000.stop", side=Side.SELL), OrderKey(client_id=11, order_id=6))
    _status(book, "Submitted", filled=1)
    assert book.entering_contracts() == 1
    _status(book, "Filled", filled=2)
    assert book.entering_contracts() == 0


def test_the_purpose_is_read_off_our_references_only() -> None:
    assert purpose_of(REF) is Purpose.ENTRY
    assert purpose_of("MIA.ESZ3.20131008T140000.exit.2") is Purpose.EXIT
    assert purpose_of("manual") is None
