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

from mia_actors.broker.ib_library import IB_INSYNC, installed
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
        if self.name == IB_INSYNC:
            return Path(sys.executable)
        return ENVIRONMENTS / self.name / "bin" / "python"


DRIVERS = (
    Driver(name="ib_insync", script=("drive_ib.py", "ib_insync"), server_version=176),
    Driver(name="ib_async", script=("drive_ib.py", "ib_async"), server_version=178),
    Driver(name="ibapi", script=("drive_ibapi.py",), server_version=178),
    Driver(name="ibapi-9.81", script=("drive_ibapi.py",), server_version=157),
)
VENDOR = DRIVERS[2]
LAYOUTS = (157, 158, 160, 162, 163, 164, 166, 169, 170, 176, 177)
"""Server versions with which some message gains or loses a field; 178 is the vendor's client as it is."""


@pytest.fixture
def market() -> Iterator[Market]:
    found = Market()
    yield found
    found.close()


def driven(driver: Driver, market: Market, highest: int | None = None) -> dict[str, Any]:
    """What a client saw that offers server versions up to `highest`; None: as many as it knows."""
    script, *arguments = driver.script
    offered = () if highest is None else (str(highest),)
    process = subprocess.Popen(
        [str(driver.python), str(HERE / script), *arguments, str(market.gateway.tws_port), *offered],
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
    need(driver)
    assert_believed(driven(driver, market), driver.server_version, market)


@pytest.mark.parametrize("version", LAYOUTS)
def test_the_vendor_s_client_reads_every_message_of_every_layout_to_its_end(
    version: int, market: Market
) -> None:
    """What is left over, or missing, tells that a field does not belong to that server version."""
    need(VENDOR)
    assert_believed(driven(VENDOR, market, version), version, market)


def need(driver: Driver) -> None:
    if not driver.python.exists():
        pytest.skip(f"{driver.python} is not there: run make clients")
    if driver.name == IB_INSYNC and IB_INSYNC not in installed():
        pytest.skip("ib_async stands in its place here")


def assert_believed(seen: dict[str, Any], version: int, market: Market) -> None:
    """What every client must have seen; only the vendor's tells what its decoder left unread."""
    start_s, status = market.start_ns // NS_PER_S, market.control.status()
    contract, bars = seen.pop("contract"), seen.pop("bars")
    assert seen.pop("complaints") == []
    assert seen.pop("unread", []) == []
    what_if = [market.gateway.hello["contract"], "DUSIM0001", "BUY"]
    assert seen.pop("what_if", what_if) == what_if
    assert seen.pop("server_version") == version
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
