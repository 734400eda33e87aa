"""Challenger against champion on samples that neither was fitted on. Pure.

Promoted is only what is better in probability and no worse in money: the mean log loss must be smaller by a paired
bootstrap over trade dates (samples of one date share their market; Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapter 8), and the mean result of what the challenger approves at least that of the champion.
"""

from dataclasses import dataclass

import numpy as np

from mia_actors.ensemble.training_set import FloatArray, IntArray

DRAWS = 2000
P_FLOOR = 1e-6
DAYS_MIN = 10
"""Fewer trade dates are no sample of days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Samples of which neither model knows anything, in order of time."""

    good: IntArray
    """[n] 1: the trade was good."""
    net_usd: FloatArray
    day: IntArray
    """[n] trade date, as a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What came of it, and the figures it rests on."""

    is_promoted: bool
    reason: str
    samples: int
    days: int
    log_loss_champion: float
    log_loss_challenger: float
    p_value: float
    """Share of the draws in which the challenger is no better."""
    net_usd_champion: float | None
    """Mean of what it approved; None where it approved nothing."""
    net_usd_challenger: float | None


def judge(
    unseen: Unseen,
    champion: FloatArray,
    challenger: FloatArray,
    *,
    approve_above: float,
    p_value_max: float,
    seed: int,
) -> Judgement:
    """Compares P(good) of both, given under the balanced prior, [n] each."""
    days = len(np.unique(unseen.day))
    ours, theirs = _log_losses(challenger, unseen.good), _log_losses(champion, unseen.good)
    p_value = _p_value(theirs - ours, unseen.day, seed) if days >= DAYS_MIN else 1.0
    earned = _mean_approved(challenger, unseen.net_usd, approve_above)
    known = _mean_approved(champion, unseen.net_usd, approve_above)
    reason = _objection(days, p_value, p_value_max, earned, known)
    return Judgement(
        is_promoted=not reason,
        reason=reason or f"better on {days} trade dates that neither had seen (p {p_value:.3f})",
        samples=len(unseen.good),
        days=days,
        log_loss_champion=float(theirs.mean()) if len(theirs) else 0.0,
        log_loss_challenger=float(ours.mean()) if len(ours) else 0.0,
        p_value=p_value,
        net_usd_champion=known,
        net_usd_challenger=earned,
    )


def _objection(
    days: int, p_value: float, p_value_max: float, earned: float | None, known: float | None
) -> str:
    if days < DAYS_MIN:
        return f"{days} unseen trade dates, at least {DAYS_MIN} needed"
    if p_value >= p_value_max:
        return f"not shown to be better: p {p_value:.3f}, under {p_value_max} needed"
    if earned is None:
        return "the challenger approves nothing of what neither had seen"
    if known is not None and earned < known:
        return f"what it approves makes {earned:+.2f} USD a trade, the champion's {known:+.2f}"
    return ""


def _log_losses(p_good: FloatArray, good: IntArray) -> FloatArray:
    bounded = np.clip(p_good, P_FLOOR, 1 - P_FLOOR)
    return np.asarray(-np.where(good == 1, np.log(bounded), np.log1p(-bounded)), dtype=np.float64)


def _p_value(better_by: FloatArray, day: IntArray, seed: int) -> float:
    _, places = np.unique(day, return_inverse=True)
    sums = np.bincount(places, weights=better_by)
    counts = np.bincount(places)
    draws = np.random.default_rng(seed).integers(0, len(sums), size=(DRAWS, len(sums)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    return float((means <= 0).mean())


def _mean_approved(p_good: FloatArray, net_usd: FloatArray, approve_above: float) -> float | None:
    taken = net_usd[p_good > approve_above]
    return float(taken.mean()) if len(taken) else None
