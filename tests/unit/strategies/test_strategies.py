from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mia_actors.core.errors import ConfigError
from mia_actors.core.features import StrategyReading, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import FEATURE_TIMEFRAMES, Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies import battle_navale, mtf_confluence, smart_money
from mia_actors.strategies.confluence import confluence
from mia_actors.strategies.registry import BUILT_IN, DEFAULT, check_strategy_names, evaluate_strategies

MakeFeatures = Callable[..., TimeframeFeatures]
M1, M5, M15, H1, H4 = FEATURE_TIMEFRAMES
UPWARD = (M5, M15, H1, H4)
KEEP_FIXTURES = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _all(make: MakeFeatures, *timeframes: Timeframe, **changes: float) -> dict[Timeframe, TimeframeFeatures]:
    return {timeframe: make(timeframe, **changes) for timeframe in timeframes}


# Battle Navale.


@pytest.mark.parametrize(
    ("regime", "threshold"),
    [("low", 0.20), ("normal", 0.25), ("transitioning", 0.30), ("high", 0.35), ("extreme", 0.50)],
)
def test_battle_threshold_follows_volatility(
    make_features: MakeFeatures, regime: str, threshold: float
) -> None:
    beyond, within = (
        battle_navale.evaluate(
            {M5: make_features(signal=signal, volatility_regime=VolatilityRegime(regime))}, M5
        )
        for signal in (-threshold - 0.001, -threshold)
    )
    assert beyond.side is Side.SELL
    assert within.side is None
    assert within.available
    assert beyond.threshold == within.threshold == threshold


def test_battle_reason_quotes_its_numbers(make_features: MakeFeatures) -> None:
    reading = battle_navale.evaluate({M5: make_features(signal=0.1, base_quality=0.7)}, M5)
    assert reading.reason == (
        "+0.100 within ±0.25; normal volatility, outcome +0.10, continuation +0.20, base quality 0.70, "
        "golden rule holds"
    )


@pytest.mark.parametrize(
    ("changes", "missing"),
    [({"battle": None}, "no battle on 5m"), ({"volatility_regime": None}, "no volatility regime on 5m")],
)
def test_battle_without_input_is_unavailable(
    make_features: MakeFeatures, changes: dict[str, None], missing: str
) -> None:
    reading = battle_navale.evaluate({M5: make_features(signal=0.9, **changes)}, M5)
    assert not reading.available
    assert reading.side is None
    assert missing in reading.reason


# Smart money.


@pytest.mark.parametrize(
    ("score", "side"), [(0.51, Side.BUY), (-0.51, Side.SELL), (0.50, None), (-0.50, None)]
)
def test_smart_money_calls_beyond_its_threshold(
    make_features: MakeFeatures, score: float, side: Side | None
) -> None:
    reading = smart_money.evaluate({M5: make_features(flow_score=score)}, M5)
    assert reading.side is side
    assert "±0.50; estimated flow" in reading.reason


def test_smart_money_without_flow_is_unavailable(make_features: MakeFeatures) -> None:
    reading = smart_money.evaluate({M5: make_features(flow=None)}, M5)
    assert (reading.available, reading.side) == (False, None)
    assert "no flow on 5m" in reading.reason


# MTF Confluence.


def test_aligned_timeframes_earn_a_bonus_on_their_own_side(make_features: MakeFeatures) -> None:
    """In the reference aligned sellers gained a positive score."""
    up = mtf_confluence.evaluate(_all(make_features, *UPWARD, signal=0.4), M5)
    down = mtf_confluence.evaluate(_all(make_features, *UPWARD, signal=-0.4), M5)
    assert (up.side, down.side) == (Side.BUY, Side.SELL)
    assert up.score == -down.score
    quality = up.confidence
    # (0.7 + 1 + 0.6) / 3 · 1.15, every timeframe alike.
    assert quality == pytest.approx(0.8817, abs=1e-4)
    assert up.score == pytest.approx(0.4 * quality + 0.2 + 0.15 * quality)


def test_one_minute_bars_are_not_heard_by_default(make_features: MakeFeatures) -> None:
    """A model trained on five-minute history meets the same score on a one-minute tape."""
    without = _all(make_features, *UPWARD, signal=0.4)
    with_minute = without | _all(make_features, M1, signal=-0.9)
    assert mtf_confluence.evaluate(with_minute, M5) == mtf_confluence.evaluate(without, M5)
    heard = mtf_confluence.evaluate(with_minute, M5, include_shorter=True)
    assert heard.score < mtf_confluence.evaluate(without, M5).score


def test_weights_are_renormalised_over_what_there_is(make_features: MakeFeatures) -> None:
    """Early in a session there are no four-hour bars: the others speak for all, if they weigh enough."""
    whole = mtf_confluence.evaluate(_all(make_features, *UPWARD, signal=0.4), M5)
    without_slow = mtf_confluence.evaluate(_all(make_features, M5, M15, signal=0.4), M5)
    assert without_slow.score == pytest.approx(whole.score)
    assert "coverage 0.82" in without_slow.reason
    lone = mtf_confluence.evaluate(_all(make_features, M5, signal=0.4), M5)
    assert not lone.available
    assert "0.55 of the weight, 0.60 needed" in lone.reason


def test_volatility_moves_weight_to_short_timeframes(make_features: MakeFeatures) -> None:
    def score(regime: VolatilityRegime) -> float:
        features = _all(make_features, *UPWARD, signal=-0.1) | {M5: make_features(signal=0.5)}
        return mtf_confluence.evaluate(
            features | {M5: replace(features[M5], volatility_regime=regime)}, M5
        ).score

    assert score(VolatilityRegime.EXTREME) > score(VolatilityRegime.NORMAL) > score(VolatilityRegime.LOW)


def test_divergence_shrinks_the_score_whatever_its_sign(make_features: MakeFeatures) -> None:
    """In calm markets 5m (0.375) and 15m (0.3125) against the rest; unlike timeframes pull it to zero."""

    def reading(sign: int) -> StrategyReading:
        features = _all(make_features, H1, H4, signal=-0.5 * sign) | _all(
            make_features, M5, M15, signal=0.5 * sign
        )
        return mtf_confluence.evaluate(
            features | {M5: replace(features[M5], volatility_regime=VolatilityRegime.LOW)}, M5
        )

    up, down = reading(1), reading(-1)
    assert up.score == -down.score
    raw = 0.5 * up.confidence * (0.30 + 0.25 - 0.15 - 0.10) / 0.80
    divergence = float(up.reason.split("divergence ")[1].split(",")[0])
    assert divergence > 0.5
    expected = raw + 0.15 * up.confidence - 0.3 * divergence
    assert up.score == pytest.approx(max(0.0, expected), abs=2e-3)


def test_mtf_without_the_entry_timeframe_is_unavailable(make_features: MakeFeatures) -> None:
    assert not mtf_confluence.evaluate(_all(make_features, M15, H1, H4), M5).available


# All of them.


@KEEP_FIXTURES
@given(
    signals=st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    qualities=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    signed=st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    volume=st.none() | st.floats(0, 1),
    regime=st.sampled_from(VolatilityRegime),
)
def test_mirrored_features_give_mirrored_calls(
    make_features: MakeFeatures,
    signals: list[float],
    qualities: list[float],
    signed: list[float],
    volume: float | None,
    regime: VolatilityRegime,
) -> None:
    """Scores and confluence negated to the bit, confidences equal, sides exchanged."""

    def features(sign: int) -> dict[Timeframe, TimeframeFeatures]:
        return {
            timeframe: make_features(
                timeframe,
                signal=sign * signal,
                base_quality=quality,
                flow_score=sign * signed[0],
                vwap_trend=sign * signed[1],
                pattern_strength=sign * signed[2],
                volume_confirmation=volume,
                volatility_regime=regime,
            )
            for timeframe, signal, quality in zip(UPWARD, signals, qualities, strict=True)
        }

    readings, mirrored = (evaluate_strategies(DEFAULT, features(sign), M5) for sign in (1, -1))
    for one, other in zip(readings, mirrored, strict=True):
        assert other.score == -one.score
        assert -1 <= one.score <= 1
        assert (other.confidence, other.threshold) == (one.confidence, one.threshold)
        assert (other.side.sign if other.side else 0) == -(one.side.sign if one.side else 0)
    here = confluence(features(1), M5, readings)
    there = confluence(features(-1), M5, mirrored)
    assert there.value == -here.value
    assert there.coverage == here.coverage
    assert -1 <= here.value <= 1


def test_readings_come_in_the_order_of_the_names(make_features: MakeFeatures) -> None:
    names = ("smart_money", "battle_navale")
    readings = evaluate_strategies(names, {M5: make_features()}, M5)
    assert tuple(reading.strategy for reading in readings) == names


def test_no_features_at_all_make_every_strategy_unavailable() -> None:
    readings = evaluate_strategies(DEFAULT, {}, M5)
    assert len(readings) == 3
    assert not any(reading.available or reading.side for reading in readings)


def test_registered_name_is_the_name_in_the_reading(make_features: MakeFeatures) -> None:
    for name, strategy in BUILT_IN.items():
        assert strategy(_all(make_features, *UPWARD), M5).strategy == name


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "at least one is needed; allowed: battle_navale, mtf_confluence, smart_money"),
        (("battle_naval",), "'battle_naval' is not known; allowed: battle_navale"),
        (("smart_money", "smart_money"), "'smart_money' is given twice"),
    ],
)
def test_strategy_names_that_cannot_run_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_strategy_names(names)


def test_known_strategy_names_are_accepted() -> None:
    check_strategy_names(DEFAULT)
