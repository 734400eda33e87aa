"""systemd's notification protocol: one datagram to the socket named in the environment."""

import os
import socket
from collections.abc import Callable, Mapping

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"
US_PER_S = 1_000_000
SHARE = 3
"""It is fed so many times within its limit."""


def send_datagram(address: str, text: str) -> None:
    """Tells the service manager; one that does not listen is not our trouble."""
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto(text.encode(), address)
        except OSError:
            return


class ServiceManager:
    """Says READY once, and feeds the watchdog when called often enough; does nothing elsewhere."""

    def __init__(
        self,
        environment: Mapping[str, str] = os.environ,
        *,
        monotonic_s: Callable[[], float],
        send: Callable[[str, str], None] = send_datagram,
    ) -> None:
        self._address = environment.get(SOCKET_VARIABLE, "")
        meant = environment.get(WATCHDOG_PID_VARIABLE, str(os.getpid())) == str(os.getpid())
        limit_us = environment.get(WATCHDOG_VARIABLE, "") if meant else ""
        self._every_s = int(limit_us) / US_PER_S / SHARE if limit_us.isdecimal() else None
        self._monotonic_s = monotonic_s
        self._send = send
        self._fed_at_s: float | None = None

    def ready(self) -> None:
        """The service is up."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """The service ends by itself."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The loop has turned; call it at every turn."""
        now_s = self._monotonic_s()
        if self._every_s is None or (self._fed_at_s is not None and now_s - self._fed_at_s < self._every_s):
            return
        self._fed_at_s = now_s
        self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if self._address:
            self._send(self._address, text)
