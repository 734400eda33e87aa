from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.strategies.confluence import UNSIGNED, WEIGHTS, ConfluenceReading, confluence

MakeFeatures = Callable[..., TimeframeFeatures]
M5 = Timeframe.M5


def _mtf(score: float, *, available: bool = True) -> StrategyReading:
    return StrategyReading(
        strategy="mtf_confluence",
        score=score,
        confidence=0.7,
        threshold=0.35,
        side=None,
        available=available,
        reason="",
    )


def _relative(reading: ConfluenceReading, side: Side) -> float:
    return (side.sign * reading.value + 1) / 2


def _domain_score(reading: ConfluenceReading, side: Side) -> float:
    """Section 2.2 written out for one side, over the available parts."""
    total = 0.0
    for part in reading.parts:
        if part.value is None:
            continue
        counted = part.value if part.name in UNSIGNED else (side.sign * part.value + 1) / 2
        total += part.weight * counted
    return total / reading.coverage


def test_weights_sum_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(signed=st.lists(st.floats(-1, 1), min_size=4, max_size=4), volume=st.none() | st.floats(0, 1))
def test_favoured_side_has_the_score_of_the_domain(
    make_features: MakeFeatures, signed: list[float], volume: float | None
) -> None:
    """Long and short alike; the other side never gets more than one half."""
    features = make_features(
        vwap_trend=signed[0], pattern_strength=signed[1], flow_score=signed[2], volume_confirmation=volume
    )
    reading = confluence({M5: features}, M5, [_mtf(signed[3])])
    favoured = Side.BUY if reading.value > 0 else Side.SELL
    if reading.value != 0:
        assert _relative(reading, favoured) == pytest.approx(_domain_score(reading, favoured))
        assert _relative(reading, favoured.opposite) <= 0.5


def test_weak_volume_takes_support_away_but_gives_none_to_the_other_side(make_features: MakeFeatures) -> None:
    features = make_features(vwap_trend=0.1, pattern_strength=0.1, flow_score=0.1, volume_confirmation=0.0)
    reading = confluence({M5: features}, M5, [_mtf(0.1)])
    assert reading.value == 0


def test_bars_alone_can_pass_the_gate(make_features: MakeFeatures) -> None:
    """In the reference the most that bars could reach was 0.52, under the gate of 0.60."""
    features = make_features(vwap_trend=-0.5, pattern_strength=-0.4, flow_score=-0.6)
    reading = confluence({M5: features}, M5, [_mtf(-0.5)])
    assert reading.coverage == pytest.approx(0.70)
    assert _relative(reading, Side.SELL) > 0.60


def test_parts_say_what_was_missing(make_features: MakeFeatures) -> None:
    reading = confluence({M5: make_features(vwap_trend=None)}, M5, [_mtf(0.9, available=False)])
    values = {name: (weight, value, available) for name, weight, value, available in reading.parts}
    assert values["gamma_proximity"] == (0.25, None, False)
    assert values["vwap_trend"] == (0.15, None, False)
    assert values["mtf_confluence"] == (0.12, None, False)
    assert values["smart_money"] == (0.10, 0.6, True)
    assert reading.coverage == pytest.approx(0.18 + 0.15 + 0.10)


def test_nothing_available_is_no_confluence() -> None:
    reading = confluence({}, M5, [])
    assert (reading.value, reading.coverage) == (0, 0)
    assert not any(part.available for part in reading.parts)
