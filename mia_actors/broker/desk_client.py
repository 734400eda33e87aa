"""The broker actor as an `OrderDesk`, by asking it."""

from collections.abc import Sequence
from typing import cast

from mia_actors.core.errors import BrokerDisconnected, TargetUnavailable
from mia_actors.core.orders import BrokerSnapshot, OrderReport, OrderSpec, Permit
from mia_actors.supervision.ref import Ref

ASK_TIMEOUT_S = 60.0


class BrokerDeskClient:
    """Everything repeats across the broker's deaths.

    `place` too: a broker reads its lists to their ends before it serves, and never sends a group it has.
    """

    def __init__(self, broker: Ref, timeout_s: float = ASK_TIMEOUT_S) -> None:
        self._broker = broker
        self._timeout_s = timeout_s

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `OrderDesk.place`."""
        return cast("tuple[OrderReport, ...]", self._ask("place", tuple(group), permit))

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderDesk.cancel`."""
        return cast("tuple[OrderReport, ...]", self._ask("cancel", tuple(order_refs)))

    def snapshot(self) -> BrokerSnapshot:
        """See `OrderDesk.snapshot`."""
        return cast("BrokerSnapshot", self._ask("snapshot"))

    def _ask(self, method: str, *args: object) -> object:
        try:
            return self._broker.ask(method, *args, timeout_s=self._timeout_s)
        except TargetUnavailable as error:
            raise BrokerDisconnected(f"{method}: {error}") from error
