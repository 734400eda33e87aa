"""Others trade the account too: a person in TWS, the broker that closes a position. Nothing is adopted unasked."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mia_actors.core.decisions import TargetPosition
from mia_actors.core.orders import OrderState, Permit
from mia_actors.core.units import ES
from mia_actors.execution.executor import Executor
from mia_actors.execution.journal import SCHEMA, OrderJournal
from mia_actors.execution.messages import AppliedStatus
from mia_actors.store.sqlite import open_database
from tests.gateway.broker_market import NEAR_TICKS, SMALL_NS, WAIT_S, Market, bracket, next_bar, permit
from tests.gateway.stock import IB, Future, LimitOrder, MarketOrder, Order

pytestmark = pytest.mark.gateway
PERSON = 31


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    found = Market(tmp_path)
    yield found
    found.close()


def by_hand(market: Market, order: Order) -> None:
    """A person places an order in TWS; it has no reference."""

    async def place() -> None:
        ib = IB()  # type: ignore[no-untyped-call]
        await ib.connectAsync("127.0.0.1", market.gateway.tws_port, PERSON, timeout=WAIT_S)
        contract = Future("ES", exchange="CME", localSymbol=market.gateway.hello["contract"])
        order.tif, order.outsideRth = "GTC", True
        ib.placeOrder(contract, order)
        await ib.reqCurrentTimeAsync()
        ib.disconnect()  # type: ignore[no-untyped-call]

    asyncio.run(place())


def states(market: Market) -> list[tuple[str, str]]:
    return [(one["order_ref"].rpartition(".")[2], one["state"]) for one in market.control.orders()]


def test_an_order_by_hand_is_left_alone_and_does_not_become_ours(market: Market) -> None:
    broker = market.broker()
    by_hand(market, LimitOrder("BUY", 1, 1000.0))
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    broker.place(group, permit())
    broker.cancel([spec.order_ref for spec in group])
    snapshot = broker.snapshot()
    assert [one.order_ref for one in snapshot.orders if one.state is OrderState.WORKING] == []
    assert states(market) == [
        ("", "working"),
        ("entry", "cancelled"),
        ("stop", "cancelled"),
        ("target", "cancelled"),
    ]


@pytest.mark.parametrize("adopt", [False, True])
def test_a_position_opened_by_hand_is_ours_only_where_that_is_wanted(market: Market, *, adopt: bool) -> None:
    broker = market.broker(adopt_foreign_executions=adopt)
    by_hand(market, MarketOrder("BUY", 1))
    market.control.start()
    market.show(12)
    assert [fill.order_ref for fill in next_bar(broker, None).fills] == ([""] if adopt else [])
    snapshot = broker.snapshot()
    assert snapshot.position_contracts == 1
    assert len(snapshot.fills) == adopt


class Permits:
    """As a guardian that has nothing against it."""

    def permit(self, as_of_ns: int) -> Permit:
        return permit()


def test_a_position_that_the_broker_closed_is_closed_once_and_nothing_of_the_bracket_stays(
    market: Market, tmp_path: Path
) -> None:
    broker = market.broker()
    market.control.start()
    group = bracket(market, market.first_start_ns, NEAR_TICKS)
    broker.place(group, permit())
    market.show(2)
    by_hand(market, MarketOrder("SELL", 1))
    market.show(12)
    closed = next_bar(broker, None)
    assert [(fill.order_ref.rpartition(".")[2], fill.signed_quantity) for fill in closed.fills] == [
        ("entry", 1),
        ("", -1),
    ]
    journal = OrderJournal(
        open_database(tmp_path / "orders.db", schema_version=1, schema=SCHEMA, durable=True)
    )
    journal.intend("entered", group)
    executor = Executor(
        desk=broker,
        journal=journal,
        permits=Permits(),
        product=ES,
        monotonic_ns=lambda: 0,
        entry_age_max_s=3600.0,
        send_attempts_max=2,
    )
    target = TargetPosition(
        target_id="closed by others",
        instrument=group[0].instrument,
        decided_at_ns=closed.bar.end_ns,
        net_contracts=0,
        stop_ticks=None,
        target_ticks=None,
        reason="",
    )
    assert executor.apply(target, 0).status is AppliedStatus.NOTHING
    assert states(market) == [
        ("entry", "filled"),
        ("stop", "cancelled"),
        ("target", "cancelled"),
        ("", "filled"),
    ]
    market.guardian.acknowledge(closed.bar.end_ns + SMALL_NS)
    assert broker.snapshot().position_contracts == 0
