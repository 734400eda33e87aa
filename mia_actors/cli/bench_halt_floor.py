"""The floors of `mia bench halt`: a bar's bytes over a bare socket and a cancel's bytes back; one write that is synced.

As a program, `python -m mia_actors.cli.bench_halt_floor PORT` is the one that answers.
"""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from mia_actors.core.clock import Clock

MODULE = "mia_actors.cli.bench_halt_floor"
LOOPBACK = "127.0.0.1"
BAR = bytes(76)
"""As long as a `realtimeBar` frame."""
CANCEL = bytes(9)
"""As long as a `reqGlobalCancel` frame."""
COMMIT = bytes(3 * 4096)
"""About what one commit of the latch appends to its log."""
CONNECT_WITHIN_S = 30.0
PACE_S = 0.05
"""Before each: both sides have gone to sleep by then, as gateway and guardian have between two bars."""
MS_PER_S = 1000.0


class BareSocket:
    """One process that waits for a bar and answers with a cancel."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        with socket.create_server((LOOPBACK, 0)) as server:
            server.settimeout(CONNECT_WITHIN_S)
            search_path = os.pathsep.join(filter(None, sys.path))
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", MODULE, str(server.getsockname()[1])],
                env=os.environ | {"PYTHONPATH": search_path},
            )
            self._socket, _ = server.accept()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def round_trips_ms(self, count: int) -> tuple[float, ...]:
        """So many, each after a pause."""
        return tuple(self._round_trip_ms() for _ in range(count))

    def syncs_ms(self, count: int, folder: Path) -> tuple[float, ...]:
        """So many appends to a file, each until it is on disk, each after a pause."""
        descriptor = os.open(folder / "floor", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        try:
            return tuple(self._sync_ms(descriptor) for _ in range(count))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Ends the other process."""
        self._socket.close()
        self._process.wait()

    def _round_trip_ms(self) -> float:
        self._clock.sleep_s(PACE_S)
        began_s = self._clock.monotonic_s()
        self._socket.sendall(BAR)
        _take(self._socket, len(CANCEL))
        return (self._clock.monotonic_s() - began_s) * MS_PER_S

    def _sync_ms(self, descriptor: int) -> float:
        self._clock.sleep_s(PACE_S)
        began_s = self._clock.monotonic_s()
        os.write(descriptor, COMMIT)
        os.fdatasync(descriptor)
        return (self._clock.monotonic_s() - began_s) * MS_PER_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def main(port: int) -> None:
    """Answers until the other side is gone."""
    with suppress(ConnectionError), socket.create_connection((LOOPBACK, port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            _take(client, len(BAR))
            client.sendall(CANCEL)


def _take(peer: socket.socket, count: int) -> None:
    while count:
        piece = peer.recv(count)
        if not piece:
            raise ConnectionResetError("the other side is gone")
        count -= len(piece)


if __name__ == "__main__":
    main(int(sys.argv[1]))
