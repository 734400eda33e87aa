"""The gateway as a process: what it says, when it ends, and with which code."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from mia_actors.core.errors import ConfigError, TransientError
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.exchange.gateway.process import GatewayProcess
from tests.gateway.raw_client import RawClient
from tests.gateway.tws_market import HOST

pytestmark = pytest.mark.gateway
WAIT_S = 30.0
SHORT = ("--tape", "synthetic:7", "--cycles", "2", "--history-days", "0")
ROOT = Path(__file__).parents[2]


def _started(*arguments: str, stdin: TextIO | int = subprocess.PIPE) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "mia_actors.exchange.gateway", *SHORT, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and standard error."""
    try:
        _, errors = process.communicate(timeout=WAIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(WAIT_S)
    return process.returncode, errors


def _hello(process: "subprocess.Popen[str]") -> dict[str, object]:
    assert process.stdout is not None
    found: dict[str, object] = json.loads(process.stdout.readline())
    return found


def test_first_line_tells_ports_and_tape_and_standard_error_says_simulation() -> None:
    process = _started()
    hello = _hello(process)
    code, errors = _ended(process)
    assert code == 0
    assert "SIMULATION" in errors
    assert set(hello) == {
        "tws_port",
        "control_port",
        "contract",
        "base_timeframe",
        "bars",
        "first_bar_start_ns",
        "last_bar_end_ns",
    }
    assert (hello["bars"], hello["base_timeframe"]) == (2, "1m")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_code_zero(number: signal.Signals) -> None:
    process = _started("--detach")
    _hello(process)
    process.send_signal(number)
    assert process.wait(WAIT_S) == 0
    _ended(process)


def test_signal_ends_it_quietly_while_clients_are_connected() -> None:
    process = _started("--detach")
    hello = _hello(process)
    control = ControlClient(HOST, int(str(hello["control_port"])))
    with RawClient(int(str(hello["tws_port"]))) as client:
        assert control.status()["clients"] == [31]
        process.send_signal(signal.SIGTERM)
        assert client.is_closed_by_gateway()
    code, errors = _ended(process)
    control.close()
    assert code == 0
    (line,) = errors.splitlines()
    assert "SIMULATION" in line


@pytest.mark.parametrize("source", [os.devnull, __file__])
def test_standard_input_that_is_no_pipe_does_not_end_it(source: str) -> None:
    """Started from cron, or in the background of a script."""
    with Path(source).open(encoding="utf-8") as file:
        process = _started(stdin=file)
    hello = _hello(process)
    control = ControlClient(HOST, int(str(hello["control_port"])))
    assert control.status()["started"] is False
    control.stop()
    control.close()
    code, errors = _ended(process)
    assert code == 0
    assert len(errors.splitlines()) == 1


def test_control_port_ends_it_with_code_zero() -> None:
    process = _started()
    hello = _hello(process)
    control = ControlClient(HOST, int(str(hello["control_port"])))
    control.stop()
    control.close()
    assert process.wait(WAIT_S) == 0
    _ended(process)


def test_detached_gateway_outlives_its_standard_input() -> None:
    process = _started("--detach")
    hello = _hello(process)
    assert process.stdin is not None
    process.stdin.close()
    control = ControlClient(HOST, int(str(hello["control_port"])))
    assert control.status()["started"] is False
    control.stop()
    control.close()
    assert process.wait(WAIT_S) == 0
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


@pytest.mark.parametrize("option", ["--port", "--control-port"])
def test_taken_port_is_told_in_one_line(option: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = _ended(_started(option, str(port)))
    assert code == 1
    (line,) = errors.strip().splitlines()
    assert f"{option} {port}:" in line
    assert "name another port" in line


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--port", "65536", "65535"),
        ("--pace", "0x", "60x"),
        ("--lockstep-roles", "mentor", "guardian"),
        ("--cycles", "0", "1 or more"),
    ],
)
def test_wrong_option_is_told_in_one_line_with_what_is_allowed(option: str, value: str, allowed: str) -> None:
    code, errors = _ended(_started(option, value))
    assert code == 2
    (line,) = errors.strip().splitlines()
    assert option in line
    assert allowed in line


def test_taken_port_is_a_transient_error_and_a_bad_tape_a_config_error() -> None:
    with socket.create_server((HOST, 0)) as taken, pytest.raises(TransientError, match="port"):
        GatewayProcess.start((*SHORT, "--port", str(taken.getsockname()[1])))
    with pytest.raises(ConfigError, match=r"nowhere\.parquet"):
        GatewayProcess.start(("--tape", "nowhere.parquet"))


def test_gateway_process_is_out_of_reach_of_the_terminal_and_ends_with_its_owner() -> None:
    with GatewayProcess.start(SHORT) as gateway:
        assert os.getpgid(gateway.pid) != os.getpgid(0)
        control = ControlClient(HOST, gateway.control_port)
        control.close()
    with pytest.raises(ProcessLookupError):
        os.kill(gateway.pid, 0)
    gateway.stop()  # a repeat changes nothing
