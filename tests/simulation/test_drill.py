"""`mia drill` as a person types it, with short limits, and `mia halt` with everybody dead."""

import json
import subprocess
from pathlib import Path

from mia_actors.cli.config import load_without_children
from mia_actors.cli.drill_case import stage_of
from mia_actors.cli.drill_record import last_drill
from mia_actors.core.clock import SystemClock
from tests.simulation.session_driver import ROOT, command, hasty_config

CASES = ("trader_stopped", "market_closed")


def test_a_drill_ends_flat_and_is_on_record(tmp_path: Path) -> None:
    config = hasty_config(tmp_path)
    state = tmp_path / "state"
    chosen = [part for case in CASES for part in ("--case", case)]
    done = subprocess.run(
        command("drill", *chosen, "--config", str(config), "--state", str(state), "--json"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert [(case["case"], case["ok"], case["outcome"]) for case in document["cases"]] == [
        (case, True, "FLAT") for case in CASES
    ]
    shown = last_drill(state, SystemClock().now_ns())
    assert shown is not None
    assert shown["ok"] is True
    assert shown["time_to_flat_s"] == {case["case"]: case["time_to_flat_s"] for case in document["cases"]}
    assert not (state / "drills").exists() or not list((state / "drills").iterdir())


def test_the_halt_command_reaches_the_market_when_its_guardian_has_just_died(tmp_path: Path) -> None:
    """Its heartbeat is still fresh: the request is written, nobody heeds it, and the command does it itself."""
    shipped = ROOT / "supervision.yaml"
    state = tmp_path / "state"
    with stage_of(load_without_children(shipped), state, SystemClock()) as stage:
        stage.trader.kill()
        done = subprocess.run(
            command("halt", "--reason", "fire", "--config", str(shipped), "--state", str(state), "--json"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        books = stage.control.status()
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["state"], document["reason"], document["outcome"]) == ("halted", "fire", "FLAT")
    assert (books["position_contracts"], books["working_orders"]) == (0, 0)
