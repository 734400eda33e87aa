"""The broker actor as an `OrderDesk`, by asking it."""

from collections.abc import Sequence
from typing import cast

from mia_actors.core.errors import BrokerDisconnected, TargetUnavailable
from mia_actors.core.orders import BrokerSnapshot, OrderReport, OrderSpec, Permit
from mia_actors.supervision.ref import Ref

ASK_TIMEOUT_S = 60.0


class BrokerDeskClient:
    """`place` is asked once: a broker that died over it is a question for `snapshot`; the rest repeats."""

    def __init__(self, broker: Ref, timeout_s: float = ASK_TIMEOUT_S) -> None:
        self._broker = broker
        self._timeout_s = timeout_s

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """See `OrderDesk.place`."""
        return cast("tuple[OrderReport, ...]", self._ask("place", tuple(group), permit, repeatable=False))

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """See `OrderDesk.cancel`."""
        return cast("tuple[OrderReport, ...]", self._ask("cancel", tuple(order_refs), repeatable=True))

    def snapshot(self) -> BrokerSnapshot:
        """See `OrderDesk.snapshot`."""
        return cast("BrokerSnapshot", self._ask("snapshot", repeatable=True))

    def _ask(self, method: str, *args: object, repeatable: bool) -> object:
        try:
            return self._broker.ask(method, *args, timeout_s=self._timeout_s, repeatable=repeatable)
        except TargetUnavailable as error:
            raise BrokerDisconnected(f"{method}: {error}") from error
