"""How much of a good figure the search for it explains."""

from itertools import combinations
from math import e, sqrt

import numpy as np
from scipy.stats import kurtosis, norm, skew

from mia_actors.features.columns import FloatArray

EULER_GAMMA = 0.577_215_664_901_532_9
BLOCKS = 12


def deflated_sharpe(daily: FloatArray, sharpes: FloatArray) -> float | None:
    """Chance that the true Sharpe ratio is above what the best of as many worthless variants would show.

    Bailey and López de Prado, "The deflated Sharpe ratio", 2014, equations 1 and 2.

    Args:
        daily: [days] results of the variant judged.
        sharpes: [variants] Sharpe ratios per day of all variants tried, the one judged included.

    Returns:
        A probability, None where results do not vary.
    """
    spread = daily.std(ddof=1) if len(daily) > 2 else 0.0
    if spread == 0:
        return None
    ratio = daily.mean() / spread
    count = max(len(sharpes), 2)
    expected = sqrt(float(sharpes.var(ddof=1)) if len(sharpes) > 1 else 0.0) * (
        (1 - EULER_GAMMA) * norm.ppf(1 - 1 / count) + EULER_GAMMA * norm.ppf(1 - 1 / (count * e))
    )
    noise = 1 - skew(daily) * ratio + (kurtosis(daily, fisher=False) - 1) / 4 * ratio**2
    return float(norm.cdf((ratio - expected) * sqrt(len(daily) - 1) / sqrt(max(noise, 1e-12))))


def probability_of_overfitting(daily: FloatArray, blocks: int = BLOCKS) -> float | None:
    """Share of splits in which the variant best in one half is below the median in the other.

    Combinatorially symmetric cross-validation: Bailey, Borwein, López de Prado and Zhu, "The probability of backtest
    overfitting", 2015. Variants are ranked by their Sharpe ratio; a tie counts half.

    Args:
        daily: [days, variants] results.
        blocks: An even number of consecutive parts of equal length.

    Returns:
        A share in [0, 1]; None with fewer than two variants that vary.
    """
    varying = daily[:, daily.std(axis=0) > 0]
    length = len(varying) // blocks
    if varying.shape[1] < 2 or length < 2:
        return None
    parts = varying[: length * blocks].reshape(blocks, length, -1)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    below = total = 0.0
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.zeros(blocks, dtype=bool)
        inside[list(chosen)] = True
        best = int(np.argmax(_sharpes(sums[inside], squares[inside], length)))
        outside = _sharpes(sums[~inside], squares[~inside], length)
        others = np.delete(outside, best)
        rank = float((others < outside[best]).mean() + 0.5 * (others == outside[best]).mean())
        below += 1.0 if rank < 0.5 else 0.5 if rank == 0.5 else 0.0
        total += 1.0
    return below / total


def _sharpes(sums: FloatArray, squares: FloatArray, length: int) -> FloatArray:
    count = len(sums) * length
    mean = sums.sum(axis=0) / count
    variance = np.maximum(squares.sum(axis=0) / count - mean**2, 1e-12)
    found: FloatArray = mean / np.sqrt(variance)
    return found
