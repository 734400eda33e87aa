"""Fading the edges of a range (domain section 7): buying near its low, selling near its high."""

from collections.abc import Mapping

from mia_actors.core.features import EntryPlan, MarketRegime, StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.strategies.thresholds import THRESHOLD_BY_REGIME, called, unavailable

NAME = "range"
WIDTH_TICKS_MIN, WIDTH_TICKS_MAX, WIDTH_RANGES_MAX = 8, 40, 8
NEAR_TICKS, NEAR_RANGES = 2, 0.25
STOP_TICKS = 3
BASE_TICKS_MIN, BASE_STOP_TICKS_MIN, BASE_MARGIN_TICKS = 4, 6, 2
BEFORE_EDGE_TICKS = 1
REWARD_MIN, REWARD_FULL, REWARD_CUT = 1.2, 1.5, 0.7
GRADES = ((0.80, 1.5, "premium"), (0.70, 1.0, "strong"), (0.60, 0.5, "weak"))
"""Least confidence of the regime, which is how often the edges were tested and held; the domain's size multiplier;
its word. Confluence does not grade a range: it follows the move that is faded here."""
FULL_MULTIPLIER = 2.0


def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe) -> StrategyReading:
    """A side at the edge of a range whose edges were tested and held; none elsewhere.

    The stop is planned beyond the edge, or beyond the base where there is one, the target a tick before the other
    edge. Reward over risk under 1.2 calls nothing, under 1.5 counts 0.7 times. As for the regime, widths and distances
    of the domain's quiet year grow with the mean true range.
    """
    own = features.get(entry_timeframe)
    if own is None or own.market_regime is None or own.volatility_regime is None or not own.atr_ticks:
        missing = f"no market or volatility regime on {entry_timeframe}"
        return unavailable(NAME, threshold=1.0, missing=missing)
    low, high = own.lowest_ticks, own.highest_ticks
    threshold = THRESHOLD_BY_REGIME[own.volatility_regime]
    if own.market_regime is not MarketRegime.RANGE or low is None or high is None:
        return _nothing(threshold, f"market regime {own.market_regime}: no range")
    side = _edge(own, low, high)
    if side == 0:
        return _nothing(threshold, f"close not at one edge of {low} to {high}")
    plan = _plan(own, side, low, high)
    reward = plan.target_ticks / plan.stop_ticks
    if reward < REWARD_MIN:
        return _nothing(threshold, f"reward over risk {reward:.2f}, at least {REWARD_MIN} wanted")
    held = own.regime_confidence or 0.0
    name, multiplier = next(((name, size) for least, size, name in GRADES if held >= least), ("no", 0.0))
    cut = 1.0 if reward >= REWARD_FULL else REWARD_CUT
    where = f"the {'low' if side > 0 else 'high'} of {low} to {high}"
    return called(
        NAME,
        score=side * multiplier / FULL_MULTIPLIER * cut,
        confidence=held,
        threshold=threshold,
        basis=f"{name} grade at {where}, held {held:.2f}, reward over risk {reward:.2f}",
        plan=plan,
    )


def _edge(own: TimeframeFeatures, low: int, high: int) -> int:
    """+1 near the low of a range of the right width, -1 near its high, 0 elsewhere."""
    atr_ticks = own.atr_ticks or 0.0
    if not WIDTH_TICKS_MIN <= high - low <= max(WIDTH_TICKS_MAX, WIDTH_RANGES_MAX * atr_ticks):
        return 0
    near = max(NEAR_TICKS, NEAR_RANGES * atr_ticks)
    return int(own.close_ticks - low <= near) - int(high - own.close_ticks <= near)


def _nothing(threshold: float, said: str) -> StrategyReading:
    return called(NAME, score=0.0, confidence=0.0, threshold=threshold, basis=said)


def _plan(own: TimeframeFeatures, side: int, low: int, high: int) -> EntryPlan:
    edge, other = (low, high) if side > 0 else (high, low)
    beyond = STOP_TICKS
    battle = own.battle
    if battle is not None and battle.base_low_ticks is not None and battle.base_high_ticks is not None:
        height = battle.base_high_ticks - battle.base_low_ticks
        if height >= BASE_TICKS_MIN:
            beyond = max(BASE_STOP_TICKS_MIN, height + BASE_MARGIN_TICKS)
    stop = max(1, side * (own.close_ticks - edge) + beyond)
    return EntryPlan(
        stop_ticks=stop, target_ticks=max(0, side * (other - own.close_ticks) - BEFORE_EDGE_TICKS)
    )
