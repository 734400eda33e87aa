"""The trainer's shell: a process of its own, reported, and gone when the session ends."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from mia_actors.trainer.actor import REPORT_FILE, Trainer, TrainerSettings
from tests.unit.ensemble.test_actor import context_of
from tests.unit.trainer.test_retraining import SMALL, record

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "models", tmp_path / "models")
    return tmp_path


def _trainer(folder: Path) -> Trainer:
    return Trainer(TrainerSettings(training=SMALL), context_of(folder))


def test_a_refusal_is_reported_and_kept(folder: Path) -> None:
    trainer = _trainer(folder)
    report = trainer.retrain()
    assert "bars of one length are needed" in report["refused"]
    assert trainer.last() == report
    assert json.loads((folder / REPORT_FILE).read_text()) == report


def test_what_cannot_run_is_a_failure_with_its_last_words(folder: Path) -> None:
    (folder / "models" / "CURRENT").write_text("../../elsewhere")
    record(folder, "20260302T000000-aaaa", 3)
    report = _trainer(folder).retrain()
    assert "not a version name" in report["refused"]


def test_the_end_of_the_session_ends_a_retraining(folder: Path) -> None:
    record(folder, "20260302T000000-aaaa", 3)
    before = (folder / "models" / "CURRENT").read_text()
    trainer = _trainer(folder)
    reports: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: reports.append(trainer.retrain()))
    thread.start()
    give_up = time.monotonic() + 30
    while trainer.pid is None and time.monotonic() < give_up:
        time.sleep(0.01)
    trainer.stop()
    thread.join(30)
    assert reports[0] == {"failed": "killed"}
    assert (folder / "models" / "CURRENT").read_text() == before
    assert trainer.retrain() == {"refused": "another retraining is under way, or the session ends"}
