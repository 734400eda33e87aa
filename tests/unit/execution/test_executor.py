"""The executor against a broker that fails at every point, before and after it took an order."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from mia_actors.core.decisions import TargetPosition
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, OrderRejected, PermitStale
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, OrderState, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.tradebook import TradeBook
from mia_actors.core.units import ES
from mia_actors.execution.executor import Executor
from mia_actors.execution.journal import SCHEMA, OrderJournal
from mia_actors.execution.messages import AppliedStatus

DECIDED = 1_381_242_900_000_000_000
LONG = TargetPosition(
    target_id="ESZ3@1",
    instrument="ESZ3",
    decided_at_ns=DECIDED,
    net_contracts=1,
    stop_ticks=6600,
    target_ticks=6620,
    reason="test",
)
FLAT = replace(
    LONG,
    target_id="ESZ3@2",
    decided_at_ns=DECIDED + 60 * 10**9,
    net_contracts=0,
    stop_ticks=None,
    target_ticks=None,
)


class Died(BaseException):
    """The executor's process ended here."""


@dataclass
class FakeBroker:
    """Orders by reference; `before` and `after` may fail a call on either side of its effect."""

    orders: dict[str, OrderSpec] = field(default_factory=dict)
    states: dict[str, OrderState] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    before: list[BaseException] = field(default_factory=list)
    after: list[BaseException] = field(default_factory=list)
    reject: str = ""

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        if self.before:
            raise self.before.pop(0)
        if self.reject:
            raise OrderRejected(self.reject)
        for spec in group:
            if spec.order_ref not in self.orders:
                self.orders[spec.order_ref] = spec
                self.states[spec.order_ref] = OrderState.WORKING
                self.sent.append(spec.order_ref)
        if self.after:
            raise self.after.pop(0)
        return tuple(self._report(spec.order_ref) for spec in group)

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        for ref in order_refs:
            if not self.states[ref].is_final:
                self.states[ref] = OrderState.CANCELLED
        return tuple(self._report(ref) for ref in order_refs)

    def snapshot(self) -> BrokerSnapshot:
        return BrokerSnapshot(
            orders=tuple(self._report(ref) for ref in self.orders),
            fills=tuple(self.fills),
            position_contracts=TradeBook.of(ES, self.fills).position_contracts,
        )

    def fill(self, order_ref: str, price: int, time_ns: int) -> None:
        spec = self.orders[order_ref]
        self.states[order_ref] = OrderState.FILLED
        self.fills.append(
            Fill(
                exec_id=f"x{len(self.fills)}",
                order_ref=order_ref,
                perm_id=1,
                instrument="ESZ3",
                side=spec.side,
                quantity=spec.quantity,
                price_ticks=price,
                event_time_ns=time_ns,
                commission_usd=Decimal("2.25"),
            )
        )

    def _report(self, ref: str) -> OrderReport:
        state = self.states[ref]
        filled = self.orders[ref].quantity if state is OrderState.FILLED else 0
        return OrderReport(order_ref=ref, perm_id=7, state=state, filled=filled, remaining=1 - filled)


@dataclass
class FakePermits:
    refusal: PermitRefusal | None = None
    as_of_ns: int = DECIDED
    contracts_max: int = 1
    run_out: int = 0
    """So many permits have run out when they are shown to the executor's own gate, at 0."""

    def permit(self, as_of_ns: int) -> Permit | PermitRefusal:
        self.run_out -= 1
        return self.refusal or Permit(
            epoch=1,
            executor_incarnation=1,
            as_of_ns=max(self.as_of_ns, as_of_ns),
            granted_monotonic_ns=-1,
            expires_monotonic_ns=0 if self.run_out >= 0 else 10**18,
            position_contracts_max=self.contracts_max,
        )


def _journal() -> OrderJournal:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return OrderJournal(connection)


def _executor(
    broker: FakeBroker, journal: OrderJournal | None = None, permits: FakePermits | None = None
) -> Executor:
    return Executor(
        journal=journal or _journal(),
        desk=broker,
        permits=permits or FakePermits(),
        product=ES,
        monotonic_ns=lambda: 0,
        send_attempts_max=3,
        entry_age_max_s=30,
    )


REFS = [f"MIA.ESZ3.20131008T143500.{purpose}" for purpose in ("entry", "stop", "target")]


def test_a_target_becomes_one_acknowledged_bracket() -> None:
    broker = FakeBroker()
    applied = _executor(broker).apply(LONG, 0)
    assert applied.status is AppliedStatus.SENT
    assert broker.sent == REFS


def test_the_same_target_asked_again_sends_nothing() -> None:
    broker, journal = FakeBroker(), _journal()
    first = _executor(broker, journal).apply(LONG, 0)
    assert _executor(broker, journal).apply(LONG, 0) == first
    assert broker.sent == REFS


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_order_whose_answer_was_lost_is_at_the_broker_once(side: str) -> None:
    broker = FakeBroker()
    getattr(broker, side).append(BrokerDisconnected("gone"))
    assert _executor(broker).apply(LONG, 0).status is AppliedStatus.SENT
    assert broker.sent == REFS


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_executor_that_dies_around_the_send_leaves_one_bracket(side: str) -> None:
    broker, journal = FakeBroker(), _journal()
    getattr(broker, side).append(Died())
    with pytest.raises(Died):
        _executor(broker, journal).apply(LONG, 0)
    successor = _executor(broker, journal)
    successor.reconcile()
    assert successor.apply(LONG, 0).status is AppliedStatus.SENT
    assert broker.sent == REFS


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_order_that_is_at_the_broker_is_told_of_though_no_permit_is_given_any_more(side: str) -> None:
    """The guardian halts between the death of an executor and the question of its successor."""
    broker, journal = FakeBroker(), _journal()
    getattr(broker, side).append(Died())
    with pytest.raises(Died):
        _executor(broker, journal).apply(LONG, 0)
    halted = FakePermits(refusal=PermitRefusal(reason="halted", detail="fire"))
    applied = _executor(broker, journal, halted).apply(LONG, 0)
    arrived = side == "after"
    assert applied.status is (AppliedStatus.SENT if arrived else AppliedStatus.REFUSED)
    assert {order.state for order in journal.orders()} == {
        OrderState.WORKING if arrived else OrderState.EXPIRED
    }


def test_the_intent_is_committed_before_anything_is_sent() -> None:
    broker, journal = FakeBroker(before=[Died()]), _journal()
    with pytest.raises(Died):
        _executor(broker, journal).apply(LONG, 0)
    assert [order.state for order in journal.orders()] == [OrderState.INTENDED] * 3


def test_a_part_of_a_group_at_the_broker_is_a_broken_invariant() -> None:
    broker = FakeBroker(before=[BrokerDisconnected("gone")])
    executor = _executor(broker)
    (entry, *_) = REFS
    broker.orders[entry] = _spec_of_entry()
    broker.states[entry] = OrderState.WORKING
    with pytest.raises(InvariantViolated, match="part of a group"):
        executor.apply(LONG, 0)


def _spec_of_entry() -> OrderSpec:
    probe = FakeBroker()
    _executor(probe).apply(LONG, 0)
    return probe.orders[REFS[0]]


def test_a_refused_permit_sends_nothing_and_says_why() -> None:
    broker = FakeBroker()
    refusal = PermitRefusal(reason="halted", detail="day loss 210.00 USD, limit 200")
    applied = _executor(broker, permits=FakePermits(refusal=refusal)).apply(LONG, 0)
    assert applied.status is AppliedStatus.REFUSED
    assert "day loss 210.00 USD, limit 200" in applied.detail
    assert broker.sent == []


def test_a_permit_for_fewer_contracts_than_wanted_sends_nothing() -> None:
    broker = FakeBroker()
    big = replace(LONG, net_contracts=2)
    assert _executor(broker).apply(big, 0).status is AppliedStatus.REFUSED
    assert broker.sent == []


def test_a_decision_the_market_has_left_behind_expires() -> None:
    broker = FakeBroker()
    late = FakePermits(as_of_ns=DECIDED + 31 * 10**9)
    assert _executor(broker, permits=late).apply(LONG, 0).status is AppliedStatus.EXPIRED
    assert broker.sent == []


@pytest.mark.parametrize(("times", "status"), [(2, AppliedStatus.SENT), (3, AppliedStatus.REFUSED)])
@pytest.mark.parametrize("gate", ["own", "broker"])
def test_a_permit_that_ran_out_is_replaced_by_a_fresh_one_within_the_attempts(
    gate: str, times: int, status: AppliedStatus
) -> None:
    """How long something took must not decide whether an entry is sent."""
    broker = FakeBroker(before=[PermitStale("permit_expired")] * times if gate == "broker" else [])
    applied = _executor(broker, permits=FakePermits(run_out=times if gate == "own" else 0)).apply(LONG, 0)
    assert applied.status is status
    assert applied.detail.startswith("guardian_unavailable") is (status is AppliedStatus.REFUSED)
    assert broker.sent == (REFS if status is AppliedStatus.SENT else [])


def test_a_rejection_is_final() -> None:
    broker, journal = FakeBroker(reject="margin"), _journal()
    executor = _executor(broker, journal)
    assert executor.apply(LONG, 0).status is AppliedStatus.REJECTED
    broker.reject = ""
    assert executor.apply(LONG, 0).status is AppliedStatus.REJECTED
    assert broker.sent == []


def test_a_broker_that_stays_away_is_not_guessed_about() -> None:
    broker = FakeBroker(before=[BrokerDisconnected("gone")] * 3)
    with pytest.raises(BrokerDisconnected, match="no acknowledgement"):
        _executor(broker).apply(LONG, 0)


def _holding() -> tuple[FakeBroker, OrderJournal]:
    broker, journal = FakeBroker(), _journal()
    _executor(broker, journal).apply(LONG, 0)
    broker.fill(REFS[0], 6610, DECIDED + 5 * 10**9)
    return broker, journal


def test_closing_cancels_what_works_and_offsets_what_is_held() -> None:
    broker, journal = _holding()
    applied = _executor(broker, journal).apply(FLAT, 1)
    assert applied.status is AppliedStatus.SENT
    assert broker.states[REFS[1]] is broker.states[REFS[2]] is OrderState.CANCELLED
    assert broker.sent[-1] == "MIA.ESZ3.20131008T143600.exit"


def test_a_stop_that_fills_before_the_cancel_leaves_nothing_to_offset() -> None:
    broker, journal = _holding()
    broker.fill(REFS[1], 6600, DECIDED + 10 * 10**9)
    assert _executor(broker, journal).apply(FLAT, 1).status is AppliedStatus.NOTHING
    assert broker.sent == REFS


@pytest.mark.parametrize(
    "fail",
    [
        lambda broker: broker.before.append(BrokerDisconnected("gone")),
        lambda broker: broker.after.append(BrokerDisconnected("gone")),
    ],
)
def test_an_exit_whose_answer_was_lost_is_sent_once(fail: Callable[[FakeBroker], None]) -> None:
    broker, journal = _holding()
    fail(broker)
    assert _executor(broker, journal).apply(FLAT, 1).status is AppliedStatus.SENT
    assert broker.sent.count("MIA.ESZ3.20131008T143600.exit") == 1


@pytest.mark.parametrize("side", ["before", "after"])
def test_an_executor_that_dies_around_the_exit_sends_it_once(side: str) -> None:
    broker, journal = _holding()
    getattr(broker, side).append(Died())
    with pytest.raises(Died):
        _executor(broker, journal).apply(FLAT, 1)
    assert _executor(broker, journal).apply(FLAT, 1).status is AppliedStatus.SENT
    assert broker.sent.count("MIA.ESZ3.20131008T143600.exit") == 1


def test_settling_tells_what_the_broker_does_not_know() -> None:
    broker, journal = FakeBroker(), _journal()
    executor = _executor(broker, journal)
    executor.apply(LONG, 0)
    del broker.orders[REFS[1]]
    settled = executor.settle()
    assert settled.unresolved == (REFS[1],)
    assert len(settled.orders) == 3
