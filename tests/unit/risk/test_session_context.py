from collections.abc import Callable
from datetime import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.features import MarketRegime, TimeframeFeatures, VolatilityRegime
from mia_actors.risk.session_context import OTHER, SessionContext, phase_at, session_context
from tests.unit.cycle.situations import long_features, new_york_ns

MakeFeatures = Callable[..., TimeframeFeatures]
PLAIN: dict[str, Any] = {"market_regime": MarketRegime.UNCLEAR, "relative_volume": 1.0}


def _context(at: str = "10:30", reach: int | None = 100, **changes: Any) -> SessionContext:
    return session_context(new_york_ns(f"2013-10-08T{at}"), long_features(**(PLAIN | changes)), reach)


@pytest.mark.parametrize(
    ("local", "name"),
    [("03:00", "london_open"), ("09:30", "opening"), ("09:59", "opening"), ("10:00", "morning"),
     ("12:00", "lunch"), ("14:00", "close"), ("16:00", "other"), ("02:59", "other")],
)  # fmt: skip
def test_phases_are_new_yorks(local: str, name: str) -> None:
    assert phase_at(time.fromisoformat(local)).name == name


def test_the_same_wall_clock_is_the_same_phase_in_summer_and_winter() -> None:
    for day in ("2013-01-08", "2013-07-09"):
        assert session_context(new_york_ns(f"{day}T12:30"), long_features(**PLAIN), 100).phase == "lunch"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0.70, 1.0, 0.9)),
        ({"market_regime": MarketRegime.WEAK_TREND}, (0.65, 1.2, 0.9)),
        ({"reach": 39}, (0.80, 0.7, 1.1)),
        ({"reach": 161, "relative_volume": 1.2}, (0.85, 0.5, 1.4)),
        ({"reach": 161}, (0.70, 1.0, 0.9)),
        ({"reach": 241, "relative_volume": 1.2}, (0.80, 0.6, 1.5)),
        ({"relative_volume": 0.49}, (0.70, 0.8, 1.2)),
        ({"reach": None, "relative_volume": None}, (0.70, 1.0, 0.9)),
    ],
)
def test_the_day_so_far_adjusts_the_phase(
    changes: dict[str, Any], expected: tuple[float, float, float]
) -> None:
    found = _context(**changes)
    assert (found.threshold, found.size_factor, found.risk_factor) == pytest.approx(expected)


def test_extreme_volatility_suspends() -> None:
    assert _context(volatility_regime=VolatilityRegime.EXTREME).is_suspended
    assert not _context(volatility_regime=VolatilityRegime.HIGH).is_suspended


def test_a_session_of_low_quality_suspends() -> None:
    poor = _context("12:30", relative_volume=0.4, volatility_regime=VolatilityRegime.HIGH)
    assert poor.quality == pytest.approx(0.35 / 0.80)
    assert poor.is_suspended


@given(
    minute=st.integers(0, 24 * 60 - 1),
    reach=st.none() | st.integers(0, 1000),
    volume=st.none() | st.floats(0, 50),
    volatility=st.none() | st.sampled_from(VolatilityRegime),
    market=st.none() | st.sampled_from(MarketRegime),
)
def test_the_context_stays_within_its_bounds(
    minute: int, reach: int | None, volume: float | None, volatility: Any, market: Any
) -> None:
    features = long_features(relative_volume=volume, volatility_regime=volatility, market_regime=market)
    found = session_context(new_york_ns("2013-10-08T00:00") + minute * 60 * 10**9, features, reach)
    assert 0.60 <= found.threshold <= 0.95
    assert 0.3 <= found.size_factor <= 2.0
    assert 0.5 <= found.risk_factor <= 3.0
    assert 0 <= found.quality <= 1


def test_what_has_no_phase_of_its_own_is_other() -> None:
    assert phase_at(time(20)) is OTHER
