"""Battle Navale: buyers against sellers, and whether the last base holds (domain section 3), signed."""

from math import isnan, nan
from typing import NamedTuple

from mia_actors.core.kernel import kernel
from mia_actors.features.base import RANGE_BARS
from mia_actors.features.columns import Columns

BATTLE_BARS = 5
GOLDEN_RULE_BARS = 20
BASE_QUALITY_MIN = 0.5
BODY_RATIO_MIN = 0.6
LOPSIDED_FLOW = 0.2
DECIDED_OUTCOME = 0.4
NO_BASE = -1


class Battle(NamedTuple):
    """See `core.features.BattleReading`; `signal` is NaN where there is none, base prices where there is no base."""

    signal: float
    confidence: float
    outcome: float
    continuation: float
    base_quality: float
    base_low_ticks: float
    base_high_ticks: float
    golden_rule_holds: bool


@kernel
def read_battle(columns: Columns, first: int, last: int, bar_pattern: float) -> Battle:
    """The battle of the last five bars, and the golden rule of the last base within 20.

    Everything is signed before it is weighed: 0.40 · outcome + 0.35 · continuation + 0.25 · base quality in
    the base's direction, which equals the domain's 2 · (signal - 0.5). The most recent green or red base of
    quality above 0.5 decides; its direction is its colour while it holds and the opposite once a bar of the
    other colour has closed beyond it by more than half a tick. Without a base both terms are 0.
    Unavailable under 20 bars or where nothing was traded.
    """
    traded = 0
    for place in range(max(first, last - GOLDEN_RULE_BARS + 1), last + 1):
        traded += columns.volumes[place]
    if last - first + 1 < GOLDEN_RULE_BARS or traded == 0:
        return Battle(nan, nan, nan, nan, nan, nan, nan, False)
    outcome = _outcome(columns, last, traded / GOLDEN_RULE_BARS)
    base = _last_base(columns, first, last)
    holds = False
    continuation = based = quality = 0.0
    base_low = base_high = nan
    if base != NO_BASE:
        holds = _holds(columns, base, last)
        colour = columns.base_colours[base]
        direction = colour if holds else -colour
        quality = columns.base_qualities[base]
        based = direction * quality
        continuation = direction * _conviction(outcome * colour, holds)
        base_low, base_high = float(columns.base_lows[base]), float(columns.base_highs[base])
    signal = 0.40 * outcome + 0.35 * continuation + 0.25 * based
    confidence = _confidence(quality, abs(continuation), abs(signal), bar_pattern)
    return Battle(signal, confidence, outcome, continuation, quality, base_low, base_high, holds)


@kernel
def _outcome(columns: Columns, last: int, mean_volume: float) -> float:
    """(Vikings - Defenders) / (Vikings + Defenders) of the last five bars; 0 when neither fought.

    The domain's fixed 1500 and 1000 contracts are the mean volume of 20 bars. Neutral bars count for neither.
    """
    vikings = defenders = delta = 0.0
    volume = 0
    for place in range(last - BATTLE_BARS + 1, last + 1):
        delta += columns.deltas[place]
        volume += columns.volumes[place]
        body = columns.closes[place] - columns.opens[place]
        if body == 0:
            continue
        ratio = abs(body) / (columns.highs[place] - columns.lows[place])
        force = 0.2 * min(columns.volumes[place] / mean_volume, 2.0)
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


@kernel
def _last_base(columns: Columns, first: int, last: int) -> int:
    """Position of the most recent base that can decide."""
    for age in range(min(GOLDEN_RULE_BARS, last - first + 1 - RANGE_BARS)):
        place = last - age
        # A comparison with NaN is false: where there is no base.
        if columns.base_qualities[place] > BASE_QUALITY_MIN and columns.base_colours[place] != 0:
            return place
    return NO_BASE


@kernel
def _holds(columns: Columns, base: int, last: int) -> bool:
    """False once a bar of the other colour closed beyond the base by more than the half tick tolerated."""
    colour = columns.base_colours[base]
    for place in range(base + 1, last + 1):
        close, opened = columns.closes[place], columns.opens[place]
        if colour > 0 and close < opened and close < columns.base_lows[base]:
            return False
        if colour < 0 and close > opened and close > columns.base_highs[base]:
            return False
    return True


@kernel
def _conviction(outcome_with_base: float, holds: bool) -> float:  # noqa: FBT001 - kernels take places only
    """Twice the distance of the domain's 0.8 / 0.6 / 0.2 from one half."""
    return 0.6 if not holds or outcome_with_base > DECIDED_OUTCOME else 0.2


@kernel
def _confidence(quality: float, continuation: float, strength: float, bar_pattern: float) -> float:
    """Mean of base quality, continuation and strength, and of a bar pattern's strength when there is one.

    No base is a fact and counts 0; that no bar pattern ended here says nothing and does not count.
    """
    total = quality + continuation + strength
    if isnan(bar_pattern) or bar_pattern == 0:
        return total / 3
    return (total + abs(bar_pattern)) / 4


@kernel
def read_pattern_strength(battle: Battle, bar_pattern: float) -> float:
    """Bar-pattern strength of domain section 2.2, signed in [-1, 1]; NaN without a battle.

    0.40 · signal + 0.25 · base quality + 0.20 · continuation + 0.15 · strength, each in its direction. When a
    bar pattern ended at this bar, it is half of the answer.
    """
    side = int(battle.continuation > 0) - int(battle.continuation < 0)
    strength = (
        0.40 * battle.signal
        + 0.25 * side * battle.base_quality
        + 0.20 * battle.continuation
        + 0.15 * battle.signal
    )
    return strength if isnan(bar_pattern) or bar_pattern == 0 else 0.5 * (strength + bar_pattern)
