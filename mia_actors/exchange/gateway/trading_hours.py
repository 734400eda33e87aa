"""Sessions of the coming or past days by the exchange calendar, as TWS writes them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mia_actors.core import calendar
from mia_actors.core.clock import time_ns_of, utc_datetime
from mia_actors.core.trade_date import CHICAGO, NEW_YORK, session_bounds_ns, trade_date

ZONE = "US/Central"
DAYS_TOLD = 6
"""How many days contract details tell the hours of."""
SCHEDULE_DAYS_MAX = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One trade date's session."""

    day: date
    start_ns: int
    end_ns: int


def session(day: date, *, regular_only: bool) -> Session | None:
    """All hours or the regular ones of a trade date; None when it has no session."""
    close_ns = calendar.session_close_ns(day)
    if close_ns is None:
        return None
    if not regular_only:
        return Session(day=day, start_ns=session_bounds_ns(day)[0], end_ns=close_ns)
    closes = calendar.HALF_DAY_CLOSE if calendar.is_half_day(day) else calendar.REGULAR_CLOSE
    starts, ends = (
        time_ns_of(datetime.combine(day, moment, NEW_YORK)) for moment in (calendar.REGULAR_OPEN, closes)
    )
    return Session(day=day, start_ns=starts, end_ns=ends)


def hours_text(time_ns: int, *, regular_only: bool) -> str:
    """Hours of the trade date of a moment and the days after it: `20131007:1700-20131008:1600;20131012:CLOSED`."""
    first = trade_date(time_ns)
    days = (first + timedelta(days=number) for number in range(DAYS_TOLD))
    return ";".join(_day_text(day, regular_only=regular_only) for day in days)


def schedule(until_ns: int, days: int, *, regular_only: bool) -> list[Session]:
    """The last sessions that began before a moment, ascending; at most `SCHEDULE_DAYS_MAX`."""
    found: list[Session] = []
    for day in _days_back(trade_date(until_ns)):
        if len(found) == min(days, SCHEDULE_DAYS_MAX):
            break
        one = session(day, regular_only=regular_only)
        if one is not None and one.start_ns < until_ns:
            found.append(one)
    return found[::-1]


def chicago_text(time_ns: int) -> str:
    """A moment as schedules write it, in Chicago time."""
    return utc_datetime(time_ns).astimezone(CHICAGO).strftime("%Y%m%d-%H:%M:%S")


def warm(time_ns: int) -> None:
    """Reads the calendar of a moment's year, which takes a quarter of a second once."""
    hours_text(time_ns, regular_only=False)


def _days_back(last: date) -> Iterator[date]:
    return (last - timedelta(days=number) for number in range(2 * SCHEDULE_DAYS_MAX))


def _day_text(day: date, *, regular_only: bool) -> str:
    one = session(day, regular_only=regular_only)
    if one is None:
        return f"{day:%Y%m%d}:CLOSED"
    starts, ends = (utc_datetime(moment).astimezone(CHICAGO) for moment in (one.start_ns, one.end_ns))
    return f"{starts:%Y%m%d:%H%M}-{ends:%Y%m%d:%H%M}"
