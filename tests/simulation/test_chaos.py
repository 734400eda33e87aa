"""`mia chaos` as a user runs it: seeded faults of every kind on offer, and the verdict by exit code and JSON."""

import json
import subprocess
from pathlib import Path
from typing import Any

import psutil

from mia_actors.supervision.snapshot import read_tree
from tests.simulation.session_driver import ROOT, RUN_WITHIN_S, TAPE, command

CHILDREN = 13
SHORT = (*TAPE, "--cycles", "140")
"""With one entry, at the fifth cycle, and its exit."""


def _chaos(config: Path, state: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    options = ("--config", str(config), "--state", str(state), "--json")
    return subprocess.run(
        command("chaos", *options, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )


def test_a_session_under_chaos_ends_with_the_ledger_of_the_undisturbed_one(
    config: Path, tmp_path: Path
) -> None:
    """Every child dies once, the guardian once more, both broker connections are cut."""
    done = _chaos(
        config,
        tmp_path,
        *TAPE,
        "--kills",
        str(CHILDREN + 3),
        "--seed",
        "11",
        "--faults",
        "kill,guardian,socket",
    )
    assert done.stdout, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["equal"] is True
    assert found["ledger_sha256_undisturbed"] == found["ledger_sha256_disturbed"]
    assert (found["orders_lost"], found["orders_duplicated"], found["halts"]) == (0, 0, 0)
    assert found["orders"] > 0, "a session without orders would prove little"
    assert found["not_carried_out"] == []
    cut, own = found["faults"]["socket"]["confirmed"], found["faults"]["guardian"]["confirmed"]
    assert cut >= 1
    assert own >= 1
    assert len(found["kills_by_child"]) == CHILDREN
    assert found["kills"] == sum(found["kills_by_child"].values()) == CHILDREN + 3 - cut
    assert found["restarts"] >= found["kills"]
    assert 0 < found["mttr_ms"]["p50"] <= found["mttr_ms"]["p99"]
    assert found["faults"]["socket"]["mttr_ms"]["p50"] > 0
    ledgers = {(Path(folder) / "ledger.csv").read_bytes() for folder in found["sessions"].values()}
    assert len(ledgers) == 1
    for folder in found["sessions"].values():
        tree = read_tree(Path(folder))
        assert tree is not None
        assert not [
            view.pid for view in tree.processes if psutil.pid_exists(view.pid) and view.process.alive()
        ]


def test_so_it_does_when_children_hang_and_supervisors_die(config: Path, tmp_path: Path) -> None:
    faults = ("--kills", "12", "--seed", "3", "--faults", "hang,supervisor")
    done = _chaos(config, tmp_path, *SHORT, *faults)
    assert done.stdout, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["equal"] is True
    assert found["orders"] > 0
    assert (found["not_carried_out"], found["hangs_not_detected"]) == ([], 0)
    for kind in ("hang", "supervisor"):
        assert found["faults"][kind]["confirmed"] == found["faults"][kind]["planned"] > 0
    assert found["armed"]["late"] == []


def test_a_gateway_that_is_killed_changes_nothing(config: Path, tmp_path: Path) -> None:
    """Alone, around the orders of a session, and together with its clients and their connections."""
    plan = ("--kills", "9", "--seed", "5", "--faults", "gateway,kill,socket,guardian")
    done = _chaos(config, tmp_path, *SHORT, *plan)
    assert done.stdout, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert found["equal"] is True
    assert found["orders"] > 0, "a session without orders would prove little"
    assert (found["orders_lost"], found["orders_duplicated"], found["halts"]) == (0, 0, 0)
    assert found["not_carried_out"] == []
    own = found["faults"]["gateway"]
    assert own["confirmed"] == own["planned"] >= 2
    assert own["mttr_ms"]["p50"] > 0
    assert found["kills_by_child"]["gateway"] == own["confirmed"]


def test_a_fault_this_version_does_not_offer_is_refused_before_anything_starts(
    config: Path, tmp_path: Path
) -> None:
    done = _chaos(config, tmp_path / "state", *SHORT, "--kills", "1", "--faults", "node")
    assert done.returncode == 2
    assert "--faults node: " in done.stderr
    assert not (tmp_path / "state").exists()
