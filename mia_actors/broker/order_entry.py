"""Orders out, and what became of them: waits for the gateway's word, and asks where it does not come.

Pure but for the waiting; the connection is behind a port.
"""

from collections.abc import Sequence
from typing import Protocol

from mia_actors.broker.broker_word import BrokerWord
from mia_actors.core.errors import BrokerDisconnected, InvariantViolated, OrderRejected
from mia_actors.core.orders import BrokerSnapshot, OrderReport, OrderSpec, OrderState

OPEN_QUESTIONS = frozenset({OrderState.SENT, OrderState.UNKNOWN})


class OrderLine(Protocol):
    """The connection as order entry needs it."""

    def send(self, group: Sequence[OrderSpec]) -> None:
        """Writes a group in one piece."""
        ...

    def send_cancel(self, order_refs: Sequence[str]) -> None:
        """Writes cancels."""
        ...

    def snapshot(self) -> BrokerSnapshot:
        """Reads the broker's lists to their ends, which settles every open question they can."""
        ...


class OrderEntry:
    """Places groups once and cancels to the end."""

    def __init__(self, line: OrderLine, word: BrokerWord, *, ack_timeout_s: float) -> None:
        self._line = line
        self._word = word
        self._ack_timeout_s = ack_timeout_s

    def place(self, group: Sequence[OrderSpec]) -> tuple[OrderReport, ...]:
        """Sends a group and waits until each leg is acknowledged; a group the broker has is not sent again.

        Where one leg is refused the others are withdrawn; the reports are returned only if something of the
        group was filled already.

        Raises:
            OrderRejected: the broker said no; nothing of the group works or was filled.
            BrokerDisconnected: no acknowledgement, and the broker's lists do not settle it.
            InvariantViolated: the broker has a part of the group.
        """
        order_refs = [spec.order_ref for spec in group]
        known = [report.order_ref for report in self._reports(order_refs)]
        if known and len(known) < len(group):
            raise InvariantViolated(f"the broker has only {', '.join(known)} of {', '.join(order_refs)}")
        if not known:
            self._line.send(group)
        self._word.wait_until(lambda: self._is_answered(order_refs), self._ack_timeout_s)
        if self._open_questions(order_refs):
            self._line.snapshot()
        reports = self._reports(order_refs)
        if any(report.state is OrderState.REJECTED for report in reports):
            return self._refused(order_refs)
        if self._open_questions(order_refs):
            raise BrokerDisconnected(f"no acknowledgement of {', '.join(order_refs)}")
        return reports

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """Cancels own orders and waits until each is final; what the broker does not have is left out.

        Raises:
            BrokerDisconnected: one is not final by the broker's lists; ask again later.
        """
        if len(self._reports(order_refs)) < len(order_refs):
            self._line.snapshot()
        if self._unfinished(order_refs):
            self._line.send_cancel(order_refs)
            self._word.wait_until(
                lambda: all(one.state is OrderState.UNKNOWN for one in self._unfinished(order_refs)),
                self._ack_timeout_s,
            )
        if self._unfinished(order_refs):
            self._line.snapshot()
        left = [f"{one.order_ref} {one.state} {one.reason}" for one in self._unfinished(order_refs)]
        if left:
            raise BrokerDisconnected(f"not known to be cancelled: {'; '.join(left)}")
        return self._reports(order_refs)

    def _refused(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """The others, which would be half a bracket, are withdrawn."""
        if self._unfinished(order_refs):
            self.cancel(order_refs)
        reports = self._reports(order_refs)
        if any(report.filled for report in reports):
            return reports
        first = next(report for report in reports if report.state is OrderState.REJECTED)
        raise OrderRejected(f"{first.order_ref}: {first.reason}")

    def _reports(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        found = (self._word.report(order_ref) for order_ref in order_refs)
        return tuple(report for report in found if report is not None)

    def _unfinished(self, order_refs: Sequence[str]) -> list[OrderReport]:
        return [report for report in self._reports(order_refs) if not report.state.is_final]

    def _is_answered(self, order_refs: Sequence[str]) -> bool:
        """Every leg was acknowledged, or one is in question and must be asked for."""
        states = {report.state for report in self._reports(order_refs)}
        return OrderState.UNKNOWN in states or not self._open_questions(order_refs)

    def _open_questions(self, order_refs: Sequence[str]) -> bool:
        reports = self._reports(order_refs)
        return len(reports) < len(order_refs) or any(one.state in OPEN_QUESTIONS for one in reports)
