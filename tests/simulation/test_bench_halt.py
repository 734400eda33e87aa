"""`mia bench halt` on the whole tree: halts that follow each other, one of them beside the executor's death."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.simulation.session_driver import ROOT, command

TRIALS = 2


@pytest.mark.parametrize("case", ["healthy", "executor_killed"])
def test_each_halt_ends_flat_and_nothing_tried_after_it_is_taken(case: str) -> None:
    """Everything that is tried is tried for real, and something like it was taken before the halt."""
    done = subprocess.run(
        command("bench", "halt", "--json", "--trials", str(TRIALS), "--case", case),
        cwd=Path(ROOT),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (name,) = found["ours"]
    figures = found["ours"][name]
    assert (name, figures["trials"]) == (case, TRIALS)
    assert 0 < figures["p50"] <= figures["max"]
    assert figures["flat_market_s"]["max"] >= 5.0, "an offset fills in the bar after it"
    assert (figures["risk_increasing_attempts"], figures["risk_increasing_accepted"]) == (3 * TRIALS, 0)
    assert figures["answers"]["target: refused (halted)"] == TRIALS
    assert all(floor[case]["count"] > 0 for floor in found["rivals"].values())
