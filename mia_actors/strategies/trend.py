"""Trading with the trend (domain section 7): pullbacks and breakouts while the market regime is a trend."""

from collections.abc import Mapping
from typing import NamedTuple

from mia_actors.core.features import EntryPlan, MarketRegime, StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.strategies import mtf_confluence
from mia_actors.strategies.confluence import confluence
from mia_actors.strategies.thresholds import THRESHOLD_BY_REGIME, called, unavailable

NAME = "trend"
TRENDS = frozenset({MarketRegime.STRONG_TREND, MarketRegime.WEAK_TREND})
BEYOND_STRUCTURE_TICKS = 2
REWARD = 2.0
FULL_MULTIPLIER = 2.0


class Setup(NamedTuple):
    """What a grade of setup needs, each at least; `pullback` in mean true ranges."""

    name: str
    multiplier: float
    """The domain's size multiplier; half of it is the score."""
    support: float
    """Confluence relative to the trend's side."""
    strength: float = 0.0
    """Confidence of the regime."""
    quality: float = 0.0
    """Quality of the last base."""
    level: float = 0.0
    """Proximity of a level."""
    volume: float = 0.0
    pattern: float = 0.0
    """Strength of bar patterns relative to the trend's side."""
    pullback: float = 0.0


SETUPS = (
    Setup("premium pullback", 1.8, 0.85, strength=0.7, quality=0.8, level=0.7, pullback=1.0),
    Setup("strong pullback", 1.5, 0.70, strength=0.7, quality=0.6, level=0.5, pullback=1.0),
    Setup("premium breakout", 1.3, 0.80, strength=0.8, volume=0.8, pattern=0.8),
    Setup("strong trend", 1.0, 0.70, strength=0.6),
    Setup("weak trend", 0.5, 0.60),
)
"""Best first. The domain's pullback of 0.2 % of price is another distance for a mirrored market: here it is one mean
true range off the extreme of 30 bars."""


def evaluate(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe) -> StrategyReading:
    """The best setup on the side of the trend; none outside a trend, and never against it.

    The stop is planned two ticks beyond the nearest swing on the other side, the target at twice its distance.
    """
    own = features.get(entry_timeframe)
    missing = _missing(own, entry_timeframe)
    if own is None or missing is not None:
        return unavailable(NAME, threshold=1.0, missing=missing or "")
    threshold = THRESHOLD_BY_REGIME[own.volatility_regime] if own.volatility_regime else 1.0
    side = own.regime_direction
    if own.market_regime not in TRENDS or side == 0:
        said = f"market regime {own.market_regime}: no trend"
        return called(NAME, score=0.0, confidence=0.0, threshold=threshold, basis=said)
    plan = _plan(own, side)
    if plan is None:
        said = "no swing on the other side to put a stop beyond"
        return called(NAME, score=0.0, confidence=0.0, threshold=threshold, basis=said)
    support = _support(features, entry_timeframe, side)
    setup = next((one for one in SETUPS if _meets(own, one, side, support)), None)
    strength = own.regime_confidence or 0.0
    said = f"{setup.name if setup else 'no setup'}: confluence {support:.2f}, strength {strength:.2f}"
    score = side * setup.multiplier / FULL_MULTIPLIER if setup else 0.0
    return called(
        NAME, score=score, confidence=strength * support, threshold=threshold, basis=said, plan=plan
    )


def _missing(own: TimeframeFeatures | None, entry_timeframe: Timeframe) -> str | None:
    if own is None or own.market_regime is None or own.regime_confidence is None:
        return f"no market regime on {entry_timeframe}"
    if own.volatility_regime is None or not own.atr_ticks:
        return f"no volatility regime on {entry_timeframe}"
    return None


def _support(features: Mapping[Timeframe, TimeframeFeatures], entry_timeframe: Timeframe, side: int) -> float:
    several = mtf_confluence.evaluate(features, entry_timeframe)
    return (side * confluence(features, entry_timeframe, (several,)).value + 1) / 2


def _meets(own: TimeframeFeatures, setup: Setup, side: int, support: float) -> bool:
    """Every part of a setup that asks for something is there; what is unavailable does not meet it."""
    quality = own.battle.base_quality if own.battle is not None else None
    pattern = None if own.pattern_strength is None else side * own.pattern_strength
    parts = (
        (support, setup.support),
        (own.regime_confidence, setup.strength),
        (quality, setup.quality),
        (own.level_proximity, setup.level),
        (own.volume_confirmation, setup.volume),
        (pattern, setup.pattern),
        (_pullback(own, side), setup.pullback),
    )
    return all(least == 0 or (value is not None and value >= least) for value, least in parts)


def _pullback(own: TimeframeFeatures, side: int) -> float | None:
    extreme = own.highest_ticks if side > 0 else own.lowest_ticks
    if extreme is None or not own.atr_ticks:
        return None
    return side * (extreme - own.close_ticks) / own.atr_ticks


def _plan(own: TimeframeFeatures, side: int) -> EntryPlan | None:
    structure = own.support_ticks if side > 0 else own.resistance_ticks
    if structure is None:
        return None
    stop = side * (own.close_ticks - structure) + BEYOND_STRUCTURE_TICKS
    return EntryPlan(stop_ticks=stop, target_ticks=int(REWARD * stop))
