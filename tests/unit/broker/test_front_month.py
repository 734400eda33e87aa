"""The front month by volume, and by days to expiry where volumes are unavailable."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.broker.front_month import Volumes, front_by_volume
from mia_actors.core.errors import ConfigError
from mia_actors.core.units import Contract

TODAY = date(2013, 12, 12)
YESTERDAY = TODAY - timedelta(days=1)
DECEMBER = Contract(symbol="ES", expiry="20131220", con_id=1)
MARCH = Contract(symbol="ES", expiry="20140321", con_id=2)
JUNE = Contract(symbol="ES", expiry="20140620", con_id=3)
LISTED = [JUNE, DECEMBER, MARCH]


def front(volumes: Volumes, *, days_min: int = 2, traded: str | None = None) -> Contract:
    return front_by_volume(
        LISTED, volumes, today=TODAY, roll_days=7, expiry_days_min=days_min, traded_expiry=traded
    )


@pytest.mark.parametrize(
    ("volumes", "chosen"),
    [
        ({1: {YESTERDAY: 9.0}, 2: {YESTERDAY: 5.0}}, DECEMBER),
        ({1: {YESTERDAY: 5.0}, 2: {YESTERDAY: 9.0}}, MARCH),
        ({1: {YESTERDAY: 5.0}, 2: {YESTERDAY: 5.0}}, DECEMBER),
        ({1: {YESTERDAY: 9.0, TODAY: 1.0}, 2: {YESTERDAY: 5.0, TODAY: 8.0}}, DECEMBER),
    ],
)
def test_the_most_volume_of_the_last_complete_trade_date_wins(volumes: Volumes, chosen: Contract) -> None:
    assert front(volumes) == chosen


@pytest.mark.parametrize(
    "volumes",
    [{}, {2: {YESTERDAY: 9.0}}, {1: {}, 2: {YESTERDAY: 9.0}}, {1: {TODAY: 1.0}, 2: {TODAY: 9.0}}],
)
def test_an_absent_volume_is_unavailable_and_days_to_expiry_decide(volumes: Volumes) -> None:
    assert front(volumes) == DECEMBER


def test_no_earlier_expiry_than_the_one_traded_comes_back() -> None:
    assert front({1: {YESTERDAY: 9.0}, 2: {YESTERDAY: 5.0}}, traded=MARCH.expiry) == MARCH


def test_nothing_left_to_trade_is_refused_with_the_expiries_listed() -> None:
    with pytest.raises(ConfigError, match=r"listed: 20131220, 20140321, 20140620"):
        front({}, days_min=400)


figures = st.dictionaries(
    st.sampled_from([YESTERDAY - timedelta(days=1), YESTERDAY, TODAY]), st.floats(0, 1e7)
)


@given(
    volumes=st.dictionaries(st.sampled_from([1, 2, 3]), figures),
    days_min=st.integers(0, 150),
    traded=st.sampled_from([None, DECEMBER.expiry, MARCH.expiry, JUNE.expiry]),
)
def test_never_too_near_expiry_and_never_back(volumes: Volumes, days_min: int, traded: str | None) -> None:
    chosen = front(volumes, days_min=days_min, traded=traded)
    assert chosen.expiry >= (TODAY + timedelta(days=days_min)).strftime("%Y%m%d")
    assert chosen.expiry >= (traded or "")
