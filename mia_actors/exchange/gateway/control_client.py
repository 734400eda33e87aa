"""The control port from the outside."""

import json
import socket
from typing import Any

from mia_actors.core.errors import TransientError

TIMEOUT_S = 10.0


class ControlClient:
    """Blocking calls over one connection."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), TIMEOUT_S)
        self._lines = self._socket.makefile("rwb")

    def start(self) -> None:
        """Lets the market begin."""
        self._ask({"op": "start"})

    def status(self) -> dict[str, Any]:
        """Where the market is and whom it waits for."""
        return self._ask({"op": "status"})

    def ack(self, role: str, until_ns: int) -> bool:
        """Acknowledges for a role; true when the tape has nothing after that time."""
        return bool(self._ask({"op": "ack", "role": role, "until_ns": until_ns})["finished"])

    def orders(self) -> list[dict[str, Any]]:
        """Every order of every client: permanent number, client, reference, state, contracts filled."""
        found: list[dict[str, Any]] = self._ask({"op": "orders"})["orders"]
        return found

    def global_cancels(self, after: int = 0) -> list[dict[str, Any]]:
        """Global cancels with a number above `after`; see `GlobalCancels`."""
        found: list[dict[str, Any]] = self._ask({"op": "cancels", "after": after})["cancels"]
        return found

    def drop(self, client_id: int) -> bool:
        """Resets a client's connection; false when it has none now."""
        return bool(self._ask({"op": "drop", "client_id": client_id})["dropped"])

    def stop(self) -> None:
        """Ends the gateway."""
        self._ask({"op": "stop"})

    def close(self) -> None:
        """Drops the connection."""
        self._lines.close()
        self._socket.close()

    def _ask(self, request: dict[str, object]) -> dict[str, Any]:
        try:
            self._lines.write(json.dumps(request).encode() + b"\n")
            self._lines.flush()
            line = self._lines.readline()
        except OSError as error:
            raise TransientError(f"the gateway's control port does not answer: {error}") from error
        if not line:
            raise TransientError("the gateway closed its control port")
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            raise TransientError(f"the gateway refused {request['op']}: {answer['error']}")
        return answer
