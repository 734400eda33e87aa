"""The control port from the outside."""

from typing import Any

from mia_actors.broker.control_line import ControlLine
from mia_actors.core.clock import Clock

ANSWER_WITHIN_S = 10.0
PATIENCE_S = 30.0
"""Longer than a gateway that died needs to be there again."""


class ControlClient:
    """Blocking calls over one connection, made anew when it is lost.

    Every call raises `BrokerDisconnected` when the gateway does not answer within the limits, and
    `TransientError` when it refuses. What is harmless when it is done twice is asked again meanwhile.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        answer_within_s: float = ANSWER_WITHIN_S,
        patience_s: float = PATIENCE_S,
        clock: Clock | None = None,
    ) -> None:
        self._line = ControlLine(
            host, port, answer_within_s=answer_within_s, patience_s=patience_s, clock=clock
        )

    def start(self) -> None:
        """Lets the market begin."""
        self._line.ask({"op": "start"})

    def status(self) -> dict[str, Any]:
        """Where the market is, whom it waits for, and which process serves it."""
        return self._line.ask({"op": "status"})

    def ack(self, role: str, until_ns: int) -> bool:
        """Acknowledges for a role; true when the tape has nothing after that time."""
        return bool(self._line.ask({"op": "ack", "role": role, "until_ns": until_ns})["finished"])

    def orders(self) -> list[dict[str, Any]]:
        """Every order of every client: permanent number, client, reference, state, contracts filled."""
        found: list[dict[str, Any]] = self._line.ask({"op": "orders"})["orders"]
        return found

    def global_cancels(self, after: int = 0) -> list[dict[str, Any]]:
        """Global cancels with a number above `after`; see `GlobalCancels`."""
        found: list[dict[str, Any]] = self._line.ask({"op": "cancels", "after": after})["cancels"]
        return found

    def drop(self, client_id: int) -> bool:
        """Resets a client's connection; false when it has none now. Never repeated by itself."""
        return bool(self._line.ask({"op": "drop", "client_id": client_id}, repeat=False)["dropped"])

    def fault(self, **fault: object) -> None:
        """One more fault, in the keys of a fault script. Never repeated by itself.

        Raises:
            TransientError: the gateway refuses it.
        """
        self._line.ask({"op": "fault", "fault": fault}, repeat=False)

    def close_market(self, reason: str) -> None:
        """Closes the market, as in the daily break: orders are refused with this text; empty opens it again."""
        self._line.ask({"op": "close_market", "reason": reason})

    def stop(self) -> None:
        """Ends the gateway. Never repeated by itself."""
        self._line.ask({"op": "stop"}, repeat=False)

    def close(self) -> None:
        """Drops the connection."""
        self._line.close()
