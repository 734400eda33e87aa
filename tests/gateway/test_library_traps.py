"""What the client libraries and real gateways do to their users, done to the broker actor: it survives each.

The traps are those of ib_insync and ib_async as measured (docs/exactly_once.md names them); what the stock client
makes of some of them is in test_gateway_faults.
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.orders import OrderSpec, OrderState
from tests.gateway.broker_market import (
    BARS,
    FOREVER_NS,
    NEAR_TICKS,
    SMALL_NS,
    WAIT_S,
    Market,
    bracket,
    next_bar,
    permit,
)

pytestmark = pytest.mark.gateway
TRADER = 11
SOON_S = 0.4


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    found = Market(tmp_path)
    yield found
    found.close()


def group_of(market: Market, number: int = 0) -> list[OrderSpec]:
    return bracket(market, market.first_start_ns + number * SMALL_NS, NEAR_TICKS)


def refs(group: Sequence[OrderSpec]) -> list[str]:
    return [spec.order_ref for spec in group]


def at_the_exchange(market: Market) -> list[tuple[str, str]]:
    return [(order["order_ref"], order["state"]) for order in market.control.orders()]


def show_everything(market: Market) -> None:
    """Both roles are content with whatever comes."""
    market.control.start()
    market.guardian.acknowledge(FOREVER_NS)
    market.cycle.acknowledge(FOREVER_NS)


def test_a_false_cancel_by_a_preset_notice_cancels_nothing_and_sends_nothing_again(market: Market) -> None:
    """10349 for every leg: the library calls all three cancelled, all three live."""
    broker = market.broker()
    market.control.fault(receives="placeOrder", times=3, do="notice", code=10349, text="TIF set to DAY")
    group = group_of(market)
    reports = broker.place(group, permit())
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    assert broker.place(group, permit()) == reports
    assert at_the_exchange(market) == [(ref, "working") for ref in refs(group)]


@pytest.mark.parametrize("code", [104, 161, 10147])
def test_other_false_cancels_are_questions_that_the_lists_answer(market: Market, code: int) -> None:
    broker = market.broker()
    market.control.fault(receives="placeOrder", do="notice", code=code, text="no")
    group = group_of(market)
    reports = broker.place(group, permit())
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    assert len(at_the_exchange(market)) == 3


def test_a_burst_that_the_gateway_drops_silently_is_unknown_and_then_placed_once(market: Market) -> None:
    broker = market.broker(ack_timeout_s=SOON_S)
    market.control.fault(receives="placeOrder", times=3, do="ignore")
    group = group_of(market)
    with pytest.raises(BrokerDisconnected, match="no acknowledgement"):
        broker.place(group, permit())
    assert at_the_exchange(market) == []
    reports = broker.place(group, permit())
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    assert len(at_the_exchange(market)) == 3


def test_an_acknowledgement_that_never_comes_is_found_in_the_lists(market: Market) -> None:
    broker = market.broker(ack_timeout_s=SOON_S)
    market.control.fault(sends="openOrder", client=TRADER, times=3, do="omit")
    market.control.fault(sends="orderStatus", client=TRADER, times=3, do="omit")
    group = group_of(market)
    reports = broker.place(group, permit())
    assert [report.state for report in reports] == [OrderState.WORKING] * 3
    assert len(at_the_exchange(market)) == 3


def test_lost_connectivity_behind_an_open_socket_stops_orders_until_all_was_read_again(
    market: Market,
) -> None:
    broker = market.broker(request_timeout_s=SOON_S, ack_timeout_s=SOON_S)
    first = broker._session
    market.control.fault(at="+0:00:00", do="connectivity_lost", seconds=2 * SOON_S)
    group = group_of(market)
    with pytest.raises(BrokerDisconnected):
        broker.place(group, permit())
    assert at_the_exchange(market) == []
    assert _placed_at_last(market, group) == [OrderState.WORKING] * 3
    assert len(at_the_exchange(market)) == 3
    assert broker._session is not first


@pytest.mark.parametrize("fault", ["farm_broken", "mute"])
def test_a_stream_that_went_silent_comes_back_without_a_gap(market: Market, fault: str) -> None:
    """After 2103 and 2104, and without any code at all."""
    broker = market.broker(heartbeat_s=0.1, stale_after_s=SOON_S)
    market.control.start()
    market.show(5)
    given = {"seconds": 0.1} if fault == "farm_broken" else {"client": TRADER}
    market.control.fault(at="+0:00:00", do=fault, **given)
    show_everything(market)
    last = None
    for _ in range(BARS):
        bar = next_bar(broker, last).bar
        assert last is None or bar.start_ns == last.end_ns
        last = bar
    assert market.contexts[0].crashed is None


def test_a_gateway_that_answers_nothing_is_noticed_by_the_heartbeat(market: Market) -> None:
    """And its client id, in use by the dead connection, is waited for."""
    broker = market.broker(heartbeat_s=0.1, request_timeout_s=WAIT_S)
    session = broker._session
    assert session is not None
    market.control.fault(at="+0:00:00", do="black_hole", client=TRADER, seconds=1.0)
    ended = threading.Event()
    for _ in range(100):
        if session.ended_by is not None:
            break
        ended.wait(0.02)
    assert "heartbeat" in str(session.ended_by)
    assert [report.state for report in broker.place(group_of(market), permit())] == [OrderState.WORKING] * 3


def test_numbers_that_the_gateway_offers_again_are_not_used_again(market: Market) -> None:
    broker = market.broker()
    first = group_of(market)
    broker.place(first, permit(limit=5))
    broker.cancel(refs(first))
    market.control.fault(at="+0:00:00", do="daily_restart", seconds=0.1)
    second = group_of(market, 1)
    assert _placed_at_last(market, second, limit=5) == [OrderState.WORKING] * 3
    assert at_the_exchange(market) == [
        *((ref, "cancelled") for ref in refs(first)),
        *((ref, "working") for ref in refs(second)),
    ]
    reports = {one.order_ref: one.state for one in broker.snapshot().orders}
    assert {reports[ref] for ref in refs(first)} == {OrderState.CANCELLED}


def test_a_cancel_in_the_daily_break_stays_a_question_until_the_market_answers(market: Market) -> None:
    broker = market.broker(ack_timeout_s=SOON_S)
    group = group_of(market)
    broker.place(group, permit())
    market.control.fault(at="+0:00:00", do="close_market", seconds=4 * SOON_S)
    with pytest.raises(BrokerDisconnected, match="not known to be cancelled"):
        broker.cancel(refs(group))
    assert {state for _, state in at_the_exchange(market)} == {"working"}
    for _ in range(10):
        try:
            reports = broker.cancel(refs(group))
            break
        except BrokerDisconnected:
            continue
    assert [report.state for report in reports] == [OrderState.CANCELLED] * 3


def _placed_at_last(market: Market, group: list[OrderSpec], *, limit: int = 1) -> list[OrderState]:
    """Asks as the executor does: again after each connection that was lost."""
    for _ in range(20):
        try:
            return [report.state for report in market.brokers[0].place(group, permit(limit=limit))]
        except BrokerDisconnected:
            continue
    raise AssertionError("not placed")
