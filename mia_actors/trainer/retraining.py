"""One retraining: samples, challenger, judgement, drift, and the promotion if it is due."""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.errors import PermanentError
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import product
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.export import train_and_export
from mia_actors.ensemble.manifest import MODEL_NAMES
from mia_actors.ensemble.promotion import promote
from mia_actors.ensemble.registry import ModelSet, current_version, load_version
from mia_actors.ensemble.serving import OnnxModel
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.ensemble.training_set import FloatArray, TrainingSet
from mia_actors.ensemble.validation import Split, holdout_split
from mia_actors.trainer.drift import Drift, drift
from mia_actors.trainer.judgement import Judgement, Unseen, judge
from mia_actors.trainer.recorded import recorded_bars, recorded_samples


class RetrainingRequest(BaseModel):
    """What a retraining works on; a JSON document on the standard input of `python -m mia_actors.trainer`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path
    models_dir: Path
    out_dir: Path
    """Where the challenger is stored; only a promoted one goes to `models_dir`."""
    symbol: str
    sessions_max: int
    p_value_max: float
    decision: DecisionSettings
    training: TrainingSettings
    at: str
    """UTC, for the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraining:
    """What came of it."""

    champion: str
    challenger: str
    samples: int
    judgement: Judgement
    drift: Drift


def retrain(request: RetrainingRequest) -> Retraining:
    """Fits a challenger on what was recorded and holds it against the champion on what neither has seen.

    Raises:
        PermanentError: too little was recorded, or nothing of it is new to the champion.
        ConfigError: the models do not verify, or a training library is missing.
    """
    bars = recorded_bars(request.state_dir, sessions_max=request.sessions_max)
    return retrain_on(
        recorded_samples(bars, settings=request.decision, product=product(request.symbol)), request
    )


def retrain_on(samples: TrainingSet, request: RetrainingRequest) -> Retraining:
    """The same on samples that are at hand.

    Raises:
        PermanentError: they are too few, or nothing of them is new to the champion.
        ConfigError: the models do not verify, or a training library is missing.
    """
    champion = load_version(request.models_dir, current_version(request.models_dir))
    unseen_from_ns = _seen_until_ns(champion) + request.training.embargo_s * NS_PER_S
    manifest = train_and_export(samples, request.out_dir, request.training, promoted=False)
    split = holdout_split(
        samples,
        holdout_from_ns=request.training.holdout_from_ns,
        holdout_share=request.training.holdout_share,
        embargo_ns=request.training.embargo_s * NS_PER_S,
    )
    rows = split.test[samples.event_time_ns[split.test] > unseen_from_ns]
    if not len(rows):
        raise PermanentError(f"nothing recorded after {champion.manifest.training.window_until} is held out")
    x = samples.x[rows].astype(np.float32)
    known, new = _p_good(champion, x), _p_good(load_version(request.out_dir, manifest.version), x)
    found = judge(
        _unseen(samples, rows),
        known,
        new,
        approve_above=champion.manifest.approve_above,
        p_value_max=request.p_value_max,
        seed=request.training.seed,
    )
    if found.is_promoted:
        _adopt(request, manifest.version, found.reason)
    return Retraining(
        champion=champion.manifest.version,
        challenger=manifest.version,
        samples=samples.count,
        judgement=found,
        drift=_drift(samples, split, rows, known, champion),
    )


def _seen_until_ns(champion: ModelSet) -> int:
    return time_ns_of(datetime.fromisoformat(champion.manifest.training.window_until))


def _p_good(models: ModelSet, x: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> FloatArray:
    by_model = {name: OnnxModel(name, content).p_good(x) for name, content in models.contents}
    return models.manifest.weights.mean({name: by_model[name] for name in MODEL_NAMES})


def _unseen(samples: TrainingSet, rows: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> Unseen:
    days = [trade_date(int(moment) - 1).toordinal() for moment in samples.event_time_ns[rows]]
    return Unseen(good=samples.y[rows], net_usd=samples.net_usd[rows], day=np.array(days, dtype=np.int64))


def _drift(
    samples: TrainingSet,
    split: Split,
    rows: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]",
    known: FloatArray,
    champion: ModelSet,
) -> Drift:
    """Inputs of the unseen samples against those of the earlier ones recorded."""
    base_rate = champion.manifest.training.base_rate
    return drift(samples.x[split.train], samples.x[rows], samples.y[rows], known, trained_base_rate=base_rate)


def _adopt(request: RetrainingRequest, version: str, reason: str) -> None:
    """All of its files appear under its name, or none, before it is named."""
    pending = request.models_dir / f".pending-{version}"
    shutil.rmtree(pending, ignore_errors=True)
    shutil.copytree(request.out_dir / version, pending)
    final = request.models_dir / version
    if not final.exists():
        pending.rename(final)
    shutil.rmtree(pending, ignore_errors=True)
    promote(request.models_dir, version, reason=f"trainer: {reason}", at=request.at)
