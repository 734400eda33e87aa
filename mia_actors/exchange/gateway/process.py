"""The gateway as a child process of whoever needs one."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from mia_actors.core.errors import ConfigError, TransientError
from mia_actors.supervision.processes import ProcessId

MODULE = "mia_actors.exchange.gateway"
LOOPBACK = "127.0.0.1"
EXIT_USAGE = 2
STOP_WITHIN_S = 5.0
ERROR_LINES_KEPT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Both ports of a gateway and the pipe it lives by, held open by its owner.

    They stay whoever serves them: while a gateway is away nobody else can take them, and who connects waits in
    line for the next one.
    """

    tws: socket.socket
    control: socket.socket
    life: IO[bytes]
    """The reading end: standard input of each gateway, which ends when nobody holds the other end any more."""
    lifeline: IO[bytes]
    """The other end; a process that inherits it has the gateway stay until it ends too."""

    @classmethod
    def open(cls, tws_port: int = 0, control_port: int = 0) -> Self:
        """Two ports on loopback, free ones where none are named.

        Raises:
            TransientError: one of them is taken.
        """
        sockets = []
        for port in (tws_port, control_port):
            try:
                sockets.append(socket.create_server((LOOPBACK, port)))
            except OSError as error:
                for opened in sockets:
                    opened.close()
                reason = os.strerror(error.errno or 0)
                raise TransientError(
                    f"port {port}: {reason}; name another port, or 0 for a free one"
                ) from error
        reading, writing = os.pipe()
        return cls(
            tws=sockets[0],
            control=sockets[1],
            life=os.fdopen(reading, "rb", buffering=0),
            lifeline=os.fdopen(writing, "wb", buffering=0),
        )

    def close(self) -> None:
        """Frees the ports, lets go of the gateway."""
        for held in (self.tws, self.control, self.lifeline, self.life):
            held.close()


class GatewayProcess:
    """A running gateway. It ends with this process too: its standard input is ours, or the pipe it was given."""

    def __init__(
        self, process: subprocess.Popen[str], hello: dict[str, Any], errors: "_LastLines", identity: ProcessId
    ) -> None:
        self._process = process
        self._errors = errors
        self.hello = hello
        """Ports, contract, base timeframe and extent of the tape."""
        self.identity = identity
        """Pid and start time."""

    @classmethod
    def start(cls, arguments: Sequence[str], *, listening: Listening | None = None) -> Self:
        """Starts a gateway, on ports of its own or on those given with their pipe, and waits until it listens.

        Raises:
            ConfigError: the tape or the journal cannot be used.
            TransientError: a port is taken, or it ended for another reason.
        """
        handles = () if listening is None else (listening.tws.fileno(), listening.control.fileno())
        ports = ("--listening", ",".join(map(str, handles))) if handles else ()
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", MODULE, *arguments, *ports],
            stdin=subprocess.PIPE if listening is None else listening.life,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=handles,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to handle
        )
        if process.stdout is None or process.stderr is None:
            raise TransientError("the gateway has no pipes")
        errors = _LastLines(process.stderr)
        line = process.stdout.readline()
        identity = ProcessId.of(process.pid)
        if not line or identity is None:
            code = process.wait()
            text = errors.text()
            if process.stdin is not None:
                process.stdin.close()
            process.stdout.close()
            raise (
                ConfigError(text)
                if code == EXIT_USAGE
                else TransientError(f"the gateway {_end(code)}: {text}")
            )
        return cls(process, json.loads(line), errors, identity)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def tws_port(self) -> int:
        """Where API clients connect."""
        return int(self.hello["tws_port"])

    @property
    def control_port(self) -> int:
        """Where the lockstep is controlled."""
        return int(self.hello["control_port"])

    def wait_ended(self) -> str:
        """Blocks until it has ended, however it did, and tells how."""
        self.identity.wait_gone(None)
        code = self._process.wait()
        text = self._errors.text()
        return _end(code) if code <= 0 or not text else f"{_end(code)}: {text.splitlines()[-1]}"

    def stop(self) -> None:
        """Ends it; by force when it does not end by itself."""
        if self._process.stdin is None:
            self._process.terminate()
        else:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"


class _LastLines:
    """Reads a pipe to its end, so that its writer never waits, and keeps what came last."""

    def __init__(self, pipe: IO[str]) -> None:
        self._lines: deque[str] = deque(maxlen=ERROR_LINES_KEPT)
        self._thread = threading.Thread(target=self._read, args=(pipe,), name="gateway-stderr", daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What there is when its writer has ended."""
        self._thread.join(STOP_WITHIN_S)
        return "".join(self._lines).strip()

    def _read(self, pipe: IO[str]) -> None:
        with pipe:
            self._lines.extend(pipe)
