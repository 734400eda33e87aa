"""The broker as the chaos agent sees it: a gateway that may be away at any moment, which is an answer too."""

from dataclasses import dataclass
from typing import Any, Protocol

from mia_actors.chaos.comparison import BrokerOrder
from mia_actors.core.clock import Clock
from mia_actors.core.errors import TransientError
from mia_actors.core.orders import OrderState
from mia_actors.supervision.processes import ProcessId

LOOK_EVERY_S = 0.01


class GatewayControl(Protocol):
    """The broker's own hand on its clients and books: `ControlClient`, one that does not wait for a dead gateway.

    Each call raises `TransientError` when nobody answers.
    """

    def status(self) -> dict[str, Any]:
        """Among others `clients`, the ids connected, and `pid` and `start_time` of the gateway."""
        ...

    def orders(self) -> list[dict[str, Any]]:
        """Every order of every client."""
        ...

    def drop(self, client_id: int) -> bool:
        """Resets a client's connection; false when it has none now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayView:
    """A gateway that answered."""

    process: ProcessId
    clients: frozenset[int]
    """Ids connected."""


class GatewayLook:
    """Questions to whichever gateway serves the control port now."""

    def __init__(self, control: GatewayControl, clock: Clock) -> None:
        self._control = control
        self._clock = clock

    def view(self) -> GatewayView | None:
        """What it is and who is connected; None while it is away."""
        try:
            status = self._control.status()
        except TransientError:
            return None
        process = ProcessId(pid=status["pid"], start_time=status["start_time"])
        return GatewayView(process=process, clients=frozenset(status["clients"]))

    def is_connected(self, client_id: int) -> bool:
        """Whether it is there and has that client."""
        view = self.view()
        return view is not None and client_id in view.clients

    def drop(self, client_id: int) -> bool:
        """Resets a client's connection; false when it has none, or the gateway is away."""
        try:
            return self._control.drop(client_id)
        except TransientError:
            return False

    def books(self, within_s: float) -> tuple[BrokerOrder, ...]:
        """Every order it ever took; one that is away is waited for.

        Raises:
            TransientError: it did not answer in time.
        """
        deadline_s = self._clock.monotonic_s() + within_s
        while True:
            try:
                return tuple(_order(document) for document in self._control.orders())
            except TransientError:
                if self._clock.monotonic_s() > deadline_s:
                    raise
            self._clock.sleep_s(LOOK_EVERY_S)


def _order(document: dict[str, Any]) -> BrokerOrder:
    return BrokerOrder(
        order_ref=document["order_ref"],
        filled=document["filled"],
        rejected=document["state"] == OrderState.REJECTED.value,
    )
