"""The simulated gateway's control port as a `MarketGate`."""

import json
import socket

from mia_actors.core.errors import BrokerDisconnected
from mia_actors.core.ports import MarketGate
from mia_actors.core.session import SessionInfo

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
ATTEMPTS = 3


class OpenGate:
    """No lockstep: the market waits for nobody and its end is not announced here."""

    def acknowledge(self, until_ns: int) -> bool:
        """Nothing to tell."""
        del until_ns
        return False


class LockstepGate:
    """Acknowledges for one role over TCP, one JSON line each way; reconnects when the line is cut."""

    def __init__(self, host: str, port: int, role: str) -> None:
        self._address = (host, port)
        self._role = role
        self._socket: socket.socket | None = None
        self._buffer = b""

    def acknowledge(self, until_ns: int) -> bool:
        """See `MarketGate.acknowledge`.

        Raises:
            BrokerDisconnected: the gateway does not answer.
        """
        request = {"op": "ack", "role": self._role, "until_ns": until_ns}
        failure: OSError | None = None
        for _ in range(ATTEMPTS):
            try:
                return bool(self._ask(request)["finished"])
            except OSError as error:
                failure = error
                self.close()
        raise BrokerDisconnected(f"the gateway's control port {self._address} does not answer: {failure}")

    def close(self) -> None:
        """Drops the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _ask(self, request: dict[str, object]) -> dict[str, object]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, CONNECT_TIMEOUT_S)
            self._socket.settimeout(ANSWER_TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while b"\n" not in self._buffer:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionResetError("closed by the gateway")
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, object] = json.loads(line)
        if not answer.get("ok"):
            raise ConnectionError(str(answer.get("error")))
        return answer


def market_gate(session: SessionInfo, *, role: str) -> MarketGate:
    """The gate of a session: lockstep where there is a control port, open elsewhere."""
    if session.control_port:
        return LockstepGate(session.control_host, session.control_port, role)
    return OpenGate()
