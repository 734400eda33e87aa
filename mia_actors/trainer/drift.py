"""How far the samples of today are from those a model was fitted on. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.ensemble.training_set import FloatArray, IntArray
from mia_actors.ensemble.validation import at_base_rate

BINS = 10
SHARE_FLOOR = 1e-4
MODERATE, LARGE = 0.10, 0.25
"""The customary reading of the index: below, stable; between, look at it; above, another population."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Of new samples against earlier ones."""

    feature_psi: Mapping[str, float]
    """Population stability index of each input, over deciles of the earlier samples."""
    drifted: tuple[str, ...]
    """Inputs above 0.25."""
    base_rate: float
    """Share of good samples among the new ones."""
    expected_rate: float
    """What the champion's probabilities, at the base rate it was trained at, said it would be."""
    brier: float
    brier_of_base_rate: float
    """Of always answering the base rate it was trained at: a model that still knows something is below it."""


def population_stability(earlier: FloatArray, new: FloatArray) -> float:
    """Sum over deciles of (new - old) · ln(new / old), shares floored (Siddiqi, Credit Risk Scorecards, 2006)."""
    edges = np.unique(np.quantile(earlier, np.linspace(0, 1, BINS + 1)[1:-1]))
    before = np.bincount(np.searchsorted(edges, earlier, side="right"), minlength=len(edges) + 1)
    after = np.bincount(np.searchsorted(edges, new, side="right"), minlength=len(edges) + 1)
    old = np.clip(before / len(earlier), SHARE_FLOOR, None)
    now = np.clip(after / len(new), SHARE_FLOOR, None)
    return float(((now - old) * np.log(now / old)).sum())


def drift(
    earlier: FloatArray, new: FloatArray, good: IntArray, champion: FloatArray, *, trained_base_rate: float
) -> Drift:
    """Drift of inputs [n, 8] and of the champion's answers [n] to the new ones, of which `good` came."""
    psi = {
        name: population_stability(earlier[:, place], new[:, place])
        for place, name in enumerate(ENSEMBLE_FEATURES)
    }
    said = at_base_rate(champion, trained_base_rate)
    return Drift(
        feature_psi={name: round(value, 4) for name, value in psi.items()},
        drifted=tuple(name for name, value in psi.items() if value > LARGE),
        base_rate=round(float(good.mean()), 4),
        expected_rate=round(float(said.mean()), 4),
        brier=round(float(np.mean((said - good) ** 2)), 4),
        brier_of_base_rate=round(float(np.mean((trained_base_rate - good) ** 2)), 4),
    )
