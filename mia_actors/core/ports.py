"""Ports: what the pure cores ask of the outside, each with a live and an in-process adapter."""

from collections.abc import Sequence
from typing import Protocol

from mia_actors.core.orders import BrokerSnapshot, OrderReport, OrderSpec, Permit


class OrderDesk(Protocol):
    """Execution's way to the broker: the broker actor live, the simulated exchange in a backtest."""

    def place(self, group: Sequence[OrderSpec], permit: Permit | None) -> tuple[OrderReport, ...]:
        """Sends a group (a bracket's legs in order, or one order) and waits for the broker's acknowledgement.

        All legs reach the market together or none does. A reference the broker already has is not sent
        again; its present report is returned. `permit` is needed where the group can open or increase risk.

        Raises:
            OrderRejected: the broker, or the permit gate in front of it, said no.
            PermitStale: the permit ran out on its way; nothing was sent.
            BrokerDisconnected: not known whether the group arrived; ask `snapshot`.
        """
        ...

    def cancel(self, order_refs: Sequence[str]) -> tuple[OrderReport, ...]:
        """Asks to cancel and waits until each is final; a fill that came first is reported as such.

        Raises:
            BrokerDisconnected: not known; ask `snapshot`.
        """
        ...

    def snapshot(self) -> BrokerSnapshot:
        """The broker's word on orders, executions and position, each list read to its end.

        Raises:
            BrokerDisconnected: could not be asked.
        """
        ...


class GuardianDesk(Protocol):
    """The guardian's own session: what another client id may do at IB, and no more."""

    def global_cancel(self) -> None:
        """Cancels every order of every client, manual ones included."""
        ...

    def working_orders(self) -> int:
        """Orders of all clients that still work (`reqAllOpenOrders`, one shot)."""
        ...

    def position_contracts(self) -> int:
        """Signed position by the broker's word."""
        ...

    def place_offset(self, order: OrderSpec) -> OrderReport:
        """Sends an offsetting order unless its reference is already known to the broker."""
        ...

    def offset_report(self, order_ref: str) -> OrderReport | None:
        """What the broker says of an offsetting order; None when it never arrived."""
        ...


class MarketGate(Protocol):
    """The lockstep control port; a gate that does nothing in every other pace."""

    def acknowledge(self, until_ns: int) -> bool:
        """Tells the market that everything up to `until_ns` was handled; a repeat is harmless.

        Returns:
            True when the tape has nothing after `until_ns`.
        """
        ...
