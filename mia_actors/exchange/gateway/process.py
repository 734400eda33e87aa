"""The gateway as a child process of whoever needs one."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from mia_actors.core.errors import ConfigError, TransientError

MODULE = "mia_actors.exchange.gateway"
EXIT_USAGE = 2
STOP_WITHIN_S = 5.0


class GatewayProcess:
    """A running gateway. It ends with this process too: its standard input is ours."""

    def __init__(self, process: subprocess.Popen[str], hello: dict[str, Any]) -> None:
        self._process = process
        self.hello = hello
        """Ports, contract, base timeframe and extent of the tape."""

    @classmethod
    def start(cls, arguments: Sequence[str]) -> Self:
        """Starts a gateway and waits until it listens.

        Raises:
            ConfigError: the tape cannot be used.
            TransientError: a port is taken, or it ended for another reason.
        """
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", MODULE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to handle
        )
        if process.stdout is None or process.stderr is None:
            raise TransientError("the gateway has no pipes")
        line = process.stdout.readline()
        if not line:
            text = process.stderr.read().strip()
            code = process.wait()
            raise ConfigError(text) if code == EXIT_USAGE else TransientError(f"the gateway ended: {text}")
        threading.Thread(target=process.stderr.read, name="gateway-stderr", daemon=True).start()
        return cls(process, json.loads(line))

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def lifeline(self) -> int:
        """Descriptor that keeps it alive; a process that inherits it has the gateway stay until it ends too."""
        if self._process.stdin is None:
            raise TransientError("the gateway has no pipes")
        return self._process.stdin.fileno()

    @property
    def tws_port(self) -> int:
        """Where API clients connect."""
        return int(self.hello["tws_port"])

    @property
    def control_port(self) -> int:
        """Where the lockstep is controlled."""
        return int(self.hello["control_port"])

    def stop(self) -> None:
        """Ends it; by force when it does not end by itself."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)
        for pipe in (self._process.stdout,):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
