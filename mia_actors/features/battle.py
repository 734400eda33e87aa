"""Battle Navale: buyers against sellers, and whether the last base holds (domain section 3), signed."""

from mia_actors.core.features import BattleReading
from mia_actors.features.base import RANGE_BARS, Base
from mia_actors.features.window import BarWindow

BATTLE_BARS = 5
GOLDEN_RULE_BARS = 20
BASE_QUALITY_MIN = 0.5
BODY_RATIO_MIN = 0.6
LOPSIDED_FLOW = 0.2
DECIDED_OUTCOME = 0.4


def read_battle(window: BarWindow, bar_pattern: float | None) -> BattleReading | None:
    """The battle of the last five bars, and the golden rule of the last base within 20.

    Everything is signed before it is weighed: 0.40 · outcome + 0.35 · continuation + 0.25 · base quality in
    the base's direction, which equals the domain's 2 · (signal - 0.5). The most recent green or red base of
    quality above 0.5 decides; its direction is its colour while it holds and the opposite once a bar of the
    other colour has closed beyond it by more than half a tick. Without a base both terms are 0.
    None under 20 bars or where nothing was traded.
    """
    if len(window) < GOLDEN_RULE_BARS:
        return None
    traded = sum(window.volumes[-GOLDEN_RULE_BARS:])
    if traded == 0:
        return None
    outcome = _outcome(window, traded / GOLDEN_RULE_BARS)
    base, age = _last_base(window)
    holds = base is not None and _holds(window, base, age)
    continuation = based = quality = 0.0
    if base is not None:
        direction = base.colour if holds else -base.colour
        quality = base.quality
        based = direction * quality
        continuation = direction * _conviction(outcome * base.colour, holds=holds)
    signal = 0.40 * outcome + 0.35 * continuation + 0.25 * based
    return BattleReading(
        signal=signal,
        confidence=_confidence(quality, abs(continuation), abs(signal), bar_pattern),
        outcome=outcome,
        continuation=continuation,
        base_quality=quality,
        base_low_ticks=base.low_ticks if base else None,
        base_high_ticks=base.high_ticks if base else None,
        golden_rule_holds=holds,
    )


def _outcome(window: BarWindow, mean_volume: float) -> float:
    """(Vikings - Defenders) / (Vikings + Defenders) of the last five bars; 0 when neither fought.

    The domain's fixed 1500 and 1000 contracts are the mean volume of 20 bars. Neutral bars count for neither.
    """
    vikings = defenders = 0.0
    delta = 0.0
    volume = 0
    for position in range(len(window) - BATTLE_BARS, len(window)):
        delta += window.deltas[position]
        volume += window.volumes[position]
        body = window.closes[position] - window.opens[position]
        if body == 0:
            continue
        ratio = abs(body) / (window.highs[position] - window.lows[position])
        force = 0.2 * min(window.volumes[position] / mean_volume, 2.0)
        if ratio > BODY_RATIO_MIN:
            force += 0.8 * ratio
        if body > 0:
            vikings += force
        else:
            defenders += force
    flow = 0.5 * min(abs(delta) / mean_volume, 1.0)
    if abs(delta) > LOPSIDED_FLOW * volume:
        flow += 0.3
    if delta > 0:
        vikings += flow
    elif delta < 0:
        defenders += flow
    fought = vikings + defenders
    return (vikings - defenders) / fought if fought else 0.0


def _last_base(window: BarWindow) -> tuple[Base | None, int]:
    """The most recent base that can decide, and how many bars have closed since."""
    bases = window.bases
    last = len(bases) - 1
    for age in range(min(GOLDEN_RULE_BARS, len(bases) - RANGE_BARS)):
        base = bases[last - age]
        if base is not None and base.colour and base.quality > BASE_QUALITY_MIN:
            return base, age
    return None, 0


def _holds(window: BarWindow, base: Base, age: int) -> bool:
    """False once a bar of the other colour closed beyond the base by more than the half tick tolerated."""
    for position in range(len(window) - age, len(window)):
        close, opened = window.closes[position], window.opens[position]
        if base.colour > 0 and close < opened and close < base.low_ticks:
            return False
        if base.colour < 0 and close > opened and close > base.high_ticks:
            return False
    return True


def _conviction(outcome_with_base: float, *, holds: bool) -> float:
    """Twice the distance of the domain's 0.8 / 0.6 / 0.2 from one half."""
    return 0.6 if not holds or outcome_with_base > DECIDED_OUTCOME else 0.2


def _confidence(quality: float, continuation: float, strength: float, bar_pattern: float | None) -> float:
    """Mean of base quality, continuation and strength, and of a bar pattern's strength when there is one.

    No base is a fact and counts 0; that no bar pattern ended here says nothing and does not count.
    """
    parts = [quality, continuation, strength]
    if bar_pattern:
        parts.append(abs(bar_pattern))
    return sum(parts) / len(parts)


def read_pattern_strength(battle: BattleReading | None, bar_pattern: float | None) -> float | None:
    """Bar-pattern strength of domain section 2.2, signed in [-1, 1]; None without a battle.

    0.40 · signal + 0.25 · base quality + 0.20 · continuation + 0.15 · strength, each in its direction. When a
    bar pattern ended at this bar, it is half of the answer.
    """
    if battle is None:
        return None
    side = (battle.continuation > 0) - (battle.continuation < 0)
    strength = (
        0.40 * battle.signal
        + 0.25 * side * battle.base_quality
        + 0.20 * battle.continuation
        + 0.15 * battle.signal
    )
    return 0.5 * (strength + bar_pattern) if bar_pattern else strength
