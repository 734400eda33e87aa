from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.features import ENSEMBLE_FEATURES, EnsembleVector, StrategyReading, VolatilityRegime
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.cycle.ensemble_vector import ensemble_vector, time_factor
from tests.unit.cycle.situations import long_features, long_market, mirror_of, mirrored, new_york_ns

M5 = Timeframe.M5
NOON_NS = new_york_ns("2013-10-08T12:45")
MTF = StrategyReading(
    strategy="mtf_confluence",
    score=0.5,
    confidence=0.6,
    threshold=0.35,
    side=Side.BUY,
    available=True,
    reason="",
)


def _vector(
    side: Side = Side.BUY,
    *,
    readings: Sequence[StrategyReading] = (MTF,),
    confluence: float = 0.7,
    at_ns: int = NOON_NS,
    **changes: Any,
) -> EnsembleVector | None:
    return ensemble_vector(
        long_market(**changes), M5, readings, side=side, confluence=confluence, event_time_ns=at_ns
    )


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (Side.BUY, (0.7, 0.75, 0.65, 0.3, 0.7, 0.9, 0.25, 0.5)),
        (Side.SELL, (0.3, 0.25, 0.35, 0.3, 0.7, 0.1, 0.25, 0.5)),
    ],
)
def test_the_eight_features_in_their_order(side: Side, expected: tuple[float, ...]) -> None:
    """Momentum 0.4, MTF 0.5, volume profile 0.3, regime up 0.8: (side · x + 1) / 2. 12:45 is half the day."""
    found = _vector(side)
    assert found is not None
    assert dict(zip(ENSEMBLE_FEATURES, found.values, strict=True)) == pytest.approx(
        dict(
            zip(
                (
                    "momentum_flow",
                    "trend_alignment",
                    "volume_profile",
                    "support_resistance",
                    "confluence_score",
                    "market_regime_score",
                    "volatility_regime",
                    "time_factor",
                ),
                expected,
                strict=True,
            )
        )
    )


@pytest.mark.parametrize(
    "missing", ["momentum", "volume_profile", "level_proximity", "regime_confidence", "volatility_regime"]
)
def test_one_absent_input_makes_the_ensemble_abstain(missing: str) -> None:
    """In the reference a missing input became 0.5."""
    assert _vector() is not None
    absent: dict[str, Any] = {missing: None}
    assert _vector(**absent) is None


@pytest.mark.parametrize(
    "readings", [(), (replace(MTF, available=False),), (replace(MTF, strategy="other"),)]
)
def test_no_word_of_several_timeframes_makes_it_abstain(readings: Sequence[StrategyReading]) -> None:
    assert _vector(readings=readings) is None


def test_no_entry_timeframe_makes_it_abstain() -> None:
    others = {Timeframe.H1: long_features(Timeframe.H1)}
    assert ensemble_vector(others, M5, (MTF,), side=Side.BUY, confluence=0.7, event_time_ns=NOON_NS) is None


@pytest.mark.parametrize(
    "missing", ["atr_ticks", "battle", "flow", "vwap_trend", "pattern_strength", "market_regime"]
)
def test_what_is_no_input_may_be_absent(missing: str) -> None:
    absent: dict[str, Any] = {missing: None}
    assert _vector(**absent) == _vector()


def test_one_minute_features_change_nothing() -> None:
    """Trained on five-minute history, served on a one-minute tape."""
    market = long_market() | {Timeframe.M1: mirrored(long_features(Timeframe.M1))}
    found = ensemble_vector(market, M5, (MTF,), side=Side.BUY, confluence=0.7, event_time_ns=NOON_NS)
    assert found == _vector()


def test_a_range_without_direction_lies_in_the_middle() -> None:
    found = _vector(regime_direction=0)
    assert found is not None
    assert found.values[5] == 0.5


def test_the_volatility_regimes_are_in_order() -> None:
    order = ("low", "normal", "transitioning", "high", "extreme")
    found = [_vector(volatility_regime=VolatilityRegime(name)) for name in order]
    places = [one.values[6] for one in found if one is not None]
    assert places == sorted(places)
    assert (len(set(places)), places[0], places[-1]) == (5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("at", "factor"),
    [
        ("2013-10-08T04:00", 0.0),
        ("2013-10-08T09:30", 0.0),
        ("2013-10-08T12:45", 0.5),
        ("2013-12-03T12:45", 0.5),  # winter time
        ("2013-10-08T16:00", 1.0),
        ("2013-10-08T18:00", 1.0),
    ],
)
def test_the_time_factor_is_the_place_in_new_york_s_session(at: str, factor: float) -> None:
    assert time_factor(new_york_ns(at)) == factor


signed = st.floats(-1.2, 1.2)


@given(
    changes=st.fixed_dictionaries(
        {
            "momentum": signed,
            "volume_profile": signed,
            "level_proximity": st.floats(-0.2, 1.2),
            "regime_confidence": st.floats(0, 1.2),
            "regime_direction": st.sampled_from((-1, 0, 1)),
            "volatility_regime": st.sampled_from(VolatilityRegime),
        }
    ),
    score=signed,
    side=st.sampled_from(Side),
    confluence=st.floats(-0.2, 1.2),
)
def test_a_long_and_its_mirrored_short_give_the_same_vector(
    changes: dict[str, Any], score: float, side: Side, confluence: float
) -> None:
    market = long_market(**changes)
    one = ensemble_vector(
        market, M5, (replace(MTF, score=score),), side=side, confluence=confluence, event_time_ns=NOON_NS
    )
    other = ensemble_vector(
        mirror_of(market),
        M5,
        (replace(MTF, score=-score),),
        side=side.opposite,
        confluence=confluence,
        event_time_ns=NOON_NS,
    )
    assert one is not None
    assert one == other
    assert all(0 <= value <= 1 for value in one.values)
