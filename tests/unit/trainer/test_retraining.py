"""A retraining: what it works on, whom it promotes, and what it refuses."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mia_actors.core.errors import PermanentError
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.export import train_and_export
from mia_actors.ensemble.promotion import promotions
from mia_actors.ensemble.registry import current_version, load
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.store.market_journal import MarketJournal
from mia_actors.trainer.recorded import recorded_bars
from mia_actors.trainer.retraining import RetrainingRequest, retrain, retrain_on
from tests.unit.cycle.situations import new_york_ns
from tests.unit.ensemble.conftest import HOUR_NS, small_samples

ROOT = Path(__file__).parents[3]
SMALL = TrainingSettings(
    samples_min=60, folds=2, forest_trees=12, forest_depth=5, boost_trees=12, boost_depth=3, holdout_share=0.4
)


def _request(folder: Path, **changes: Any) -> RetrainingRequest:
    chosen = {
        "state_dir": folder / "state",
        "models_dir": folder / "models",
        "out_dir": folder / "challengers",
        "symbol": "ES",
        "sessions_max": 10,
        "p_value_max": 0.05,
        "decision": DecisionSettings(),
        "training": SMALL,
        "at": "2026-01-05T10:00:00Z",
    }
    return RetrainingRequest.model_validate(chosen | changes)


def _champion(folder: Path, *, turned: bool) -> str:
    """Fitted on an earlier market; `turned` takes good for bad."""
    samples = small_samples(300, seed=5)
    if turned:
        samples = replace(samples, y=1 - samples.y)
    earlier = replace(
        samples,
        event_time_ns=samples.event_time_ns - 10_000 * HOUR_NS,
        label_end_ns=samples.label_end_ns - 10_000 * HOUR_NS,
    )
    return train_and_export(earlier, folder / "models", SMALL).version


def test_a_challenger_that_is_better_is_promoted_and_said_to_be(tmp_path: Path) -> None:
    before = _champion(tmp_path, turned=True)
    found = retrain_on(small_samples(900), _request(tmp_path))
    assert found.judgement.is_promoted, found.judgement.reason
    assert found.champion == before
    assert load(tmp_path / "models").manifest.version == found.challenger
    assert promotions(tmp_path / "models")[-1].reason.startswith("trainer: better on")
    assert {path.name for path in (tmp_path / "models").glob(".pending*")} == set()


def test_a_challenger_no_better_than_the_champion_is_not(tmp_path: Path) -> None:
    before = _champion(tmp_path, turned=False)
    found = retrain_on(small_samples(300, seed=9), _request(tmp_path))
    assert not found.judgement.is_promoted
    assert current_version(tmp_path / "models") == before
    assert (tmp_path / "challengers" / found.challenger).is_dir()


def test_what_the_champion_has_seen_already_judges_nobody(tmp_path: Path) -> None:
    train_and_export(small_samples(600), tmp_path / "models", SMALL)
    old = replace(small_samples(200, seed=4))
    with pytest.raises(PermanentError, match="is held out"):
        retrain_on(old, _request(tmp_path))


def record(state: Path, session: str, seed: int) -> int:
    """A session's journal of a synthetic tape; the number of its bars."""
    tape = load_tape(
        TapeSelection(
            source=f"synthetic:{seed}",
            from_ns=new_york_ns("2026-03-02T18:00"),
            to_ns=new_york_ns("2026-03-20T17:00"),
            history_days=0,
        )
    )
    folder = state / "sessions" / session
    folder.mkdir(parents=True)
    with MarketJournal.open(folder / "market.db") as journal:
        journal.add_base_bars(tape.bars, history=False)
    return len(tape.bars)


def test_bars_of_two_sessions_are_taken_once(tmp_path: Path) -> None:
    count = record(tmp_path, "20260302T000000-aaaa", 3)
    record(tmp_path, "20260303T000000-bbbb", 3)
    (bars,) = recorded_bars(tmp_path, sessions_max=10).values()
    assert len(bars) == count
    assert np.all(np.diff([bar.start_ns for bar in bars]) > 0)


def test_recorded_sessions_are_trained_on_in_a_process_of_their_own(tmp_path: Path) -> None:
    """As the actor starts it; a market without a pattern promotes nobody."""
    record(tmp_path / "state", "20260302T000000-aaaa", 3)
    shutil.copytree(ROOT / "models", tmp_path / "models")
    before = current_version(tmp_path / "models")
    done = subprocess.run(
        [sys.executable, "-m", "mia_actors.trainer"],
        input=_request(tmp_path).model_dump_json(),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["champion"] == before
    assert report["samples"] > 100
    assert report["judgement"]["is_promoted"] is (current_version(tmp_path / "models") != before)
    assert set(report["drift"]["feature_psi"]) == set(load(ROOT / "models").manifest.feature_names)


def test_too_little_recorded_is_refused_with_the_number(tmp_path: Path) -> None:
    record(tmp_path / "state", "20260302T000000-aaaa", 3)
    shutil.copytree(ROOT / "models", tmp_path / "models")
    with pytest.raises(PermanentError, match="at least 100000 are needed"):
        retrain(_request(tmp_path, training=SMALL.model_copy(update={"samples_min": 100_000})))


def test_nothing_recorded_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    shutil.copytree(ROOT / "models", tmp_path / "models")
    with pytest.raises(PermanentError, match="bars of one length are needed, found none"):
        retrain(_request(tmp_path))
