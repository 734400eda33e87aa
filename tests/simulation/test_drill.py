"""`mia drill` as a person types it, with short limits: trader stopped, and a market that is closed meanwhile."""

import json
import subprocess
from pathlib import Path

from mia_actors.cli.drill_record import last_drill
from mia_actors.core.clock import SystemClock
from tests.simulation.session_driver import ROOT, command

CASES = ("trader_stopped", "market_closed")


def test_a_drill_ends_flat_and_is_on_record(config: Path, tmp_path: Path) -> None:
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
