"""Signs of life from hosts to their supervisor: small datagrams on loopback, beside Ray.

Ray's own threads answer for an actor whose interpreter is held, and the kernel keeps the sockets of a stopped
process open; a thread of the host's own interpreter that says something now and then does neither.
"""

import json
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from mia_actors.core.clock import Clock
from mia_actors.supervision.activity import Stall
from mia_actors.supervision.hang_watch import Hang, HangWatch, Limits

PULSE_EVERY_S = 0.1
LOOK_EVERY_S = 0.05
DATAGRAM_MAX = 1024
WHAT_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseAddress:
    """Where pulses are heard. The token keeps strangers from vouching for a host."""

    port: int
    token: str


class PulseSender:
    """Tells of this process from a thread of its own, from now until the process ends."""

    def __init__(self, host_id: str, address: PulseAddress, stall: Callable[[], Stall]) -> None:
        self._host_id = host_id
        self._stall = stall
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._never = threading.Event()
        threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def point_to(self, address: PulseAddress) -> None:
        """From now on they are sent there."""
        self._address = address

    def _run(self) -> None:
        while not self._never.wait(PULSE_EVERY_S):
            stall, address = self._stall(), self._address
            pulse = [address.token, self._host_id, round(stall.for_s, 3), stall.what[:WHAT_MAX]]
            with suppress(OSError):  # the supervisor is gone; somebody else will notice
                self._socket.sendto(json.dumps(pulse).encode(), ("127.0.0.1", address.port))


class PulseReceiver:
    """Hears the pulses of hosts and tells who hangs. `tell` is called in its thread."""

    def __init__(self, clock: Clock, tell: Callable[[Hang], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._watch = HangWatch(clock.monotonic_s())
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = PulseAddress(port=self._socket.getsockname()[1], token=secrets.token_hex(8))
        threading.Thread(target=self._run, name="pulses", daemon=True).start()

    def expect(self, host_id: str, limits: Limits) -> None:
        """From now on the host is held to these limits."""
        with self._lock:
            self._watch.expect(host_id, limits)

    def forget(self, host_id: str) -> None:
        """The host is being ended."""
        with self._lock:
            self._watch.forget(host_id)

    def _run(self) -> None:
        looked_s = self._clock.monotonic_s()
        while True:
            heard = self._receive()
            now_s = self._clock.monotonic_s()
            with self._lock:
                for host_id, stalled_s, what in heard:
                    self._watch.heard(host_id, stalled_s=stalled_s, what=what)
                hangs = self._watch.look(now_s) if now_s - looked_s >= LOOK_EVERY_S else ()
            if now_s - looked_s >= LOOK_EVERY_S:
                looked_s = now_s
            for hang in hangs:
                self._tell(hang)

    def _receive(self) -> list[tuple[str, float, str]]:
        """Everything that has arrived; waits a little when nothing has."""
        found: list[tuple[str, float, str]] = []
        self._socket.settimeout(LOOK_EVERY_S)
        with suppress(TimeoutError, BlockingIOError):
            while True:
                self._take(self._socket.recv(DATAGRAM_MAX), found)
                self._socket.settimeout(0.0)
        return found

    def _take(self, datagram: bytes, found: list[tuple[str, float, str]]) -> None:
        try:
            token, host_id, stalled_s, what = json.loads(datagram)
        except ValueError:
            return
        if isinstance(token, str) and secrets.compare_digest(token, self.address.token):
            found.append((str(host_id), float(stalled_s), str(what)))
