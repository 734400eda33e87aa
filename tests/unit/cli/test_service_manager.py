"""systemd's notifications: to whom, and how often."""

import os

import pytest

from mia_actors.cli.service_manager import ServiceManager

LIMIT_S = 30


class Told:
    """A service manager that keeps what it hears, and a clock beside it."""

    def __init__(self, **environment: str) -> None:
        self.now_s = 0.0
        self.texts: list[tuple[float, str]] = []
        self.manager = ServiceManager(environment, monotonic_s=lambda: self.now_s, send=self._hear)

    def _hear(self, address: str, text: str) -> None:
        assert address == "/run/notify"
        self.texts.append((self.now_s, text))

    def turn(self, for_s: float) -> None:
        for _ in range(round(for_s * 4)):
            self.manager.alive()
            self.now_s += 0.25


SOCKET = {"NOTIFY_SOCKET": "/run/notify"}
WATCHED = {**SOCKET, "WATCHDOG_USEC": str(LIMIT_S * 1_000_000)}


def test_the_watchdog_is_fed_several_times_within_its_limit_while_the_loop_turns_and_not_after() -> None:
    told = Told(**WATCHED)
    told.turn(60)
    assert told.texts == [(float(moment), "WATCHDOG=1") for moment in range(0, 60, 10)]
    told.now_s += 600
    assert len(told.texts) == 6


@pytest.mark.parametrize(
    "environment",
    [{}, SOCKET, {"WATCHDOG_USEC": "1000000"}, {**WATCHED, "WATCHDOG_PID": str(os.getpid() + 1)}],
    ids=["no systemd", "no watchdog", "no socket", "meant for another process"],
)
def test_where_no_watchdog_waits_none_is_fed(environment: dict[str, str]) -> None:
    told = Told(**environment)
    told.turn(10)
    assert told.texts == []


def test_the_beginning_and_the_end_are_told() -> None:
    told = Told(**SOCKET)
    told.manager.ready()
    told.manager.stopping()
    assert [text for _, text in told.texts] == ["READY=1", "STOPPING=1"]
