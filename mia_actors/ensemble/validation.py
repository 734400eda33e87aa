"""Chronological, purged and embargoed splits, and honest scores. Pure numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.errors import PermanentError
from mia_actors.ensemble.manifest import Scores
from mia_actors.ensemble.training_set import FloatArray, IntArray, TrainingSet

BoolArray = NDArray[np.bool_]
DIGITS = 6
P_FLOOR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Row numbers to fit on and row numbers to measure on; the outcomes of the first were known before."""

    name: str
    train: IntArray
    test: IntArray
    purged: int
    """Older rows left out because their outcome was not known, plus the embargo, at the start of the test."""


def holdout_split(
    samples: TrainingSet, *, holdout_from_ns: int | None, holdout_share: float, embargo_ns: int
) -> Split:
    """The last part kept from every choice: from `holdout_from_ns` on, or else the last share of the samples.

    Raises:
        PermanentError: one of the two parts would be empty.
    """
    if holdout_from_ns is None:
        first = samples.count - max(1, round(samples.count * holdout_share))
        holdout_from_ns = int(samples.event_time_ns[first])
    everything = np.arange(samples.count, dtype=np.int64)
    return _split("holdout", samples, everything, (holdout_from_ns, None), embargo_ns)


def walk_forward(samples: TrainingSet, within: IntArray, *, folds: int, embargo_ns: int) -> tuple[Split, ...]:
    """Expanding-window folds inside `within`: of `folds + 1` blocks each but the first is tested once.

    Blocks are cut at event times, so that decisions of one moment are never on both sides.

    Raises:
        PermanentError: a fold would be empty.
    """
    times = samples.event_time_ns[within]
    cuts = [int(times[round(len(within) * number / (folds + 1))]) for number in range(1, folds + 1)]
    spans = zip(cuts, [*cuts[1:], None], strict=True)
    return tuple(
        _split(f"fold {number}", samples, within, span_ns, embargo_ns)
        for number, span_ns in enumerate(spans, 1)
    )


def _split(
    name: str, samples: TrainingSet, within: IntArray, span_ns: tuple[int, int | None], embargo_ns: int
) -> Split:
    start_ns, end_ns = span_ns
    times = samples.event_time_ns[within]
    older = times < start_ns
    known = older & (samples.label_end_ns[within] + embargo_ns <= start_ns)
    tested = times >= start_ns
    if end_ns is not None:
        tested &= times < end_ns
    split = Split(
        name=name, train=within[known], test=within[tested], purged=int(older.sum()) - int(known.sum())
    )
    for part, rows in (("train", split.train), ("test", split.test)):
        if len(rows) == 0:
            raise PermanentError(
                f"validation: {name} has no {part} samples; give more data, fewer folds or another split"
            )
    if len(np.unique(samples.y[split.train])) < 2:
        raise PermanentError(
            f"validation: the {len(split.train)} training samples of {name} have one class only"
        )
    return split


def at_base_rate(p_good: FloatArray, base_rate: float) -> FloatArray:
    """P(good) of a model trained with balanced classes, moved to the odds of `base_rate` (Bayes' rule)."""
    good = p_good * base_rate
    bad = (1.0 - p_good) * (1.0 - base_rate)
    return np.asarray(good / (good + bad), dtype=np.float64)


def score(
    model: str, p_good: FloatArray, samples: TrainingSet, split: Split, *, approve_above: float
) -> Scores:
    """Scores of `p_good`, given under the balanced prior for the test rows of `split`."""
    good = samples.y[split.test].astype(np.bool_)
    approved = p_good > approve_above
    net_usd = samples.net_usd[split.test]
    trained_base_rate = float(samples.y[split.train].mean())
    hits = int((approved & good).sum())
    precision = _ratio(hits, int(approved.sum()))
    recall = _ratio(hits, int(good.sum()))
    f1 = None
    if precision is not None and recall is not None:
        f1 = 0.0 if hits == 0 else 2 * precision * recall / (precision + recall)
    corrected = at_base_rate(p_good, trained_base_rate)
    constant = np.full(len(good), trained_base_rate)
    base_rate = float(good.mean())
    return Scores(
        model=model,
        samples=len(good),
        base_rate=round(base_rate, DIGITS),
        accuracy=round(float((approved == good).mean()), DIGITS),
        majority_accuracy=round(max(base_rate, 1.0 - base_rate), DIGITS),
        approved=int(approved.sum()),
        precision=_rounded(precision),
        recall=_rounded(recall),
        f1=_rounded(f1),
        auc=_rounded(area_under_curve(p_good, good)),
        brier=round(_brier(corrected, good), DIGITS),
        brier_of_base_rate=round(_brier(constant, good), DIGITS),
        log_loss=round(_log_loss(corrected, good), DIGITS),
        log_loss_of_base_rate=round(_log_loss(constant, good), DIGITS),
        net_usd_mean=round(float(net_usd.mean()), DIGITS),
        net_usd_mean_approved=_rounded(_mean(net_usd[approved])),
        net_usd_standard_error_approved=_rounded(_standard_error(net_usd[approved])),
    )


def area_under_curve(p_good: FloatArray, good: BoolArray) -> float | None:
    """Chance that a good sample is ranked above a bad one, ties counted half; None with one class only."""
    goods, bads = int(good.sum()), int((~good).sum())
    if goods == 0 or bads == 0:
        return None
    _, places, counts = np.unique(p_good, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_ranks = ends - (counts - 1) / 2.0
    rank_sum = float(mean_ranks[places][good].sum())
    return (rank_sum - goods * (goods + 1) / 2.0) / (goods * bads)


def _brier(p_good: FloatArray, good: BoolArray) -> float:
    return float(np.mean((p_good - good) ** 2))


def _log_loss(p_good: FloatArray, good: BoolArray) -> float:
    bounded = np.clip(p_good, P_FLOOR, 1.0 - P_FLOOR)
    return float(-np.mean(np.where(good, np.log(bounded), np.log1p(-bounded))))


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) else None


def _standard_error(values: FloatArray) -> float | None:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
