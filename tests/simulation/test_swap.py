"""Models are swapped in a session that runs, and the ensemble dies before and after: the ledger is the backtest's."""

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import yaml

from mia_actors.ensemble.export import train_and_export
from mia_actors.ensemble.schedule import read_schedule, version_at
from mia_actors.ensemble.training import TrainingSettings
from tests.simulation.session_driver import ROOT, TAPE, Session, after_cycles, backtest, command, loose_config
from tests.unit.ensemble.conftest import small_samples

SMALL = TrainingSettings(samples_min=100, folds=2, forest_trees=12, forest_depth=5, boost_trees=12)


def _with_models(folder: Path) -> tuple[Path, str]:
    """The loose configuration with models of its own, and a second version that is stored, not promoted."""
    shutil.copytree(ROOT / "models", folder / "models")
    other = train_and_export(small_samples(), folder / "models", SMALL, promoted=False).version
    path = loose_config(folder)
    text = path.read_text().replace(str(ROOT / "models"), str(folder / "models"))
    assert yaml.safe_load(text)
    path.write_text(text)
    return path, other


def _votes(folder: Path) -> dict[int, str]:
    """The version that voted, by event time."""
    journal = sqlite3.connect(folder / "decisions.db")
    rows = [json.loads(row[0]) for row in journal.execute("SELECT decision FROM decisions")]
    journal.close()
    return {row["event_time_ns"]: row["vote"]["model_version"] for row in rows if row["vote"]}


def test_a_swap_counts_from_its_event_time_whatever_dies(tmp_path: Path) -> None:
    config, other = _with_models(tmp_path)
    session = Session(state=tmp_path / "state", config=config)
    process = session.start()
    session.wait(process, after_cycles(5))
    assert session.kill("ensemble")
    promote = (
        "models",
        "promote",
        other,
        "--session",
        "--config",
        str(config),
        "--state",
        str(session.state),
    )
    said = subprocess.run(command(*promote), cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    session.wait(process, after_cycles(250))
    assert session.kill("ensemble")
    code, found = session.result(process)
    assert code == 0
    assert session.folder is not None
    schedule, votes = read_schedule(session.folder), _votes(session.folder)
    assert [swap.version for swap in schedule][1:] == [other]
    assert set(votes.values()) == {schedule[0].version, other}
    assert votes == {moment: version_at(schedule, moment) for moment in votes}
    arguments = (*TAPE, "--models-schedule", str(session.folder / "models.json"))
    again, ledger = backtest(config, tmp_path / "backtest", arguments)
    assert session.ledger() == ledger
    assert found["ledger_sha256"] == again["ledger_sha256"]
