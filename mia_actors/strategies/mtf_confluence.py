"""MTF Confluence Elite: the battles of several timeframes, weighed (domain section 5)."""

from collections.abc import Mapping
from math import isnan, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.features import StrategyReading, TimeframeFeatures, VolatilityRegime
from mia_actors.core.kernel import kernel
from mia_actors.core.market import FEATURE_TIMEFRAMES, Timeframe
from mia_actors.strategies.thresholds import called, unavailable

FloatArray = NDArray[np.float64]

NAME = "mtf_confluence"
THRESHOLD = 0.35
"""Lower end of the domain's band "standard"."""
COVERAGE_MIN = 0.60
COMPLETE_BARS = 60

_FAST = dict(zip(FEATURE_TIMEFRAMES, (0.70, 0.20, 0.10, 0.00, 0.00), strict=True))
_MIDDLE = dict(zip(FEATURE_TIMEFRAMES, (0.50, 0.30, 0.15, 0.05, 0.05), strict=True))
_CALM = dict(zip(FEATURE_TIMEFRAMES, (0.30, 0.30, 0.25, 0.15, 0.10), strict=True))
WEIGHTS_BY_REGIME = {
    VolatilityRegime.EXTREME: _FAST,
    VolatilityRegime.HIGH: _FAST,
    VolatilityRegime.TRANSITIONING: _MIDDLE,
    VolatilityRegime.NORMAL: _MIDDLE,
    VolatilityRegime.LOW: _CALM,
}
"""The more the market moves, the more the short timeframes weigh. The domain chose the row by true range in
percent of price, in which one-minute bars only ever meet the last; the regime ranks it in its own history."""


_WEIGHTS = {
    regime: np.array([weights[timeframe] for timeframe in FEATURE_TIMEFRAMES])
    for regime, weights in WEIGHTS_BY_REGIME.items()
}


class Combined(NamedTuple):
    """What the timeframes say together; `score` means nothing where `coverage` is below `COVERAGE_MIN`."""

    score: float
    """Signed in [-1, 1]."""
    quality: float
    """Mean confidence, by weight."""
    alignment: float
    """Net share of weight and confidence that points the same way, in [0, 1]."""
    divergence: float
    """Share of pairs that contradict each other beyond ±0.3 with confidence above 0.6, by the pair's weight."""
    coverage: float
    """Share of the weight whose timeframes have data."""


def weights_of(
    regime: VolatilityRegime, entry_timeframe: Timeframe, *, include_shorter: bool = False
) -> FloatArray:
    """Weights by place in `FEATURE_TIMEFRAMES`; those shorter than the entry timeframe are 0 unless included."""
    weights = _WEIGHTS[regime].copy()
    if not include_shorter:
        weights[[frame.ns < entry_timeframe.ns for frame in FEATURE_TIMEFRAMES]] = 0.0
    return weights


def evaluate(
    features: Mapping[Timeframe, TimeframeFeatures],
    entry_timeframe: Timeframe,
    *,
    include_shorter: bool = False,
) -> StrategyReading:
    """Σ weight · signal · confidence / Σ weight, then bonuses with its sign and a penalty that shrinks it.

    Only timeframes from the entry timeframe up are heard unless `include_shorter`: a model trained on
    five-minute history then meets the same score on a one-minute tape. Weights are renormalised over the
    timeframes that have data; with less than 60 % of the weight the reading is unavailable.
    """
    own = features.get(entry_timeframe)
    if own is None or own.volatility_regime is None:
        return unavailable(NAME, threshold=THRESHOLD, missing=f"no volatility regime on {entry_timeframe}")
    weights = weights_of(own.volatility_regime, entry_timeframe, include_shorter=include_shorter)
    if not weights.any():
        return unavailable(NAME, threshold=THRESHOLD, missing=f"no weight from {entry_timeframe} up")
    signals, confidences = np.full(len(weights), nan), np.zeros(len(weights))
    for place, timeframe in enumerate(FEATURE_TIMEFRAMES):
        one = features.get(timeframe)
        if one is not None and one.battle is not None:
            signals[place] = one.battle.signal
            confidences[place] = voice_confidence(
                one.battle.base_quality,
                one.bars_count,
                nan if one.volume_confirmation is None else one.volume_confirmation,
                one.battle.golden_rule_holds,
            )
    found = combine(weights, signals, confidences)
    if found.coverage < COVERAGE_MIN:
        return unavailable(
            NAME,
            threshold=THRESHOLD,
            missing=f"timeframes with data carry {found.coverage:.2f} of the weight, {COVERAGE_MIN:.2f} needed",
        )
    available = found.coverage * weights.sum()
    said = ", ".join(
        f"{timeframe} {signal:+.2f}x{weight / available:.2f}"
        for timeframe, signal, weight in zip(FEATURE_TIMEFRAMES, signals, weights, strict=True)
        if weight > 0 and not isnan(signal)
    )
    return called(
        NAME,
        score=found.score,
        confidence=found.quality,
        threshold=THRESHOLD,
        basis=(
            f"{said}; alignment {found.alignment:.2f}, divergence {found.divergence:.2f}, "
            f"coverage {found.coverage:.2f}"
        ),
    )


@kernel
def voice_confidence(
    base_quality: float,
    bars_count: int,
    volume_confirmation: float,
    golden_rule_holds: bool,  # noqa: FBT001 - kernels take places only
) -> float:
    """Confidence of one timeframe, in [0, 1].

    Mean of base quality, completeness (bars out of 60) and volume confirmation where there is one, times 1.15
    where the golden rule holds, at most 1.
    """
    total, count = base_quality + min(bars_count / COMPLETE_BARS, 1.0), 2
    if not isnan(volume_confirmation):
        total, count = total + volume_confirmation, 3
    confidence = total / count
    return min(1.15 * confidence, 1.0) if golden_rule_holds else confidence


@kernel
def combine(weights: FloatArray, signals: FloatArray, confidences: FloatArray) -> Combined:
    """The voices of all timeframes, by place in `FEATURE_TIMEFRAMES`; a signal of NaN is not heard."""
    wanted = available = 0.0
    for place in range(len(weights)):
        if weights[place] > 0:
            wanted += weights[place]
            if not isnan(signals[place]):
                available += weights[place]
    coverage = available / wanted if wanted > 0 else 0.0
    if coverage < COVERAGE_MIN:
        return Combined(0.0, 0.0, 0.0, 0.0, coverage)
    shares = np.zeros(len(weights))
    raw = quality = net = 0.0
    for place in range(len(weights)):
        if weights[place] > 0 and not isnan(signals[place]):
            share = shares[place] = weights[place] / available
            raw += share * signals[place] * confidences[place]
            quality += share * confidences[place]
            net += (int(signals[place] > 0) - int(signals[place] < 0)) * share * confidences[place]
    alignment = abs(net) / quality if quality else 0.0
    sign = int(raw > 0) - int(raw < 0)
    strength = min(abs(raw) + _alignment_bonus(alignment) + _quality_bonus(quality), 1.0)
    divergence = _divergence(shares, signals, confidences)
    score = sign * max(0.0, strength - _divergence_penalty(divergence))
    return Combined(score, quality, alignment, divergence, coverage)


@kernel
def _alignment_bonus(alignment: float) -> float:
    return 0.2 * alignment if alignment > 0.8 else 0.1 * alignment if alignment > 0.6 else 0.0


@kernel
def _quality_bonus(quality: float) -> float:
    return 0.15 * quality if quality > 0.8 else 0.08 * quality if quality > 0.6 else 0.0


@kernel
def _divergence(shares: FloatArray, signals: FloatArray, confidences: FloatArray) -> float:
    """See `Combined.divergence`.

    The domain counts pairs that each weigh above 0.3; at most one timeframe ever does. Pairs are weighed.
    """
    total = conflict = 0.0
    for left in range(len(shares)):
        for right in range(left + 1, len(shares)):
            weight = shares[left] * shares[right]
            if weight == 0:
                continue
            total += weight
            opposed = min(signals[left], signals[right]) < -0.3 and max(signals[left], signals[right]) > 0.3
            if opposed and min(confidences[left], confidences[right]) > 0.6:
                conflict += weight
    return conflict / total if total else 0.0


@kernel
def _divergence_penalty(divergence: float) -> float:
    return 0.3 * divergence if divergence > 0.5 else 0.15 * divergence if divergence > 0.3 else 0.0
