"""Trend, range and headfake: when they call, and when they do not."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.core.features import EntryPlan, MarketRegime, TimeframeFeatures
from mia_actors.core.market import FEATURE_TIMEFRAMES, Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies import elite_patterns, range_edges, trend

MakeFeatures = Callable[..., TimeframeFeatures]
M5 = Timeframe.M5
CLOSE = 6600
PULLED_BACK: dict[str, Any] = {
    "signal": 0.9, "flow_score": 0.9, "vwap_trend": 0.9, "pattern_strength": 0.9, "volume_confirmation": 0.9,
    "regime_confidence": 0.8, "base_quality": 0.9, "level_proximity": 0.8,
    "highest_ticks": CLOSE + 6, "lowest_ticks": CLOSE - 40, "support_ticks": CLOSE - 5,
}  # fmt: skip
RANGE: dict[str, Any] = {
    "market_regime": MarketRegime.RANGE, "regime_direction": 0, "regime_confidence": 0.75, "battle": None,
    "lowest_ticks": CLOSE - 1, "highest_ticks": CLOSE + 29,
}  # fmt: skip


def _market(make: MakeFeatures, **changes: Any) -> dict[Timeframe, TimeframeFeatures]:
    return {frame: make(frame, **changes) for frame in FEATURE_TIMEFRAMES[1:]}


@pytest.mark.parametrize(
    ("changes", "score", "setup"),
    [
        ({}, 0.9, "premium pullback"),
        ({"base_quality": 0.7}, 0.75, "strong pullback"),
        ({"highest_ticks": CLOSE + 5}, 0.65, "premium breakout"),
        ({"highest_ticks": CLOSE + 5, "pattern_strength": 0.5}, 0.5, "strong trend"),
        ({"regime_confidence": 0.5}, 0.25, "weak trend"),
    ],
)
def test_the_best_setup_of_a_trend_gives_the_score(
    make_features: MakeFeatures, changes: dict[str, Any], score: float, setup: str
) -> None:
    found = trend.evaluate(_market(make_features, **(PULLED_BACK | changes)), M5)
    assert found.score == pytest.approx(score)
    assert setup in found.reason


def test_a_trend_plans_its_stop_beyond_the_last_swing(make_features: MakeFeatures) -> None:
    found = trend.evaluate(_market(make_features, **PULLED_BACK), M5)
    assert (found.side, found.plan) == (Side.BUY, EntryPlan(stop_ticks=7, target_ticks=14))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"market_regime": MarketRegime.UNCLEAR}, "no trend"),
        ({"market_regime": MarketRegime.RANGE}, "no trend"),
        ({"support_ticks": None}, "no swing"),
        ({"regime_direction": -1}, "no setup"),
    ],
)
def test_a_trend_calls_nothing_outside_one_nor_against_it(
    make_features: MakeFeatures, changes: dict[str, Any], said: str
) -> None:
    found = trend.evaluate(_market(make_features, **(PULLED_BACK | changes)), M5)
    assert (found.available, found.side, found.plan) == (True, None, None)
    assert said in found.reason


@pytest.mark.parametrize("module", [trend, range_edges])
@pytest.mark.parametrize("gone", ["market_regime", "volatility_regime", "atr_ticks"])
def test_regime_strategies_need_the_regimes(make_features: MakeFeatures, module: Any, gone: str) -> None:
    assert not module.evaluate(_market(make_features, **{gone: None}), M5).available


def test_a_range_is_bought_at_its_low_and_sold_at_its_high(make_features: MakeFeatures) -> None:
    low = range_edges.evaluate(_market(make_features, **RANGE), M5)
    edges = {"lowest_ticks": CLOSE - 29, "highest_ticks": CLOSE + 1}
    high = range_edges.evaluate(_market(make_features, **(RANGE | edges)), M5)
    assert (low.side, low.score, high.side, high.score) == (Side.BUY, 0.5, Side.SELL, -0.5)
    assert low.plan == high.plan == EntryPlan(stop_ticks=4, target_ticks=28)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"market_regime": MarketRegime.UNCLEAR}, "no range"),
        ({"lowest_ticks": CLOSE - 10}, "not at one edge"),
        ({"highest_ticks": CLOSE + 60}, "not at one edge"),
        ({"highest_ticks": CLOSE + 5}, "not at one edge"),
        ({"lowest_ticks": CLOSE - 2, "highest_ticks": CLOSE + 6}, "reward over risk 1.00"),
        ({"regime_confidence": 0.5}, "no grade"),
    ],
)
def test_a_range_calls_nothing_elsewhere(
    make_features: MakeFeatures, changes: dict[str, Any], said: str
) -> None:
    found = range_edges.evaluate(_market(make_features, **(RANGE | changes)), M5)
    assert (found.available, found.side) == (True, None)
    assert said in found.reason


@pytest.mark.parametrize(("headfake", "side"), [(0.7, None), (1.0, Side.BUY), (-1.0, Side.SELL), (0.4, None)])
def test_a_headfake_is_traded_from_a_trap_on(
    make_features: MakeFeatures, headfake: float, side: Side | None
) -> None:
    assert elite_patterns.evaluate({M5: make_features(headfake=headfake)}, M5).side is side


def test_without_a_headfake_reading_elite_patterns_are_unavailable(make_features: MakeFeatures) -> None:
    assert not elite_patterns.evaluate({M5: make_features()}, M5).available
