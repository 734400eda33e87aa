"""Features for the strategies' tests."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mia_actors.core.features import (
    BattleReading,
    FlowReading,
    MarketRegime,
    TimeframeFeatures,
    VolatilityRegime,
)
from mia_actors.core.market import Timeframe


def _features(
    timeframe: Timeframe = Timeframe.M5,
    *,
    signal: float = 0.4,
    base_quality: float = 0.7,
    holds: bool = True,
    flow_score: float = 0.6,
    **changes: Any,
) -> TimeframeFeatures:
    whole = TimeframeFeatures(
        timeframe=timeframe,
        as_of_ns=1_381_240_800_000_000_000,
        bars_count=120,
        close_ticks=6600,
        atr_ticks=6.0,
        volatility_ratio=1.0,
        volatility_regime=VolatilityRegime.NORMAL,
        market_regime=MarketRegime.WEAK_TREND,
        regime_direction=1,
        regime_confidence=0.7,
        battle=BattleReading(
            signal=signal,
            confidence=0.6,
            outcome=signal,
            continuation=0.2,
            base_quality=base_quality,
            base_low_ticks=6590,
            base_high_ticks=6598,
            golden_rule_holds=holds,
        ),
        flow=FlowReading(
            flow=flow_score, intensity=0.7, persistence=0.8, score=flow_score, confidence=0.6, estimated=True
        ),
        momentum=0.2,
        volume_confirmation=0.6,
        vwap_trend=0.5,
        pattern_strength=0.4,
        volume_profile=0.1,
        support_ticks=6592,
        resistance_ticks=6610,
        level_proximity=0.3,
    )
    return replace(whole, **changes)


@pytest.fixture
def make_features() -> Callable[..., TimeframeFeatures]:
    """Features of a modest up-trend, with what the test changes."""
    return _features
