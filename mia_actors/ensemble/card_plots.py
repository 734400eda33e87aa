"""The pictures of a model card: what the holdout says, of the very files stored. Written beside the card."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.ensemble.manifest import ENSEMBLE_NAME, MODEL_NAMES
from mia_actors.ensemble.training import Trained, TrainingSettings
from mia_actors.ensemble.training_set import FloatArray, IntArray, TrainingSet
from mia_actors.ensemble.validation import at_base_rate

PLOT_FILES = ("reliability.png", "roc.png", "net_usd_by_threshold.png", "importances.png")
RELIABILITY_BINS = 10
THRESHOLDS = np.arange(0.40, 0.81, 0.02)
APPROVED_MIN = 20
"""Fewer approvals are not drawn: their mean says nothing."""
SIZE = (6.0, 4.0)
DPI = 110
METADATA = {"Software": None}
"""Nothing in the file that changes with the library or the day."""


def reliability(p_good: FloatArray, good: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Mean P(good), share of good samples and count in bins of as many samples each."""
    order = np.argsort(p_good, kind="stable")
    parts = [part for part in np.array_split(order, RELIABILITY_BINS) if len(part)]
    means = np.array([p_good[part].mean() for part in parts])
    shares = np.array([good[part].mean() for part in parts])
    return means, shares, np.array([len(part) for part in parts])


def roc(p_good: FloatArray, good: IntArray) -> tuple[FloatArray, FloatArray]:
    """False and true positive rates as the threshold falls, ties taken together."""
    order = np.argsort(-p_good, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(p_good[order])), len(order) - 1)
    hits = np.cumsum(good[order])[last_of_tie]
    false = last_of_tie + 1 - hits
    return (
        np.concatenate([[0.0], false / max(1, int((good == 0).sum()))]),
        np.concatenate([[0.0], hits / max(1, int(good.sum()))]),
    )


def net_by_threshold(p_good: FloatArray, net_usd: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Thresholds with enough approvals, the mean net USD of what is above each, and its standard error."""
    rows = []
    for threshold in THRESHOLDS:
        taken = net_usd[p_good > threshold]
        if len(taken) >= APPROVED_MIN:
            rows.append((threshold, taken.mean(), taken.std(ddof=1) / np.sqrt(len(taken))))
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def importances(models: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Of each input by each model, adding up to 1: impurity, gain, and size of the standardised coefficient."""
    logistic = models["logistic_regression"][-1]
    raw = {
        "random_forest": models["random_forest"].feature_importances_,
        "xgboost": models["xgboost"].feature_importances_,
        "logistic_regression": np.abs(logistic.coef_[0]),
    }
    return {
        name: np.asarray(values, np.float64) / max(float(np.sum(values)), 1e-12)
        for name, values in raw.items()
    }


def draw_plots(directory: Path, samples: TrainingSet, settings: TrainingSettings, trained: Trained) -> None:
    """Writes `PLOT_FILES`."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - training only

    test = trained.holdout.test
    good, net_usd = samples.y[test], samples.net_usd[test]
    answers = trained.models.p_good(trained.x[test])
    by_model = {**answers, ENSEMBLE_NAME: settings.weights.mean(answers)}
    base_rate = float(samples.y[trained.holdout.train].mean())
    figures = {name: Figure(figsize=SIZE, layout="constrained") for name in PLOT_FILES}
    axes = {name: figure.add_subplot() for name, figure in figures.items()}
    _draw_reliability(axes["reliability.png"], by_model, good, base_rate)
    _draw_roc(axes["roc.png"], by_model, good)
    _draw_net(axes["net_usd_by_threshold.png"], by_model[ENSEMBLE_NAME], net_usd, settings.approve_above)
    _draw_importances(axes["importances.png"], importances(trained.models.by_name))
    for name, figure in figures.items():
        figure.savefig(directory / name, dpi=DPI, metadata=METADATA)


def _draw_reliability(
    axes: Any, by_model: Mapping[str, FloatArray], good: IntArray, base_rate: float
) -> None:
    for name, p_good in by_model.items():
        means, shares, counts = reliability(at_base_rate(p_good, base_rate), good)
        error = np.sqrt(shares * (1 - shares) / counts)
        axes.errorbar(means, shares, yerr=error, marker="o", markersize=4, capsize=2, label=name)
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color="grey", linewidth=1, label="as said")
    axes.set(
        xlabel="P(good) at the base rate", ylabel="share that was good", title="Reliability on the holdout"
    )
    axes.legend(fontsize=8)


def _draw_roc(axes: Any, by_model: Mapping[str, FloatArray], good: IntArray) -> None:
    for name, p_good in by_model.items():
        axes.plot(*roc(p_good, good), label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, label="chance")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC on the holdout")
    axes.legend(fontsize=8)


def _draw_net(axes: Any, p_good: FloatArray, net_usd: FloatArray, approve_above: float) -> None:
    thresholds, means, errors = net_by_threshold(p_good, net_usd)
    axes.plot(thresholds, means, marker="o", markersize=3, label="approved")
    axes.fill_between(
        thresholds, means - 2 * errors, means + 2 * errors, alpha=0.25, label="two standard errors"
    )
    axes.axhline(float(net_usd.mean()), color="grey", linewidth=1, label="every signal")
    axes.axhline(0.0, color="black", linewidth=1)
    axes.axvline(approve_above, color="black", linewidth=1, linestyle=":", label="threshold in service")
    axes.set(xlabel="P(good) above", ylabel="net USD a trade", title="Worth of an approval on the holdout")
    axes.legend(fontsize=8)


def _draw_importances(axes: Any, found: Mapping[str, NDArray[np.float64]]) -> None:
    places = np.arange(len(ENSEMBLE_FEATURES))
    height = 0.8 / len(MODEL_NAMES)
    for number, name in enumerate(MODEL_NAMES):
        axes.barh(places + number * height, found[name], height=height, label=name)
    axes.set_yticks(places + 0.4 - height / 2, ENSEMBLE_FEATURES)
    axes.invert_yaxis()
    axes.set(xlabel="share of the model's importance", title="What each model looks at")
    axes.legend(fontsize=8)
