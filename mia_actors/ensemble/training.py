"""Fits the three models and measures them: walk-forward on the past, then once on the holdout.

The training libraries are imported when training starts; nothing that serves votes loads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.errors import ConfigError
from mia_actors.ensemble.manifest import (
    ENSEMBLE_NAME,
    MODEL_NAMES,
    EnsembleWeights,
    Evidence,
    FoldEvidence,
)
from mia_actors.ensemble.training_set import FloatArray, IntArray, TrainingSet, check
from mia_actors.ensemble.validation import Split, holdout_split, score, walk_forward

Float32Array = NDArray[np.float32]
LIBRARIES = ("scikit-learn", "xgboost-cpu", "skl2onnx", "onnxmltools", "onnx", "onnxruntime", "numpy")


class TrainingSettings(BaseModel):
    """How models are fitted and measured. Equal settings and samples give equal models."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(default=8, ge=0, le=2**31 - 1, description="Seed of the forest and the boosted trees.")
    samples_min: int = Field(default=1000, ge=20, description="Fewer samples than this are refused.")
    folds: int = Field(default=5, ge=2, le=20, description="Walk-forward folds before the holdout.")
    embargo_s: int = Field(
        default=86_400, ge=0, le=2_592_000, description="Seconds between the last known outcome and a test."
    )
    holdout_from_ns: int | None = Field(
        default=None, description="Start of the holdout, UTC nanoseconds; none: the last `holdout_share`."
    )
    holdout_share: float = Field(default=0.2, gt=0, lt=0.9, description="Share of the samples held out.")
    forest_trees: int = Field(default=100, ge=1, le=1000, description="Trees of the random forest.")
    forest_depth: int = Field(default=10, ge=1, le=16, description="Depth of a tree of the forest.")
    forest_split_samples_min: int = Field(default=5, ge=2, description="Samples a node needs to be split.")
    forest_leaf_samples_min: int = Field(default=2, ge=1, description="Samples a leaf needs.")
    boost_trees: int = Field(default=100, ge=1, le=1000, description="Boosting rounds.")
    boost_depth: int = Field(default=6, ge=1, le=10, description="Depth of a boosted tree.")
    boost_rate: float = Field(default=0.1, gt=0, le=1, description="Learning rate of boosting.")
    boost_subsample: float = Field(default=0.8, gt=0, le=1, description="Share of the samples per round.")
    boost_child_weight_min: float = Field(
        default=1.0, ge=0, description="Smallest sum of second derivatives in a boosted leaf."
    )
    jobs: int = Field(default=1, ge=1, le=2, description="Threads that fit the forest.")
    approve_above: float = Field(default=0.60, ge=0.5, lt=1, description="P(good) a vote must exceed.")
    weights: EnsembleWeights = EnsembleWeights()

    def parameters(self) -> dict[str, float | int | None]:
        """The numbers that shape the result, for the manifest."""
        return self.model_dump(exclude={"seed", "jobs", "weights", "approve_above"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedModels:
    """The three models as their training libraries made them."""

    by_name: Mapping[str, Any]
    """Keys are `MODEL_NAMES`, each a fitted scikit-learn style classifier."""

    def p_good(self, x: Float32Array) -> dict[str, FloatArray]:
        """P(good) of each model, [n]."""
        return {
            name: np.asarray(self.by_name[name].predict_proba(x)[:, 1], np.float64) for name in MODEL_NAMES
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """Models fitted on everything before the holdout, and how they did."""

    models: FittedModels
    evidence: Evidence
    holdout: Split
    x: Float32Array
    """[n, 8] all samples as the models see them."""


def train(samples: TrainingSet, settings: TrainingSettings) -> Trained:
    """Walk-forward validation, then the fit whose holdout scores are those of the models returned.

    Raises:
        PermanentError: the samples cannot give an honest model; nothing is made up in their place.
        ConfigError: a training library is not installed.
    """
    check(samples, samples_min=settings.samples_min)
    x = samples.x.astype(np.float32)
    embargo_ns = settings.embargo_s * NS_PER_S
    holdout = holdout_split(
        samples,
        holdout_from_ns=settings.holdout_from_ns,
        holdout_share=settings.holdout_share,
        embargo_ns=embargo_ns,
    )
    folds = walk_forward(samples, holdout.train, folds=settings.folds, embargo_ns=embargo_ns)
    measured = tuple(
        _measured(samples, x, fold, fit(x[fold.train], samples.y[fold.train], settings), settings)
        for fold in folds
    )
    models = fit(x[holdout.train], samples.y[holdout.train], settings)
    evidence = Evidence(folds=measured, holdout=_measured(samples, x, holdout, models, settings))
    return Trained(models=models, evidence=evidence, holdout=holdout, x=x)


def library_versions() -> dict[str, str]:
    """Versions of the libraries that made a model.

    Raises:
        ConfigError: one is not installed.
    """
    _libraries()
    return {name: version(name) for name in LIBRARIES}


def _libraries() -> Any:
    """The training libraries, loaded on first use."""
    try:
        import sklearn.ensemble  # noqa: PLC0415 - training only
        import sklearn.linear_model  # noqa: PLC0415 - training only
        import sklearn.pipeline  # noqa: PLC0415 - training only
        import sklearn.preprocessing  # noqa: PLC0415 - training only
        import xgboost  # noqa: PLC0415 - training only
    except ImportError as error:
        raise ConfigError(
            f"training needs {error.name}, which is not installed; "
            "install the training extra: pip install 'mia-actors[train]'"
        ) from error
    return sklearn, xgboost


def fit(x: Float32Array, y: IntArray, settings: TrainingSettings) -> FittedModels:
    """The three models on features [n, 8] and labels [n].

    Raises:
        ConfigError: a training library is not installed.
    """
    sklearn, xgboost = _libraries()
    forest = sklearn.ensemble.RandomForestClassifier(
        n_estimators=settings.forest_trees,
        max_depth=settings.forest_depth,
        min_samples_split=settings.forest_split_samples_min,
        min_samples_leaf=settings.forest_leaf_samples_min,
        class_weight="balanced",
        random_state=settings.seed,
        n_jobs=settings.jobs,
    )
    boosted = xgboost.XGBClassifier(
        n_estimators=settings.boost_trees,
        max_depth=settings.boost_depth,
        learning_rate=settings.boost_rate,
        subsample=settings.boost_subsample,
        min_child_weight=settings.boost_child_weight_min,
        scale_pos_weight=float((y == 0).sum() / (y == 1).sum()),
        base_score=0.5,  # the balanced prior, not the share of good samples
        tree_method="hist",
        random_state=settings.seed,
        n_jobs=1,  # one order of summation, one result
    )
    logistic = sklearn.pipeline.make_pipeline(
        sklearn.preprocessing.StandardScaler(),
        sklearn.linear_model.LogisticRegression(class_weight="balanced", random_state=settings.seed),
    )
    models = {"random_forest": forest, "xgboost": boosted, "logistic_regression": logistic}
    for model in models.values():
        model.fit(x, y)
    forest.set_params(n_jobs=1)
    return FittedModels(by_name=models)


def _measured(
    samples: TrainingSet, x: Float32Array, split: Split, models: FittedModels, settings: TrainingSettings
) -> FoldEvidence:
    p_good = models.p_good(x[split.test])
    by_model = {**p_good, ENSEMBLE_NAME: settings.weights.mean(p_good)}
    scores = [
        score(name, answers, samples, split, approve_above=settings.approve_above)
        for name, answers in by_model.items()
    ]
    return FoldEvidence(
        name=split.name,
        test_from=iso_utc(int(samples.event_time_ns[split.test[0]])),
        test_until=iso_utc(int(samples.event_time_ns[split.test[-1]])),
        train_samples=len(split.train),
        purged_samples=split.purged,
        scores=tuple(scores),
    )
