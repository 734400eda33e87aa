"""Ways to trade the signals. Each chooses from the past alone what it takes in the year that follows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.training import TrainingSettings, fit
from mia_actors.evidence.trading import one_at_a_time
from mia_actors.features.columns import FloatArray
from mia_actors.strategies.registry import BUILT_IN, DEFAULT

Mask = NDArray[np.bool_]
Choose = Callable[[pd.DataFrame, pd.DataFrame], Mask]
"""Takes the signals whose outcome was known before the year, and the year's; says which of these are traded."""
TRADES_MIN = 100
"""Fewer past trades choose nothing."""
CONVINCED = 2.0
"""Standard errors above zero that the past must show before anything is traded."""
EMBARGO_NS = 86_400 * 1_000_000_000
HOURS = ((0, 10 * 60 + 30), (10 * 60 + 30, 12 * 60), (12 * 60, 14 * 60), (14 * 60, 24 * 60))
REGIMES: Mapping[str, tuple[object, ...]] = {
    "market": ("strong_trend", "weak_trend", "range", "unclear"),
    "volatility": ("low", "normal", "transitioning", "high", "extreme"),
    "trend": (-1, 0, 1),
}
THRESHOLDS = (0.50, 0.55, 0.60, 0.65)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way, and what it is."""

    name: str
    what: str
    choose: Choose
    source: str = ""
    """The strategy among those asked alone whose signals these are; without: the signals of the default ones."""


def variants(settings: DecisionSettings, training: TrainingSettings) -> tuple[Variant, ...]:
    """All that are compared; the number of them is the number of trials."""
    models = _Models(training)
    rules = _rules(settings)
    alone = [
        Variant(
            name=f"{name} alone",
            what=f"signals that {name} calls, whatever else does",
            choose=_called_by(name),
        )
        for name in DEFAULT
    ]
    others = [
        Variant(
            name=f"{name} alone",
            what=f"signals of {name}, which is not asked by default",
            choose=lambda _, now: np.ones(len(now), dtype=bool),
            source=name,
        )
        for name in BUILT_IN
        if name not in DEFAULT
    ]
    return (
        Variant(name="rules", what="the shipped gates, no ensemble", choose=lambda _, now: rules(now)),
        Variant(
            name="rules, ensemble",
            what=f"the shipped gates, P(good) above {training.approve_above:.2f} of models fitted on the past",
            choose=lambda past, now: rules(now) & (models.p_good(past, now) > training.approve_above),
        ),
        Variant(
            name="ensemble",
            what="every signal with P(good) above the threshold",
            choose=lambda past, now: models.p_good(past, now) > training.approve_above,
        ),
        Variant(
            name="ensemble, threshold from the past",
            what=f"the threshold of {THRESHOLDS} that was best in the last past year, models of the years before it",
            choose=models.with_chosen_threshold,
        ),
        *alone,
        *others,
        Variant(
            name="thresholds from the past",
            what="support, confidence and number of strategies that were best in the past",
            choose=_best_of(_threshold_masks),
        ),
        Variant(
            name="regime from the past",
            what="the market or volatility regime that was best in the past",
            choose=_best_of(_regime_masks),
        ),
        Variant(
            name="hours from the past",
            what="the part of the day that was best in the past",
            choose=_best_of(_hour_masks),
        ),
        Variant(
            name="only what the past proves",
            what=f"the best of all these filters, if the past has it {CONVINCED:.0f} standard errors above zero",
            choose=_best_of(_all_masks, at_least=CONVINCED),
        ),
    )


def known_before(signals: pd.DataFrame, year: int) -> pd.DataFrame:
    """Signals of earlier years whose outcome was known a day before the year began."""
    begin_ns = pd.Timestamp(f"{year}-01-01", tz="America/New_York").value
    return signals[signals["end_ns"] + EMBARGO_NS <= begin_ns]


def _rules(settings: DecisionSettings) -> Callable[[pd.DataFrame], Mask]:
    def passed(signals: pd.DataFrame) -> Mask:
        found: Mask = (
            (signals["called"] >= settings.strategies_agree_min)
            & (signals["coverage"] >= settings.confluence_coverage_min)
            & (signals["support"] >= settings.confluence_min)
            & (signals["confidence"] >= settings.confidence_min)
        ).to_numpy()
        return found

    return passed


def _called_by(name: str) -> Choose:
    def choose(_: pd.DataFrame, now: pd.DataFrame) -> Mask:
        found: Mask = now[name].to_numpy(dtype=bool)
        return found

    return choose


def _best_of(masks: Callable[[pd.DataFrame], Mapping[str, Mask]], at_least: float = -np.inf) -> Choose:
    """Trades the filter whose past trades had the highest mean in standard errors."""

    def choose(past: pd.DataFrame, now: pd.DataFrame) -> Mask:
        best, best_ratio = None, at_least
        for name, mask in masks(past).items():
            net = one_at_a_time(past[mask])["net"].to_numpy()
            if len(net) >= TRADES_MIN and net.std() > 0:
                ratio = float(net.mean() / (net.std(ddof=1) / np.sqrt(len(net))))
                if ratio > best_ratio:
                    best, best_ratio = name, ratio
        return np.zeros(len(now), dtype=bool) if best is None else masks(now)[best]

    return choose


def _threshold_masks(signals: pd.DataFrame) -> dict[str, Mask]:
    return {
        f"{called} {support} {confidence}": (
            (signals["called"] >= called)
            & (signals["support"] >= support)
            & (signals["confidence"] >= confidence)
        ).to_numpy()
        for called, support, confidence in product(
            (1, 2, 3), (0.50, 0.60, 0.65, 0.70), (0.0, 0.65, 0.70, 0.75)
        )
    }


def _regime_masks(signals: pd.DataFrame) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    for column in REGIMES:
        for value in REGIMES[column]:
            found[f"{column} {value}"] = (signals[column] == value).to_numpy()
    return found


def _hour_masks(signals: pd.DataFrame) -> dict[str, Mask]:
    minute = signals["minute"]
    return {
        f"{begin}-{end}": ((minute >= begin) & (minute < end)).to_numpy()
        for begin, end in (*HOURS, (0, 24 * 60))
    }


def _all_masks(signals: pd.DataFrame) -> dict[str, Mask]:
    return {**_threshold_masks(signals), **_regime_masks(signals), **_hour_masks(signals)}


class _Models:
    """The three models fitted on a past, once for each past."""

    def __init__(self, training: TrainingSettings) -> None:
        self._training = training
        self._known: dict[tuple[int, int, int], FloatArray] = {}

    def p_good(self, past: pd.DataFrame, now: pd.DataFrame) -> FloatArray:
        """Weighted P(good) of each of the year's signals; 0 where the past is too short for an honest model."""
        if len(past) < self._training.samples_min or not len(now):
            return np.zeros(len(now))
        key = (len(past), int(now["time_ns"].iloc[0]), len(now))
        if key not in self._known:
            columns = list(ENSEMBLE_FEATURES)
            models = fit(
                past[columns].to_numpy(dtype=np.float32),
                (past["net"] > 0).to_numpy().astype(np.int64),
                self._training,
            )
            answers = models.p_good(now[columns].to_numpy(dtype=np.float32))
            self._known[key] = self._training.weights.mean(answers)
        return self._known[key]

    def with_chosen_threshold(self, past: pd.DataFrame, now: pd.DataFrame) -> Mask:
        """The threshold whose trades in the last past year made the most per trade, of models that had not seen it."""
        if not len(past):
            return np.zeros(len(now), dtype=bool)
        last = past[past["year"] == past["year"].max()]
        before = known_before(past, int(past["year"].max()))
        inner = self.p_good(before, last)
        made = {
            threshold: float(one_at_a_time(last[inner > threshold])["net"].mean())
            for threshold in THRESHOLDS
            if (inner > threshold).sum() >= TRADES_MIN // 2
        }
        if not made:
            return np.zeros(len(now), dtype=bool)
        found: Mask = self.p_good(past, now) > max(made, key=lambda threshold: made[threshold])
        return found
