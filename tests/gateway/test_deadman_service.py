"""`mia deadman` as systemd runs it: says that it is up, feeds the watchdog, ends when asked; the broker is away."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from mia_actors.guardian.silence import DeadmanSettings

ROOT = Path(__file__).parents[2]
WAIT_S = 30.0
WATCHDOG_S = 0.6


@pytest.fixture
def notified() -> Iterator[socket.socket]:
    """The service manager's end: an abstract socket, whose name has no length to fear for."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listener:
        listener.bind(f"\0mia-test-{os.getpid()}")
        listener.settimeout(WAIT_S)
        yield listener


def broken_config(folder: Path) -> Path:
    """The shipped file, with children that cannot be loaded and a broker where nobody listens."""
    document = yaml.safe_load((ROOT / "supervision.yaml").read_text())
    document["connections"]["deadman"]["port"] = 1
    document["tree"]["children"][0]["run"] = "nowhere.at_all:Nothing"
    path = folder / "supervision.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def read_on(notified: socket.socket) -> None:
    """Reads what is on its way, and for ever where more comes."""
    while True:
        assert notified.recv(100) == b"WATCHDOG=1"


def test_it_is_up_without_a_broker_and_feeds_the_watchdog_while_it_turns(
    tmp_path: Path, notified: socket.socket
) -> None:
    config = broken_config(tmp_path)
    command = [sys.executable, "-m", "mia_actors.cli", "deadman", "--config", str(config)]
    process = subprocess.Popen(
        [*command, "--state", str(tmp_path / "state")],
        cwd=ROOT,
        env={
            **os.environ,
            "NOTIFY_SOCKET": f"@mia-test-{os.getpid()}",
            "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6)),
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert [notified.recv(100) for _ in range(4)] == [b"READY=1", *[b"WATCHDOG=1"] * 3]
        process.send_signal(signal.SIGSTOP)
        notified.settimeout(2 * WATCHDOG_S)
        with pytest.raises(TimeoutError):
            read_on(notified)
        process.send_signal(signal.SIGCONT)
        notified.settimeout(WAIT_S)
        assert notified.recv(100) == b"WATCHDOG=1"
        process.terminate()
        while (told := notified.recv(100)) == b"WATCHDOG=1":
            pass
        assert told == b"STOPPING=1"
        assert process.wait(WAIT_S) == 130
    finally:
        process.kill()
        process.wait()


def test_the_unit_runs_that_command_and_gives_it_longer_than_an_honest_turn_takes() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "ops" / "mia-deadman.service")
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStart"].split()[:2] == ["/opt/mia-actors/.venv/bin/mia", "deadman"]
    assert service["SuccessExitStatus"] == "130"
    settings = DeadmanSettings()
    assert float(service["WatchdogSec"]) > settings.connect_timeout_s + settings.request_timeout_s
