"""All readings of one timeframe: a pure function of its window."""

from mia_actors.core.features import TimeframeFeatures
from mia_actors.features.battle import read_battle, read_pattern_strength
from mia_actors.features.flow import read_flow
from mia_actors.features.levels import find_levels
from mia_actors.features.momentum import read_momentum
from mia_actors.features.patterns import read_bar_patterns
from mia_actors.features.profile import read_volume_profile
from mia_actors.features.regime import read_market_regime
from mia_actors.features.volatility import read_volatility
from mia_actors.features.volume import read_volume_confirmation
from mia_actors.features.vwap import read_vwap_trend
from mia_actors.features.window import BarWindow


def evaluate(window: BarWindow) -> TimeframeFeatures:
    """Readings as of the end of the last bar.

    Guarantees: the same bars in the window give the same bits, whatever was in it before; bars mirrored in
    price give every signed reading negated, every unsigned one equal, and support and resistance exchanged,
    to the bit; no reading is NaN.

    Raises:
        ValueError: the window is empty.
    """
    if len(window) == 0:
        raise ValueError("an empty window has no features")
    volatility = read_volatility(window)
    atr_ticks = volatility.atr_ticks
    momentum = read_momentum(window)
    regime = read_market_regime(window, atr_ticks=atr_ticks, momentum=momentum)
    levels = find_levels(window, atr_ticks)
    bar_pattern = read_bar_patterns(window)
    battle = read_battle(window, bar_pattern)
    return TimeframeFeatures(
        timeframe=window.timeframe,
        as_of_ns=window.as_of_ns,
        bars_count=len(window),
        close_ticks=window.closes[-1],
        atr_ticks=atr_ticks,
        volatility_ratio=volatility.ratio,
        volatility_regime=volatility.regime,
        market_regime=regime.regime,
        regime_direction=regime.direction,
        regime_confidence=regime.confidence,
        battle=battle,
        flow=read_flow(window, levels.proximity),
        momentum=momentum,
        volume_confirmation=read_volume_confirmation(window),
        vwap_trend=read_vwap_trend(window, atr_ticks),
        pattern_strength=read_pattern_strength(battle, bar_pattern),
        volume_profile=read_volume_profile(window),
        support_ticks=levels.support_ticks,
        resistance_ticks=levels.resistance_ticks,
        level_proximity=levels.proximity,
    )
