"""A session through the example of a fault script: the ledger does not know of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulation.session_driver import ROOT, TAPE, Session, loose_config

SCRIPT = ROOT / "examples" / "faults.yaml"
ON_SOCKETS = {"reset", "half_close", "black_hole", "delay", "truncate", "omit", "duplicate"}


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The shipped tree with room for as many faults."""
    path = loose_config(tmp_path)
    document = yaml.safe_load(path.read_text())
    document["session"]["gateway_restarts_max"] = 100
    levels = [document["tree"]]
    for level in levels:
        level["intensity"] = 1000
        levels += [child for child in level["children"] if "children" in child]
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def test_a_session_through_a_fault_script_ends_with_the_undisturbed_ledger(
    tmp_path: Path, patient: Path, reference: tuple[dict[str, Any], str]
) -> None:
    faults = yaml.safe_load(SCRIPT.read_text())["faults"]
    done = [fault["do"] for fault in faults]
    assert sum(fault.get("times", 1) for fault in faults if fault["do"] in ON_SOCKETS) >= 50
    assert (done.count("restart"), done.count("daily_restart")) == (5, 2)
    session = Session(
        state=tmp_path / "state", config=patient, arguments=(*TAPE, "--fault-script", str(SCRIPT))
    )
    code, document = session.run()
    assert session.ledger() == reference[1]
    assert code == 0
    assert document["cycles"] == reference[0]["bars"]
    (journal,) = (tmp_path / "state").rglob("gateway.journal")
    struck = [line for line in journal.read_text().splitlines() if line.startswith("fault ")]
    assert len(struck) == sum(fault.get("times", 1) for fault in faults)
