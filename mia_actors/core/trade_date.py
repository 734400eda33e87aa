"""The CME trade date: a session that opens at 17:00 Chicago belongs to the next business day."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mia_actors.core.clock import NS_PER_S, time_ns_of, utc_datetime

CHICAGO = ZoneInfo("America/Chicago")
NEW_YORK = ZoneInfo("America/New_York")
ROLLOVER_HOUR = 17
SATURDAY = 5


@lru_cache(maxsize=4096)
def _trade_date_of_hour(hour: int) -> date:
    moment = utc_datetime(hour * 3600 * NS_PER_S).astimezone(CHICAGO)
    day = moment.date() + timedelta(days=1) if moment.hour >= ROLLOVER_HOUR else moment.date()
    while day.weekday() >= SATURDAY:
        day += timedelta(days=1)
    return day


def trade_date(time_ns: int) -> date:
    """Trade date of a moment; the last nanosecond before 17:00 Chicago still belongs to the old day."""
    return _trade_date_of_hour(time_ns // (3600 * NS_PER_S))


def session_bounds_ns(day: date) -> tuple[int, int]:
    """First nanosecond and end of the 24-hour window whose bars have this trade date.

    A Monday's window opens on Sunday at 17:00 Chicago.
    """
    end = datetime(day.year, day.month, day.day, ROLLOVER_HOUR, tzinfo=CHICAGO)
    return time_ns_of(end - timedelta(days=1)), time_ns_of(end)
