"""Independent clients against the simulated gateway: the same scenario, the same facts.

Each runs in a process and an environment of its own, with nothing of ours. `make clients` makes the environments.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.clock import NS_PER_S
from tests.gateway.tws_market import Market

pytestmark = pytest.mark.gateway
HERE = Path(__file__).parent
ENVIRONMENTS = Path(os.environ.get("MIA_CLIENTS", HERE.parents[1] / ".venv-clients"))
WITHIN_S = 60


@dataclass(frozen=True, kw_only=True)
class Driver:
    """One client, how it is started, and the server version it settles for."""

    name: str
    script: tuple[str, ...]
    server_version: int

    @property
    def python(self) -> Path:
        if self.name == "ib_insync":
            return Path(sys.executable)
        return ENVIRONMENTS / self.name / "bin" / "python"


DRIVERS = (
    Driver(name="ib_insync", script=("drive_ib.py", "ib_insync"), server_version=176),
    Driver(name="ib_async", script=("drive_ib.py", "ib_async"), server_version=178),
    Driver(name="ibapi", script=("drive_ibapi.py",), server_version=178),
    Driver(name="ibapi-9.81", script=("drive_ibapi.py",), server_version=157),
)


@pytest.fixture
def market() -> Iterator[Market]:
    found = Market()
    yield found
    found.close()


def driven(driver: Driver, market: Market) -> dict[str, Any]:
    """What a client saw."""
    script, *arguments = driver.script
    process = subprocess.Popen(
        [str(driver.python), str(HERE / script), *arguments, str(market.gateway.tws_port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        for line in process.stdout:
            said = json.loads(line)
            if "seen" in said:
                found: dict[str, Any] = said["seen"]
                return found
            market.show(said["show"])
            process.stdin.write("{}\n")
            process.stdin.flush()
        raise AssertionError(process.stderr.read()[-3000:])
    finally:
        process.stdin.close()
        try:
            process.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_a_stranger_s_client_believes_the_gateway(driver: Driver, market: Market) -> None:
    if not driver.python.exists():
        pytest.skip(f"{driver.python} is not there: run make clients")
    seen = driven(driver, market)
    start_s, status = market.start_ns // NS_PER_S, market.control.status()
    contract, bars = seen.pop("contract"), seen.pop("bars")
    assert seen.pop("server_version") == driver.server_version
    assert contract["conId"] > 0
    assert contract | {"conId": 0} == {
        "conId": 0,
        "localSymbol": market.gateway.hello["contract"],
        "multiplier": "50",
        "exchange": "CME",
        "currency": "USD",
        "minTick": 0.25,
    }
    assert [bar[0] for bar in bars] == [start_s, start_s + 5, start_s + 10]
    assert seen == {
        "accounts": ["DUSIM0001"],
        "history": bars,
        "margin": 5000.0,
        "held_back": [0, 0],
        "bracket": ["Submitted", "PreSubmitted", "PreSubmitted"],
        "after_entry": ["Filled", "Submitted", "PreSubmitted"],
        "fill": ["BOT", 1.0, "entry"],
        "commission": [2.25, None],
        "position": ["DUSIM0001", contract["conId"], 1.0],
        "modified": "Submitted",
        "cancelled": ["Cancelled", "Cancelled"],
        "codes": [202, 202],
        "exit": ["Filled", True],
        "open": ["far"],
        "all_open": ["far"],
        "completed": [
            ["entry", "Filled"],
            ["exit", "Filled"],
            ["far", "Cancelled"],
            ["stop", "Cancelled"],
            ["target", "Cancelled"],
        ],
        "executions": ["entry", "exit"],
        "sells": ["exit"],
        "account": ["SIMULATED", True],
        "pnl": True,
        "time": status["market_time_ns"] // NS_PER_S,
        "same_client_id": [326],
    }
    assert status["malformed"] == 0
