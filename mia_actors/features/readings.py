"""All readings of one timeframe at one bar, as one record: what live workers send and backtests look up."""

from math import isnan

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.features import BattleReading, FlowReading, TimeframeFeatures
from mia_actors.core.kernel import kernel
from mia_actors.core.market import Timeframe
from mia_actors.features.battle import read_battle, read_pattern_strength
from mia_actors.features.columns import Columns
from mia_actors.features.flow import read_flow
from mia_actors.features.headfake import read_headfake
from mia_actors.features.levels import find_levels
from mia_actors.features.momentum import read_momentum
from mia_actors.features.patterns import read_bar_patterns
from mia_actors.features.profile import read_volume_profile
from mia_actors.features.regime import MARKET_REGIMES, read_extremes, read_market_regime
from mia_actors.features.session_bars import read_session_range
from mia_actors.features.volatility import VOLATILITY_REGIMES, read_volatility
from mia_actors.features.volume import read_relative_volume, read_volume_confirmation
from mia_actors.features.vwap import read_vwap_trend

RECORD = np.dtype(
    [("start_ns", np.int64), ("bars_count", np.int64), ("close_ticks", np.int64)]
    + [
        (name, np.float64)
        for name in (
            "atr_ticks",
            "volatility_ratio",
            "volatility_regime",
            "market_regime",
            "regime_direction",
            "regime_confidence",
            "battle_signal",
            "battle_confidence",
            "battle_outcome",
            "battle_continuation",
            "base_quality",
            "base_low_ticks",
            "base_high_ticks",
            "golden_rule_holds",
            "flow",
            "flow_intensity",
            "flow_persistence",
            "flow_score",
            "flow_confidence",
            "momentum",
            "volume_confirmation",
            "vwap_trend",
            "pattern_strength",
            "volume_profile",
            "support_ticks",
            "resistance_ticks",
            "level_proximity",
            "headfake",
            "relative_volume",
            "session_range_ticks",
            "lowest_ticks",
            "highest_ticks",
        )
    ]
)
"""Fields of `core.features.TimeframeFeatures`, flat; NaN is unavailable, regimes are places in their lists."""

Records = NDArray[np.void]


@kernel
def read_into(records: Records, row: int, columns: Columns, first: int, last: int) -> None:
    """Writes the readings as of the bar at `last`, over the bars from `first` on."""
    volatility = read_volatility(columns, first, last)
    momentum = read_momentum(columns, first, last)
    regime = read_market_regime(columns, first, last, volatility.atr_ticks, momentum)
    levels = find_levels(columns, first, last, volatility.atr_ticks)
    bar_pattern = read_bar_patterns(columns, first, last)
    battle = read_battle(columns, first, last, bar_pattern)
    flow = read_flow(columns, first, last, levels.proximity)
    record = records[row]
    record["start_ns"] = columns.starts_ns[last]
    record["bars_count"] = last - first + 1
    record["close_ticks"] = columns.closes[last]
    record["atr_ticks"] = volatility.atr_ticks
    record["volatility_ratio"] = volatility.ratio
    record["volatility_regime"] = volatility.regime
    record["market_regime"] = regime.regime
    record["regime_direction"] = regime.direction
    record["regime_confidence"] = regime.confidence
    record["battle_signal"] = battle.signal
    record["battle_confidence"] = battle.confidence
    record["battle_outcome"] = battle.outcome
    record["battle_continuation"] = battle.continuation
    record["base_quality"] = battle.base_quality
    record["base_low_ticks"] = battle.base_low_ticks
    record["base_high_ticks"] = battle.base_high_ticks
    record["golden_rule_holds"] = battle.golden_rule_holds
    record["flow"] = flow.flow
    record["flow_intensity"] = flow.intensity
    record["flow_persistence"] = flow.persistence
    record["flow_score"] = flow.score
    record["flow_confidence"] = flow.confidence
    record["momentum"] = momentum
    record["volume_confirmation"] = read_volume_confirmation(columns, first, last)
    record["vwap_trend"] = read_vwap_trend(columns, first, last, volatility.atr_ticks)
    record["pattern_strength"] = read_pattern_strength(battle, bar_pattern)
    record["volume_profile"] = read_volume_profile(columns, first, last)
    record["support_ticks"] = levels.support_ticks
    record["resistance_ticks"] = levels.resistance_ticks
    record["level_proximity"] = levels.proximity
    record["headfake"] = read_headfake(columns, first, last)
    record["relative_volume"] = read_relative_volume(columns, first, last)
    record["session_range_ticks"] = read_session_range(columns, first, last)
    record["lowest_ticks"], record["highest_ticks"] = read_extremes(columns, first, last)


@kernel
def read_many(records: Records, columns: Columns, lasts: NDArray[np.int64], window_bars: int) -> None:
    """Readings as of each of the bars at `lasts`, over at most `window_bars` bars up to it."""
    for row in range(len(lasts)):
        last = lasts[row]
        read_into(records, row, columns, max(0, last - window_bars + 1), last)


def features_of(record: tuple[float, ...], timeframe: Timeframe) -> TimeframeFeatures:
    """A record, as `item()` gives it, in the words of the rest of the system: None is unavailable."""
    (
        start_ns,
        bars_count,
        close_ticks,
        atr_ticks,
        volatility_ratio,
        volatility_regime,
        market_regime,
        regime_direction,
        regime_confidence,
        *_,
        momentum,
        volume_confirmation,
        vwap_trend,
        pattern_strength,
        volume_profile,
        support_ticks,
        resistance_ticks,
        level_proximity,
        headfake,
        relative_volume,
        session_range_ticks,
        lowest_ticks,
        highest_ticks,
    ) = record
    return TimeframeFeatures(
        timeframe=timeframe,
        as_of_ns=int(start_ns) + timeframe.ns,
        bars_count=int(bars_count),
        close_ticks=int(close_ticks),
        atr_ticks=_known(atr_ticks),
        volatility_ratio=_known(volatility_ratio),
        volatility_regime=None if isnan(volatility_regime) else VOLATILITY_REGIMES[int(volatility_regime)],
        market_regime=None if isnan(market_regime) else MARKET_REGIMES[int(market_regime)],
        regime_direction=int(regime_direction),
        regime_confidence=_known(regime_confidence),
        battle=_battle(record[9:17]),
        flow=_flow(record[17:22]),
        momentum=_known(momentum),
        volume_confirmation=_known(volume_confirmation),
        vwap_trend=_known(vwap_trend),
        pattern_strength=_known(pattern_strength),
        volume_profile=_known(volume_profile),
        support_ticks=_ticks(support_ticks),
        resistance_ticks=_ticks(resistance_ticks),
        level_proximity=_known(level_proximity),
        headfake=_known(headfake),
        relative_volume=_known(relative_volume),
        session_range_ticks=_ticks(session_range_ticks),
        lowest_ticks=_ticks(lowest_ticks),
        highest_ticks=_ticks(highest_ticks),
    )


def _battle(values: tuple[float, ...]) -> BattleReading | None:
    signal, confidence, outcome, continuation, quality, low_ticks, high_ticks, holds = values
    if isnan(signal):
        return None
    return BattleReading(
        signal=signal,
        confidence=confidence,
        outcome=outcome,
        continuation=continuation,
        base_quality=quality,
        base_low_ticks=_ticks(low_ticks),
        base_high_ticks=_ticks(high_ticks),
        golden_rule_holds=bool(holds),
    )


def _flow(values: tuple[float, ...]) -> FlowReading | None:
    flow, intensity, persistence, score, confidence = values
    if isnan(flow):
        return None
    return FlowReading(
        flow=flow,
        intensity=intensity,
        persistence=persistence,
        score=score,
        confidence=confidence,
        estimated=True,
    )


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _ticks(value: float) -> int | None:
    return None if isnan(value) else int(value)
