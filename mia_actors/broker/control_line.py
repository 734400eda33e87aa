"""The way to the simulated gateway's control port: one JSON document a line, one answer each."""

import json
import socket
from typing import Any

from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import BrokerDisconnected, TransientError

BACKOFF_MIN_S = 0.02
BACKOFF_MAX_S = 0.5


class ControlLine:
    """One connection at a time, made when it is needed and again when it is lost. One caller at a time."""

    def __init__(
        self, host: str, port: int, *, answer_within_s: float, patience_s: float, clock: Clock | None = None
    ) -> None:
        """Takes `answer_within_s` as the limit of one attempt, `patience_s` as the time in which new ones begin."""
        self._address = (host, port)
        self._answer_within_s = answer_within_s
        self._patience_s = patience_s
        self._clock = clock or SystemClock()
        self._socket: socket.socket | None = None
        self._buffer = b""

    def ask(self, request: dict[str, object], *, repeat: bool = True) -> dict[str, Any]:
        """The answer. Where it does not come the gateway may have acted all the same: `repeat` asks again.

        Raises:
            BrokerDisconnected: no answer within the limits.
            TransientError: the gateway refused.
        """
        deadline_s = self._clock.monotonic_s() + (self._patience_s if repeat else 0.0)
        backoff_s = BACKOFF_MIN_S
        while True:
            try:
                answer = self._asked(request)
                break
            except (OSError, ValueError) as error:
                self.close()
                if self._clock.monotonic_s() + backoff_s > deadline_s:
                    raise BrokerDisconnected(
                        f"the gateway's control port {self._address} does not answer: {error}"
                    ) from error
            self._clock.sleep_s(backoff_s)
            backoff_s = min(BACKOFF_MAX_S, 2 * backoff_s)
        if not answer.get("ok"):
            raise TransientError(f"the gateway refused {request['op']}: {answer.get('error')}")
        return answer

    def close(self) -> None:
        """Drops the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _asked(self, request: dict[str, object]) -> dict[str, Any]:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._answer_within_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while b"\n" not in self._buffer:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionResetError("closed by the gateway")
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer
