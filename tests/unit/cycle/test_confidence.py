from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.features import StrategyReading
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.cycle.confidence import confidence
from tests.unit.cycle.situations import long_market, mirror_of

M5 = Timeframe.M5


def _reading(strategy: str, score: float, sure: float = 0.6, side: Side | None = None) -> StrategyReading:
    return StrategyReading(
        strategy=strategy,
        score=score,
        confidence=sure,
        threshold=0.25,
        side=side,
        available=True,
        reason="",
    )


BATTLE = _reading("battle_navale", 0.5, 0.7, Side.BUY)
MTF = _reading("mtf_confluence", 0.4, 0.9, Side.BUY)
SMART = _reading("smart_money", -0.2)
ALL = (BATTLE, MTF, SMART)


def _confidence(
    *readings: StrategyReading, side: Side = Side.BUY, support: float = 0.7, **changes: Any
) -> float:
    return confidence(long_market(**changes), M5, readings, side, support)


def test_every_part_counts_with_its_weight() -> None:
    """Weights of domain section 10: strategy 15, Battle Navale 20, confluence 15, regime 10, MTF 15, smart 10.

    Calling strategies are on average 0.8 sure; the regime is an up-trend of confidence 0.8, so 0.9 for a long.
    """
    expected = (15 * 0.8 + 20 * 0.75 + 15 * 0.7 + 10 * 0.9 + 15 * 0.7 + 10 * 0.4) / 85
    assert _confidence(*ALL) == pytest.approx(expected)


def test_against_the_trend_the_same_readings_are_worth_less() -> None:
    """For a short nobody calls: the strategy part is absent, the signed ones turn round."""
    expected = (20 * 0.25 + 15 * 0.7 + 10 * 0.1 + 15 * 0.3 + 10 * 0.6) / 70
    assert _confidence(*ALL, side=Side.SELL) == pytest.approx(expected)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_unavailable_reading_is_left_out_and_not_counted_as_half(number: int) -> None:
    without = tuple(reading for place, reading in enumerate(ALL) if place != number)
    silent = replace(ALL[number], score=0.0, confidence=0.0, side=None, available=False)
    assert _confidence(*without, silent) == pytest.approx(_confidence(*without))
    assert _confidence(*without, silent) != pytest.approx(_confidence(*ALL))


def test_an_unavailable_regime_is_left_out() -> None:
    expected = (15 * 0.8 + 20 * 0.75 + 15 * 0.7 + 15 * 0.7 + 10 * 0.4) / 75
    assert _confidence(*ALL, regime_confidence=None) == pytest.approx(expected)


def test_confluence_alone_still_gives_an_answer() -> None:
    assert _confidence(support=0.66, regime_confidence=None) == pytest.approx(0.66)


scores = st.floats(-1, 1)
shares = st.floats(0, 1)
sides = st.none() | st.sampled_from(Side)


@given(
    readings=st.tuples(*(st.builds(_reading, st.just(one.strategy), scores, shares, sides) for one in ALL)),
    side=st.sampled_from(Side),
    support=shares,
    regime=st.none() | shares,
    direction=st.sampled_from((-1, 0, 1)),
)
def test_a_mirrored_market_is_as_sure_of_the_other_side(
    readings: tuple[StrategyReading, ...], side: Side, support: float, regime: float | None, direction: int
) -> None:
    here = long_market(regime_confidence=regime, regime_direction=direction)
    turned = [
        replace(one, score=-one.score, side=one.side.opposite if one.side else None) for one in readings
    ]
    found = confidence(here, M5, readings, side, support)
    assert found == pytest.approx(confidence(mirror_of(here), M5, turned, side.opposite, support))
    assert 0 <= found <= 1 + 1e-12


@given(better=shares, worse=shares)
def test_more_support_never_lowers_it(better: float, worse: float) -> None:
    low, high = sorted((better, worse))
    assert _confidence(*ALL, support=low) <= _confidence(*ALL, support=high)
