"""The life of a target: permit, intent, send, settle. Plain class; the broker is behind a port.

Guarantees:
- an order reference reaches the broker at most once, whatever dies in between: intents are committed before
  they are sent, a repeat finds them, and the desk refuses a reference the broker has;
- nothing is assumed: an order whose fate is not known is UNKNOWN until the broker's own lists settle it;
- risk is opened only with a permit of the guardian, and never without a protective stop in the same group.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import TargetPosition
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, OrderRejected, PermitStale
from mia_actors.core.orders import BrokerSnapshot, OrderReport, OrderSpec, OrderState, Permit
from mia_actors.core.permit_gate import PERMIT_STALE, Denied, PermitGate, PermitRefusal
from mia_actors.core.ports import OrderDesk
from mia_actors.core.tradebook import TradeBook
from mia_actors.core.units import Product
from mia_actors.execution.journal import OrderJournal
from mia_actors.execution.messages import Applied, AppliedStatus, Settlement
from mia_actors.execution.planner import CannotReach, CloseAll, NothingToDo, OpenBracket, offset, plan


class PermitSource(Protocol):
    """Where leases to open risk come from: the guardian."""

    def permit(self, as_of_ns: int) -> Permit | PermitRefusal:
        """A lease signed when market time `as_of_ns` had been evaluated, or why there is none."""
        ...


class Executor:
    """Turns targets into orders exactly once. One caller at a time."""

    def __init__(
        self,
        *,
        journal: OrderJournal,
        desk: OrderDesk,
        permits: PermitSource,
        product: Product,
        monotonic_ns: Callable[[], int],
        send_attempts_max: int,
        entry_age_max_s: float,
    ) -> None:
        self._journal = journal
        self._desk = desk
        self._permits = permits
        self._product = product
        self._gate = PermitGate()
        self._monotonic_ns = monotonic_ns
        self._send_attempts_max = send_attempts_max
        self._entry_age_max_ns = round(entry_age_max_s * NS_PER_S)

    def reconcile(self) -> BrokerSnapshot:
        """Brings the journal to the broker's word on orders and fills; the first act after every start.

        Raises:
            BrokerDisconnected: the broker could not be asked.
        """
        snapshot = self._desk.snapshot()
        self._journal.record(snapshot)
        return snapshot

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        """Reaches the target from the position held by the caller's fills; a repeat gives the same answer.

        Raises:
            BrokerDisconnected: the broker stayed away longer than the attempts allow; repeat later.
        """
        known = self._journal.applied(target.target_id)
        if known is not None:
            return known
        applied = self._reach(target, held_contracts)
        self._journal.finish(target, applied)
        return applied

    def settle(self) -> Settlement:
        """Asks the broker for everything and returns the session's orders and fills."""
        snapshot = self.reconcile()
        known = {report.order_ref for report in snapshot.orders}
        return Settlement(
            orders=self._journal.orders(),
            fills=self._journal.fills(),
            position_contracts=snapshot.position_contracts,
            unresolved=tuple(ref for ref in self._journal.open_refs() if ref not in known),
        )

    def _reach(self, target: TargetPosition, held_contracts: int) -> Applied:
        begun = self._journal.orders(target.target_id)
        if begun and target.net_contracts != 0:
            entry = [order.spec for order in begun]
            there = self._settled(entry, self.reconcile())  # what the broker has needs no permit any more
            return self._send_entry(target, entry) if there is None else self._sent(target, there)
        steps = plan(target, held_contracts)
        match steps:
            case NothingToDo():
                return Applied(
                    target_id=target.target_id, status=AppliedStatus.NOTHING, detail="held already"
                )
            case CannotReach(detail=detail):
                return Applied(target_id=target.target_id, status=AppliedStatus.REFUSED, detail=detail)
            case CloseAll():
                return self._close(target)
            case OpenBracket(group=group):
                return self._send_entry(target, group)
            case _:
                assert_never(steps)

    def _send_entry(self, target: TargetPosition, group: Sequence[OrderSpec]) -> Applied:
        refs = [spec.order_ref for spec in group]
        stale = ""
        for _ in range(self._send_attempts_max):
            permit = self._permitted(target)
            if isinstance(permit, Denied) and permit.reason in PERMIT_STALE:
                stale = permit.detail
                continue
            if not isinstance(permit, Permit):
                return self._not_sent(target, group, f"{permit.reason}: {permit.detail}")
            stale = ""
            self._journal.intend(target.target_id, group)
            try:
                reports = self._desk.place(group, permit)
            except OrderRejected as error:
                self._journal.mark(refs, OrderState.REJECTED, str(error))
                return Applied(target_id=target.target_id, status=AppliedStatus.REJECTED, detail=str(error))
            except PermitStale as error:
                stale = str(error)
                continue
            except BrokerDisconnected:
                self._journal.mark(refs, OrderState.UNKNOWN, "no answer")
                settled = self._settled(group, self.reconcile())
                if settled is None:
                    continue
                reports = settled
            return self._sent(target, reports)
        if stale:
            return self._not_sent(
                target, group, f"guardian_unavailable: no permit lasted long enough; {stale}"
            )
        raise BrokerDisconnected(
            f"{target.target_id}: no acknowledgement in {self._send_attempts_max} attempts"
        )

    def _settled(
        self, group: Sequence[OrderSpec], snapshot: BrokerSnapshot
    ) -> tuple[OrderReport, ...] | None:
        """The broker's reports of the group, or None when it never arrived (its lists came to their end).

        Raises:
            InvariantViolated: the broker has a part of the group: legs travel together.
        """
        reports = {report.order_ref: report for report in snapshot.orders}
        found = tuple(reports[spec.order_ref] for spec in group if spec.order_ref in reports)
        if not found:
            return None
        if len(found) < len(group):
            missing = [spec.order_ref for spec in group if spec.order_ref not in reports]
            raise InvariantViolated(f"the broker has a part of a group; missing: {', '.join(missing)}")
        return found

    def _permitted(self, target: TargetPosition) -> Permit | Denied | PermitRefusal:
        """The permit under which the target's entry may go out now, or why it may not."""
        permit = self._permits.permit(target.decided_at_ns)
        if isinstance(permit, PermitRefusal):
            return permit
        if permit.as_of_ns - target.decided_at_ns > self._entry_age_max_ns:
            age_s = (permit.as_of_ns - target.decided_at_ns) / NS_PER_S
            detail = f"{age_s:.0f} s old, at most {self._entry_age_max_ns / NS_PER_S:.0f} s"
            return PermitRefusal(reason="stale_decision", detail=detail)
        verdict = self._gate.check(
            permit, resulting_contracts=target.net_contracts, now_monotonic_ns=self._monotonic_ns()
        )
        return verdict if isinstance(verdict, Denied) else permit

    def _not_sent(self, target: TargetPosition, group: Sequence[OrderSpec], detail: str) -> Applied:
        """Ends a target whose orders may not go out (any more)."""
        stale = detail.startswith("stale_decision")
        self._journal.mark([spec.order_ref for spec in group], OrderState.EXPIRED, detail)
        status = AppliedStatus.EXPIRED if stale else AppliedStatus.REFUSED
        return Applied(target_id=target.target_id, status=status, detail=detail)

    def _sent(self, target: TargetPosition, reports: tuple[OrderReport, ...]) -> Applied:
        if any(report.state is OrderState.REJECTED for report in reports):
            reason = "; ".join(report.reason for report in reports if report.state is OrderState.REJECTED)
            return Applied(
                target_id=target.target_id, status=AppliedStatus.REJECTED, detail=reason, reports=reports
            )
        return Applied(
            target_id=target.target_id, status=AppliedStatus.SENT, detail="acknowledged", reports=reports
        )

    def _close(self, target: TargetPosition) -> Applied:
        """Cancel, confirm, read the position again, offset: each step harmless when repeated."""
        for _ in range(self._send_attempts_max):
            try:
                return self._close_once(target)
            except BrokerDisconnected:
                continue
        raise BrokerDisconnected(f"{target.target_id}: not closed in {self._send_attempts_max} attempts")

    def _close_once(self, target: TargetPosition) -> Applied:
        self.reconcile()
        own_exit = [order.spec.order_ref for order in self._journal.orders(target.target_id)]
        working = [ref for ref in self._journal.open_refs() if ref not in own_exit]
        if working:
            self._journal.record_reports(self._desk.cancel(working))
        snapshot = self.reconcile()
        existing = {report.order_ref for report in snapshot.orders}
        if own_exit and existing.issuperset(own_exit):
            reports = tuple(report for report in snapshot.orders if report.order_ref in own_exit)
            return self._sent(target, reports)
        position = self._own_position(snapshot)
        if position == 0:
            self._journal.mark(own_exit, OrderState.EXPIRED, "flat already")
            return Applied(target_id=target.target_id, status=AppliedStatus.NOTHING, detail="flat already")
        spec = offset(target, position)
        self._journal.intend(target.target_id, [spec])
        try:
            reports = self._desk.place([spec], None)
        except OrderRejected as error:
            self._journal.mark([spec.order_ref], OrderState.REJECTED, str(error))
            return Applied(target_id=target.target_id, status=AppliedStatus.REJECTED, detail=str(error))
        return self._sent(target, reports)

    def _own_position(self, snapshot: BrokerSnapshot) -> int:
        """Contracts to offset: never more than the account holds, and only on the account's side."""
        book = TradeBook.of(self._product, snapshot.fills)
        account, ours = snapshot.position_contracts, book.position_contracts
        if account == ours:
            return account
        if account * ours <= 0:
            return 0
        return min(account, ours, key=abs)
