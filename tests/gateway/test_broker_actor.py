"""The broker actor against the simulated gateway: the real client library over loopback, in lockstep."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from mia_actors.broker.actor import Broker
from mia_actors.broker.messages import BarClosed
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.errors import BrokerDisconnected, OrderRejected, PermitStale
from mia_actors.core.market import Bar
from mia_actors.core.orders import (
    OrderReport,
    OrderSpec,
    OrderState,
    OrderType,
    Purpose,
    Side,
    order_ref,
)
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.guardian.core import TradingState
from mia_actors.store.market_journal import MarketJournal
from tests.gateway.broker_market import (
    BARS,
    FOREVER_NS,
    HISTORY_DAYS,
    NEAR_TICKS,
    SMALL_NS,
    SOURCE,
    WAIT_S,
    Market,
    bracket,
    next_bar,
    permit,
)

pytestmark = pytest.mark.gateway


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    found = Market(tmp_path)
    yield found
    found.close()


def _run_to_end(market: Market, broker: Broker, last: Bar | None = None) -> list[BarClosed]:
    """Every bar after `last`, acknowledged by both roles as they come."""
    market.guardian.acknowledge(FOREVER_NS)
    found: list[BarClosed] = []
    finished = last is not None and market.cycle.acknowledge(last.end_ns)
    while not finished:
        closed = next_bar(broker, last)
        found.append(closed)
        last = closed.bar
        finished = market.cycle.acknowledge(closed.bar.end_ns)
    return found


def _tape_bars() -> tuple[Bar, ...]:
    tape = load_tape(TapeSelection(source=SOURCE, history_days=HISTORY_DAYS))
    return tape.bars[:BARS]


def _exit(market: Market, decided_at_ns: int, *, quantity: int = 1, side: Side = Side.SELL) -> OrderSpec:
    instrument = str(market.gateway.hello["contract"])
    return OrderSpec(
        order_ref=order_ref("MIA", instrument, decided_at_ns, Purpose.EXIT),
        instrument=instrument,
        side=side,
        quantity=quantity,
        order_type=OrderType.MARKET,
        purpose=Purpose.EXIT,
        decided_at_ns=decided_at_ns,
    )


def _states(reports: tuple[OrderReport, ...]) -> list[OrderState]:
    return [report.state for report in reports]


def _drop_socket(broker: Broker) -> None:
    """What the kernel does to the socket of a killed process."""
    session = broker._session
    assert session is not None
    ib = session._ib
    session._thread.soon(ib.client.conn.transport.abort)


def test_the_bars_of_a_session_are_the_tape_s_bars(market: Market) -> None:
    broker = market.broker()
    market.control.start()
    closed = _run_to_end(market, broker)
    assert [one.bar for one in closed] == list(_tape_bars())
    assert [one.previous_start_ns for one in closed[1:]] == [one.bar.start_ns for one in closed[:-1]]
    assert all(one.received_monotonic_ns > 0 for one in closed)


def test_warm_up_bars_are_journaled_as_history_and_not_announced(market: Market) -> None:
    broker = market.broker()
    assert broker.next_bar(None, 0.0) is None
    with MarketJournal.open_readonly(market.info.path("market.db")) as journal:
        warm_up = journal.base_bars(None, market.first_start_ns)
    tape = load_tape(TapeSelection(source=SOURCE, history_days=HISTORY_DAYS))
    assert warm_up == list(tape.history)


def test_the_first_equity_of_a_session_is_kept(market: Market) -> None:
    assert market.broker().starting_equity_usd() == Decimal(25000)


@pytest.mark.parametrize("shown", [1, 5, 12, 17])
def test_a_broker_killed_in_mid_minute_leaves_no_gap_and_no_repeat(market: Market, shown: int) -> None:
    """Its socket is cut hard; the successor on the same journal announces exactly the tape's bars."""
    first = market.broker()
    market.control.start()
    last: Bar | None = None
    if shown > 12:
        market.show(12)
        last = next_bar(first, None).bar
        market.cycle.acknowledge(last.end_ns)
    market.show(shown)
    first._stopping = True  # a dead process does not reconnect
    _drop_socket(first)
    second = market.broker()
    bars = ([last] if last else []) + [one.bar for one in _run_to_end(market, second, last)]
    assert bars == list(_tape_bars())


def test_a_lost_connection_is_replaced_and_the_bars_go_on(market: Market) -> None:
    broker = market.broker()
    market.control.start()
    market.show(5)
    _drop_socket(broker)
    assert [one.bar for one in _run_to_end(market, broker)] == list(_tape_bars())
    assert market.contexts[0].crashed is None


def test_a_gateway_that_is_gone_for_good_crashes_the_broker(market: Market) -> None:
    market.broker(connect_within_s=0.2)
    market.gateway.stop()
    assert market.contexts[0].crash_seen.wait(WAIT_S)
    assert isinstance(market.contexts[0].crashed, BrokerDisconnected)


def test_a_second_broker_under_the_same_client_id_is_refused_with_the_reason(market: Market) -> None:
    market.broker()
    with pytest.raises(BrokerDisconnected, match="326"):
        market.broker(connect_within_s=0.2)


def test_a_bracket_is_acknowledged_filled_and_reported_with_its_bar(market: Market) -> None:
    broker = market.broker()
    market.control.start()
    market.show(12)
    first = next_bar(broker, None).bar
    group = bracket(market, first.end_ns, first.close_ticks)
    reports = broker.place(group, permit())
    assert _states(reports) == [OrderState.WORKING] * 3
    assert broker.last_order_written_monotonic_ns() > 0
    assert broker.order_written_after_bar_ns() > 0
    market.guardian.acknowledge(FOREVER_NS)
    market.cycle.acknowledge(first.end_ns)
    second = next_bar(broker, first)
    (fill,) = second.fills
    assert (fill.order_ref, fill.side, fill.quantity) == (group[0].order_ref, Side.BUY, 1)
    assert fill.event_time_ns == first.end_ns + SMALL_NS
    assert fill.commission_usd == Decimal("2.25")
    assert broker.fills_until(second.bar.end_ns) == (fill,)
    snapshot = broker.snapshot()
    assert snapshot.position_contracts == 1
    assert {one.order_ref: one.state for one in snapshot.orders} == {
        group[0].order_ref: OrderState.FILLED,
        group[1].order_ref: OrderState.WORKING,
        group[2].order_ref: OrderState.WORKING,
    }


def test_a_group_the_broker_has_is_not_sent_again(market: Market) -> None:
    """Neither by the same connection, nor after a reconnect, nor with a permit that has run out since."""
    broker = market.broker()
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    first = broker.place(group, permit())
    assert broker.place(group, permit(ttl_s=-1)) == first
    broker.stop()
    successor = market.broker()
    assert [one.perm_id for one in successor.place(group, None)] == [one.perm_id for one in first]
    assert len(successor.snapshot().orders) == 3


def test_order_numbers_go_on_above_those_of_a_dead_predecessor(market: Market) -> None:
    broker = market.broker()
    broker.place(bracket(market, market.first_start_ns, NEAR_TICKS), permit(limit=5))
    broker.stop()
    with MarketJournal.open_readonly(market.info.path("market.db")) as journal:
        mark = journal.order_id_high_water()
    successor = market.broker()
    later = bracket(market, market.first_start_ns + NS_PER_S, NEAR_TICKS)
    successor.place(later, permit(limit=5))
    session = successor._session
    assert session is not None
    numbers = session._word.cancellable([spec.order_ref for spec in later])
    assert min(numbers) > mark > 0


def test_cancelling_the_entry_ends_the_wholebracket(market: Market) -> None:
    broker = market.broker()
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    broker.place(group, permit())
    reports = broker.cancel([spec.order_ref for spec in group])
    assert _states(reports) == [OrderState.CANCELLED] * 3
    assert broker.snapshot().position_contracts == 0


def test_a_successor_cancels_what_its_predecessor_placed(market: Market) -> None:
    broker = market.broker()
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    broker.place(group, permit())
    broker.stop()
    reports = market.broker().cancel([group[0].order_ref])
    assert _states(reports) == [OrderState.CANCELLED]


def test_cancelling_what_has_filled_reports_the_fill(market: Market) -> None:
    broker = market.broker()
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    broker.place(group, permit())
    market.control.start()
    market.show(2)
    _wait_for_position(market, broker, 1)
    (report,) = broker.cancel([group[0].order_ref])
    assert (report.state, report.filled) == (OrderState.FILLED, 1)


def test_the_snapshot_after_a_reconnect_is_the_one_before(market: Market) -> None:
    broker = market.broker()
    market.control.start()
    market.show(12)
    first = next_bar(broker, None).bar
    broker.place(bracket(market, first.end_ns, first.close_ticks), permit())
    market.guardian.acknowledge(FOREVER_NS)
    market.cycle.acknowledge(first.end_ns)
    next_bar(broker, first)
    before = broker.snapshot()
    broker.stop()
    after = market.broker().snapshot()
    assert after.fills == before.fills
    assert after.position_contracts == before.position_contracts == 1
    assert {(one.order_ref, one.perm_id, one.state) for one in after.orders} == {
        (one.order_ref, one.perm_id, one.state) for one in before.orders
    }


def test_an_entry_beyond_the_account_s_margin_is_rejected_with_the_broker_s_reason(market: Market) -> None:
    broker = market.broker()
    group = bracket(market, market.first_start_ns, NEAR_TICKS, quantity=50)
    with pytest.raises(OrderRejected, match="margin"):
        broker.place(group, permit(limit=50))
    assert {one.state for one in broker.snapshot().orders} == {OrderState.REJECTED}


def test_an_entry_without_a_permit_never_reaches_the_broker(market: Market) -> None:
    broker = market.broker()
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    with pytest.raises(OrderRejected, match="permit_missing"):
        broker.place(group, None)
    with pytest.raises(PermitStale, match="permit_expired"):
        broker.place(group, permit(ttl_s=-1))
    with pytest.raises(OrderRejected, match="position_limit"):
        broker.place(group, permit(limit=0))
    assert broker.snapshot().orders == ()


def test_a_permit_of_before_a_halt_is_void_the_moment_the_halt_is_latched(market: Market) -> None:
    """Nobody tells the broker actor: it looks. What reduces the position is not asked."""
    broker = market.broker()
    market.control.start()
    lease = permit(epoch=market.latch.epoch())
    broker.place(bracket(market, market.first_start_ns, NEAR_TICKS), lease)
    market.show(2)
    market.latch.lower(TradingState.HALTED, reason="enough", who="test", at_ns=0)
    later_ns = market.first_start_ns + SMALL_NS
    with pytest.raises(PermitStale, match="permit_fenced"):
        broker.place(bracket(market, later_ns, NEAR_TICKS), permit(epoch=lease.epoch, limit=2))
    broker.place([_exit(market, later_ns)], None)
    assert len(market.control.orders()) == 4


def test_an_exit_needs_no_permit_but_may_only_reduce(market: Market) -> None:
    broker = market.broker()
    broker.place(bracket(market, market.first_start_ns, NEAR_TICKS), permit())
    market.control.start()
    market.show(2)
    _wait_for_position(market, broker, 1)
    for wrong in (
        _exit(market, market.first_start_ns, quantity=2),
        _exit(market, market.first_start_ns, side=Side.BUY),
    ):
        with pytest.raises(OrderRejected, match="not a reduction"):
            broker.place([wrong], None)
    (report,) = broker.place([_exit(market, market.first_start_ns)], None)
    assert report.state is OrderState.WORKING


def _wait_for_position(market: Market, broker: Broker, contracts: int) -> None:
    """The market was told to go on; the next list shows it at the latest."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + WAIT_S
    while broker.snapshot().position_contracts != contracts:
        assert clock.monotonic_s() < deadline_s, "the entry was not filled in time"
        clock.sleep_s(0.02)
