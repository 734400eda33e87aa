from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.clock import time_ns_of
from mia_actors.risk.gamma import GammaPhase, gamma_cycle

NEW_YORK = ZoneInfo("America/New_York")


def _at(day: str, clock: str = "12:00") -> int:
    return time_ns_of(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=NEW_YORK))


@pytest.mark.parametrize(
    ("day", "clock", "phase", "days_to", "days_since"),
    [
        ("2013-09-20", "16:00", "post_expiry", 28, 0),
        ("2013-09-22", "12:00", "post_expiry", 26, 2),
        ("2013-09-23", "12:00", "normal", 25, 3),
        ("2013-10-07", "12:00", "normal", 11, 17),
        ("2013-10-08", "12:00", "gamma_moderate", 10, 18),
        ("2013-10-12", "12:00", "gamma_moderate", 6, 22),
        ("2013-10-13", "12:00", "gamma_peak", 5, 23),
        ("2013-10-15", "23:59", "gamma_peak", 3, 25),
        ("2013-10-16", "00:00", "expiry_week", 2, 26),
        ("2013-10-18", "15:59", "expiry_week", 0, 28),
        ("2013-10-18", "16:00", "post_expiry", 28, 0),
        ("2013-12-20", "15:59", "expiry_week", 0, 35),
        ("2013-12-20", "16:00", "post_expiry", 28, 0),
    ],
)
def test_the_phase_follows_the_new_york_calendar(
    day: str, clock: str, phase: str, days_to: int, days_since: int
) -> None:
    """Expiries of autumn 2013: 20 September, 18 October, 15 November, 20 December, then 17 January."""
    found = gamma_cycle(_at(day, clock))
    assert (found.phase.value, found.days_to, found.days_since) == (phase, days_to, days_since)


def test_the_year_turns_between_two_expiries() -> None:
    found = gamma_cycle(_at("2013-12-31"))
    assert (found.last_expiry, found.next_expiry) == (date(2013, 12, 20), date(2014, 1, 17))


@pytest.mark.parametrize(
    ("phase_day", "factor"),
    [("2013-10-17", 0.8), ("2013-10-14", 1.2), ("2013-10-09", 1.0), ("2013-10-01", 1.0), ("2013-10-19", 1.0)],
)
def test_each_phase_has_its_size_factor(phase_day: str, factor: float) -> None:
    assert gamma_cycle(_at(phase_day)).size_factor == factor


def test_the_reason_names_both_expiries() -> None:
    assert gamma_cycle(_at("2013-10-14")).reason == (
        "gamma_peak: 4 days to expiry 2013-10-18, 24 since 2013-09-20"
    )


def test_an_expiry_on_good_friday_moves_to_thursday() -> None:
    """18 April 2014: from Thursday 16:00 on, the expiry has passed."""
    assert gamma_cycle(_at("2014-04-17", "15:59")).next_expiry == date(2014, 4, 17)
    assert gamma_cycle(_at("2014-04-17", "16:00")).last_expiry == date(2014, 4, 17)


@given(st.integers(0, 10 * 365 * 24 * 60 - 1))
def test_every_moment_lies_between_its_two_expiries(minute: int) -> None:
    """Ten years from 2013 on."""
    moment = datetime(2013, 1, 1, tzinfo=NEW_YORK) + timedelta(minutes=minute)
    found = gamma_cycle(time_ns_of(moment))
    here = time_ns_of(moment)
    assert _at(str(found.last_expiry), "16:00") <= here < _at(str(found.next_expiry), "16:00")
    assert 27 <= found.days_to + found.days_since <= 36
    assert 14 <= found.next_expiry.day <= 21
    assert found.phase in GammaPhase
