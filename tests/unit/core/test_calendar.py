from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.calendar import (
    is_business_day,
    is_half_day,
    is_regular_hours,
    monthly_expiry,
    new_york,
    on_day,
    session_close_ns,
)
from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.trade_date import session_bounds_ns, trade_date

NEW_YORK = ZoneInfo("America/New_York")


def _utc(text: str) -> int:
    return time_ns_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("day", "business", "half"),
    [
        ("2013-10-14", True, False),  # Columbus Day: banks close, ES trades
        ("2013-11-27", True, False),
        ("2013-11-28", True, True),  # Thanksgiving
        ("2013-11-29", True, True),
        ("2013-12-24", True, True),
        ("2013-12-25", False, False),
        ("2013-12-31", True, False),
        ("2014-01-01", False, False),
        ("2014-01-20", True, True),  # Martin Luther King Day
        ("2014-04-18", False, False),  # Good Friday
        ("2014-07-03", True, True),
        ("2014-10-11", False, False),  # a Saturday
        ("2014-10-12", False, False),
        ("2022-12-26", False, False),  # Christmas on a Sunday is kept on Monday
        ("2026-11-26", True, True),
    ],
)
def test_holidays_and_half_days_are_the_exchange_s(day: str, business: bool, half: bool) -> None:  # noqa: FBT001 - a table
    found = date.fromisoformat(day)
    assert (is_business_day(found), is_half_day(found)) == (business, half)
    assert (session_close_ns(found) is not None) is business


@pytest.mark.parametrize(
    ("moment", "regular"),
    [
        ("2013-10-08T13:29:59", False),
        ("2013-10-08T13:30:00", True),
        ("2013-10-08T19:59:59", True),
        ("2013-10-08T20:00:00", False),
        ("2013-12-03T14:29:59", False),  # winter: an hour later in UTC
        ("2013-12-03T14:30:00", True),
        ("2013-12-03T20:59:59", True),
        ("2013-12-03T21:00:00", False),
        ("2013-11-29T17:59:59", True),  # the day after Thanksgiving ends at 13:00
        ("2013-11-29T18:00:00", False),
        ("2013-12-25T15:00:00", False),
        ("2013-10-12T15:00:00", False),
        ("2013-10-13T23:00:00", False),  # Sunday evening trades, but not in regular hours
    ],
)
def test_regular_hours_are_new_york_s(moment: str, regular: bool) -> None:  # noqa: FBT001 - a table
    assert is_regular_hours(_utc(moment)) is regular


def test_a_narrower_window_includes_its_start_and_excludes_its_end() -> None:
    def inside(text: str) -> bool:
        return is_regular_hours(_utc(text), time(9, 35), time(15, 45))

    assert [inside(f"2013-10-08T{text}") for text in ("13:34:59", "13:35:00", "19:44:59", "19:45:00")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_session_that_closes_before_it_opens_in_new_york_has_no_regular_hours() -> None:
    """On 7 April 2023 the futures stopped at 08:15 Chicago, 09:15 New York."""
    close = session_close_ns(date(2023, 4, 7))
    assert close == _utc("2023-04-07T13:15:00")
    assert not is_regular_hours(_utc("2023-04-07T14:30:00"))


@pytest.mark.parametrize(
    ("limit", "half"),
    [
        (time(15, 45), time(12, 45)),
        (time(15, 55), time(12, 55)),
        (time(16, 30), time(12, 55)),
        (time(12, 30), time(9, 30)),
    ],
)
def test_a_limit_comes_as_long_before_an_early_close(limit: time, half: time) -> None:
    assert on_day(limit, date(2013, 10, 8)) == limit
    assert on_day(limit, date(2013, 11, 29)) == half


@pytest.mark.parametrize("year", [2013, 2017, 2020, 2026])
def test_the_day_s_last_limit_lies_before_the_close_of_every_session(year: int) -> None:
    """Flat by 15:55 is flat five minutes before the market closes, half days included.

    On some Good Fridays the futures close before regular hours would begin; nothing is opened on those.
    """
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]
    sessions = 0
    for day in days:
        close = session_close_ns(day)
        opens = time_ns_of(datetime.combine(day, time(9, 30), NEW_YORK))
        if close is not None and close > opens:
            sessions += 1
            last = datetime.combine(day, on_day(time(15, 55), day), NEW_YORK)
            assert time_ns_of(last) + 5 * 60 * NS_PER_S <= close, day
    assert 250 <= sessions <= 262


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(2013, 10, 18), (2013, 11, 15), (2014, 2, 21), (2014, 8, 15), (2014, 4, 17), (2019, 4, 18)],
)
def test_the_monthly_expiry_is_the_third_friday_or_the_thursday_before_good_friday(
    year: int, month: int, day: int
) -> None:
    assert monthly_expiry(year, month) == date(year, month, day)


@pytest.mark.parametrize("expiry", [date(2025, 4, 17), date(2026, 6, 18)])
def test_an_expiry_on_a_holiday_of_the_stock_market_moves_to_thursday(expiry: date) -> None:
    """Good Friday 2025 and Juneteenth 2026: stocks and their options are closed, futures open for a while."""
    assert monthly_expiry(expiry.year, expiry.month) == expiry


@given(st.integers(_utc("2013-01-01T00:00:00"), _utc("2027-01-01T00:00:00")))
def test_new_york_is_five_or_four_hours_behind_utc(time_ns: int) -> None:
    offset = new_york(time_ns).utcoffset()
    assert offset in {timedelta(hours=-5), timedelta(hours=-4)}


@settings(max_examples=300)
@given(
    st.integers(_utc("2013-01-01T00:00:00"), _utc("2027-01-01T00:00:00")),
    st.integers(0, 7 * 86_400 * NS_PER_S),
)
def test_the_trade_date_is_a_weekday_that_never_goes_back(time_ns: int, later_ns: int) -> None:
    """And its window holds the moment, unless that lies in the closed hours of a weekend."""
    day = trade_date(time_ns)
    assert day.weekday() < 5
    assert trade_date(time_ns + later_ns) >= day
    start, end = session_bounds_ns(day)
    assert time_ns < end
    if time_ns < start:
        assert day.weekday() == 0
    assert trade_date(start) == trade_date(end - 1) == day
    assert trade_date(end) > day


@pytest.mark.parametrize("day", ["2026-03-09", "2026-03-10", "2026-11-02", "2026-11-03"])
def test_clock_changes_leave_every_session_its_hours(day: str) -> None:
    """Clocks change on Sunday at 02:00, before the session of Monday opens at 17:00 Chicago."""
    start, end = session_bounds_ns(date.fromisoformat(day))
    assert end - start == 24 * 3600 * NS_PER_S
