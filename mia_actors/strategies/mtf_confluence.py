"""MTF Confluence Elite: the battles of several timeframes, weighed (domain section 5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from mia_actors.core.features import StrategyReading, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import FEATURE_TIMEFRAMES, Timeframe
from mia_actors.strategies.thresholds import called, unavailable

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Voice:
    """What one timeframe says."""

    timeframe: Timeframe
    weight: float
    signal: float
    confidence: float


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
    weights = {
        timeframe: weight
        for timeframe, weight in WEIGHTS_BY_REGIME[own.volatility_regime].items()
        if weight > 0 and (include_shorter or timeframe.ns >= entry_timeframe.ns)
    }
    wanted = sum(weights.values())
    if wanted == 0:
        return unavailable(NAME, threshold=THRESHOLD, missing=f"no weight from {entry_timeframe} up")
    heard = [
        (timeframe, features[timeframe], weight)
        for timeframe, weight in weights.items()
        if timeframe in features and features[timeframe].battle is not None
    ]
    available = sum(weight for _, _, weight in heard)
    coverage = available / wanted
    if coverage < COVERAGE_MIN:
        return unavailable(
            NAME,
            threshold=THRESHOLD,
            missing=f"timeframes with data carry {coverage:.2f} of the weight, {COVERAGE_MIN:.2f} needed",
        )
    voices = [_voice(timeframe, one, weight / available) for timeframe, one, weight in heard]
    return _combined(voices, coverage)


def _voice(timeframe: Timeframe, features: TimeframeFeatures, weight: float) -> _Voice:
    """Signal and confidence of one timeframe.

    Confidence = mean of base quality, volume confirmation and completeness (bars out of 60), times 1.15 where
    the golden rule holds, at most 1.
    """
    battle = features.battle
    if battle is None:
        raise ValueError("a timeframe without a battle has no voice")
    parts = [battle.base_quality, min(features.bars_count / COMPLETE_BARS, 1.0)]
    if features.volume_confirmation is not None:
        parts.append(features.volume_confirmation)
    confidence = sum(parts) / len(parts)
    if battle.golden_rule_holds:
        confidence = min(1.15 * confidence, 1.0)
    return _Voice(timeframe=timeframe, weight=weight, signal=battle.signal, confidence=confidence)


def _combined(voices: Sequence[_Voice], coverage: float) -> StrategyReading:
    raw = sum(voice.weight * voice.signal * voice.confidence for voice in voices)
    quality = sum(voice.weight * voice.confidence for voice in voices)
    alignment = _alignment(voices, quality)
    sign = (raw > 0) - (raw < 0)
    strength = min(abs(raw) + _alignment_bonus(alignment) + _quality_bonus(quality), 1.0)
    divergence = _divergence(voices)
    score = sign * max(0.0, strength - _divergence_penalty(divergence))
    said = ", ".join(f"{voice.timeframe} {voice.signal:+.2f}x{voice.weight:.2f}" for voice in voices)
    return called(
        NAME,
        score=score,
        confidence=quality,
        threshold=THRESHOLD,
        basis=(f"{said}; alignment {alignment:.2f}, divergence {divergence:.2f}, coverage {coverage:.2f}"),
    )


def _alignment(voices: Sequence[_Voice], quality: float) -> float:
    """Net share of weight and confidence that points the same way, in [0, 1]."""
    if quality == 0:
        return 0.0
    net = sum(((voice.signal > 0) - (voice.signal < 0)) * voice.weight * voice.confidence for voice in voices)
    return abs(net) / quality


def _alignment_bonus(alignment: float) -> float:
    return 0.2 * alignment if alignment > 0.8 else 0.1 * alignment if alignment > 0.6 else 0.0


def _quality_bonus(quality: float) -> float:
    return 0.15 * quality if quality > 0.8 else 0.08 * quality if quality > 0.6 else 0.0


def _divergence(voices: Sequence[_Voice]) -> float:
    """Share of pairs that contradict each other beyond ±0.3 with confidence above 0.6, by the pair's weight.

    The domain counts pairs that each weigh above 0.3; at most one timeframe ever does. Pairs are weighed.
    """
    total = conflict = 0.0
    for left, right in combinations(voices, 2):
        weight = left.weight * right.weight
        total += weight
        opposed = min(left.signal, right.signal) < -0.3 and max(left.signal, right.signal) > 0.3
        if opposed and min(left.confidence, right.confidence) > 0.6:
            conflict += weight
    return conflict / total if total else 0.0


def _divergence_penalty(divergence: float) -> float:
    return 0.3 * divergence if divergence > 0.5 else 0.15 * divergence if divergence > 0.3 else 0.0
