"""The whole client side with ib_async in the place of ib_insync: the same tests, the same ledger.

`make clients` makes an environment with ib_async alone. Behind it stands the environment of these tests, by links to
all of its packages but those of ib_insync: what still asked for ib_insync would not find it.
"""

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable, Collection, Sequence
from importlib.metadata import distributions
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
    "tests/gateway/test_posture_facts.py",
    "tests/gateway/test_deadman_service.py",
    "tests/unit/broker",
)
WITHIN_S = 500
Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]

if not PYTHON.exists():
    pytest.skip(f"{PYTHON} is not there: run make clients", allow_module_level=True)


def without(names: Collection[str], folder: Path) -> Path:
    """Links to all packages of this environment but those of the distributions named."""
    left_out = {
        file.parts[0]
        for found in distributions()
        if found.name.replace("-", "_") in names
        for file in found.files or ()
        if len(file.parts) > 1
    }
    for package in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if package.name not in left_out:
            (folder / package.name).symlink_to(package)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs Python where ib_async is installed and ib_insync is not."""
    theirs = sysconfig.get_path("purelib", vars={"base": str(HOME)})
    others = without({"ib_insync", "eventkit"}, tmp_path_factory.mktemp("packages"))
    path = os.pathsep.join((str(ROOT), theirs, str(others)))

    def run_it(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(PYTHON), *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    return run_it


def test_only_one_of_the_two_is_there(run: Run) -> None:
    """Else the other tests would not notice who still asks for ib_insync."""
    found = run(["-c", "from mia_actors.broker.ib_library import installed; print(*installed())"])
    assert found.stdout.split() == ["ib_async"], found.stderr[-3000:]


def test_the_tests_of_the_client_side_pass(run: Run) -> None:
    found = run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *OUR_TESTS])
    assert found.returncode == 0, found.stdout[-3000:]
    assert "skipped" not in found.stdout.splitlines()[-1]


def test_a_session_ends_with_the_ledger_of_the_backtest(run: Run, tmp_path: Path) -> None:
    config = loose_config(tmp_path)
    document, _ = backtest(config, tmp_path / "backtest")
    options = ("--config", str(config), "--state", str(tmp_path / "state"), "--json")
    command = "from mia_actors.cli.main import main; main()"
    found = run(["-c", command, "run", *options, *TAPE])
    assert found.returncode == 0, found.stderr[-3000:]
    assert json.loads(found.stdout)["ledger_sha256"] == document["ledger_sha256"]
    logs = "".join(path.read_text() for path in (tmp_path / "state").rglob("broker*.log"))
    assert '"library": "ib_async"' in logs
