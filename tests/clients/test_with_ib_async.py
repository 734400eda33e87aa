"""The whole client side with ib_async in the place of ib_insync: the same tests, the same ledger.

`make clients` makes an environment with ib_async alone; behind it stands the environment of these tests, where
everything else comes from.
"""

import json
import os
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients.test_three_clients import ENVIRONMENTS
from tests.simulation.session_driver import ROOT, TAPE, backtest, loose_config

pytestmark = pytest.mark.gateway
HOME = ENVIRONMENTS / "ib_async"
PYTHON = HOME / "bin" / "python"
OUR_TESTS = (
    "tests/gateway/test_broker_session.py",
    "tests/gateway/test_broker_actor.py",
    "tests/gateway/test_library_traps.py",
    "tests/gateway/test_guardian_facts.py",
    "tests/unit/broker",
)
WITHIN_S = 500

if not PYTHON.exists():
    pytest.skip(f"{PYTHON} is not there: run make clients", allow_module_level=True)


def run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    ours = sysconfig.get_paths()["purelib"]
    theirs = sysconfig.get_path("purelib", vars={"base": str(HOME)})
    return subprocess.run(
        [str(PYTHON), *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), theirs, ours))},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def test_the_tests_of_the_client_side_pass() -> None:
    found = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *OUR_TESTS])
    assert found.returncode == 0, found.stdout[-3000:]
    assert "skipped" not in found.stdout.splitlines()[-1]


def test_a_session_ends_with_the_ledger_of_the_backtest(tmp_path: Path) -> None:
    config = loose_config(tmp_path)
    document, _ = backtest(config, tmp_path / "backtest")
    options = ("--config", str(config), "--state", str(tmp_path / "state"), "--json")
    command = "from mia_actors.cli.main import main; main()"
    found = run(["-c", command, "run", *options, *TAPE])
    assert found.returncode == 0, found.stderr[-3000:]
    assert json.loads(found.stdout)["ledger_sha256"] == document["ledger_sha256"]
    logs = "".join(path.read_text() for path in (tmp_path / "state").rglob("broker*.log"))
    assert '"library": "ib_async"' in logs
