"""The exchange calendar: business days, half days, regular hours and monthly expiries, by exchange time.

Holidays come from `pandas_market_calendars` (`CME_Equity`; `NYSE` for expiries, which are those of the stock market's
options), read once per year and only when asked for.
"""

from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache

from mia_actors.core.clock import time_ns_of, utc_datetime
from mia_actors.core.trade_date import CHICAGO, NEW_YORK

CALENDAR = "CME_Equity"
STOCK_CALENDAR = "NYSE"
REGULAR_OPEN = time(9, 30)
REGULAR_CLOSE = time(16, 0)
HALF_DAY_CLOSE = time(13, 0)
HALF_DAY_LAST = time(12, 55)
"""New York; the futures themselves stop at 13:15 or 13:00, by the year."""
GLOBEX_CLOSE = time(16, 0)
FRIDAY = 4


@cache
def _closes(year: int) -> dict[date, datetime]:
    """Close of each business day of a year, Chicago time."""
    import pandas_market_calendars as calendars  # noqa: PLC0415 - half a second that most processes never need

    schedule = calendars.get_calendar(CALENDAR).schedule(f"{year}-01-01", f"{year}-12-31")
    return {day.date(): close.tz_convert(CHICAGO) for day, close in schedule["market_close"].items()}


@cache
def _stock_days(year: int) -> frozenset[date]:
    """Days on which the stock market opens."""
    import pandas_market_calendars as calendars  # noqa: PLC0415 - as above

    days = calendars.get_calendar(STOCK_CALENDAR).valid_days(f"{year}-01-01", f"{year}-12-31")
    return frozenset(day.date() for day in days)


def new_york(time_ns: int) -> datetime:
    """A moment as New York sees it."""
    return utc_datetime(time_ns).astimezone(NEW_YORK)


def is_business_day(day: date) -> bool:
    """True when ES has a session with this trade date."""
    return day in _closes(day.year)


def is_half_day(day: date) -> bool:
    """True when the session of this trade date closes before 16:00 Chicago."""
    close = _closes(day.year).get(day)
    return close is not None and close.time() < GLOBEX_CLOSE


def session_close_ns(day: date) -> int | None:
    """End of the session of a trade date; None when there is none."""
    close = _closes(day.year).get(day)
    return time_ns_of(close) if close is not None else None


def is_regular_hours(time_ns: int, opens: time = REGULAR_OPEN, closes: time = REGULAR_CLOSE) -> bool:
    """True within `opens` to `closes` New York of a business day, and before the close of the futures.

    Half days end at 13:00 at the latest, though the futures may trade a quarter of an hour longer.
    """
    hours = regular_hours_ns(new_york(time_ns).date(), opens, closes)
    return hours is not None and hours[0] <= time_ns < hours[1]


@lru_cache(maxsize=4096)
def regular_hours_ns(day: date, opens: time, closes: time) -> tuple[int, int] | None:
    """Begin and end of the moments of a New York day that `is_regular_hours`; None without any."""
    close_ns = session_close_ns(day)
    if close_ns is None:
        return None
    begin_ns = time_ns_of(datetime.combine(day, opens, NEW_YORK))
    end_ns = min(time_ns_of(datetime.combine(day, closes, NEW_YORK)), close_ns)
    if is_half_day(day):
        end_ns = min(end_ns, time_ns_of(datetime.combine(day, HALF_DAY_CLOSE, NEW_YORK)))
    return (begin_ns, end_ns) if begin_ns < end_ns else None


def on_day(limit: time, day: date) -> time:
    """A New York time limit of full days, as it holds on `day`: on half days as long before the early close."""
    if not is_half_day(day):
        return limit
    early_by = datetime.combine(day, REGULAR_CLOSE) - datetime.combine(day, HALF_DAY_CLOSE)
    return min((datetime.combine(day, limit) - early_by).time(), HALF_DAY_LAST)


@cache
def monthly_expiry(year: int, month: int) -> date:
    """Third Friday of a month, or the last day before it on which the stock market opens when that is a holiday."""
    first = date(year, month, 1)
    day = first + timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)
    while day not in _stock_days(day.year):
        day -= timedelta(days=1)
    return day
