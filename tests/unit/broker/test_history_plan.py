from datetime import date
from itertools import pairwise

import pytest

from mia_actors.broker.history_plan import HistoryRange, chunks_of
from mia_actors.core.clock import iso_utc
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.core.trade_date import trade_date


def asked(first: str, last: str, timeframe: Timeframe = Timeframe.M1) -> HistoryRange:
    return HistoryRange(
        first_day=date.fromisoformat(first), last_day=date.fromisoformat(last), timeframe=timeframe
    )


def test_one_minute_bars_are_asked_for_by_trade_date_without_weekends() -> None:
    chunks = chunks_of(asked("2013-10-04", "2013-10-08"))
    assert [chunk.name for chunk in chunks] == ["2013-10-04", "2013-10-07", "2013-10-08"]
    assert {chunk.duration for chunk in chunks} == {"1 D"}
    monday = chunks[1]
    assert (iso_utc(monday.from_ns), iso_utc(monday.to_ns)) == (
        "2013-10-06T22:00:00Z",
        "2013-10-07T22:00:00Z",
    )


def test_five_minute_bars_are_asked_for_by_week() -> None:
    chunks = chunks_of(asked("2013-12-26", "2014-01-07", Timeframe.M5))
    assert [chunk.name for chunk in chunks] == ["2013-12-26", "2013-12-30", "2014-01-06"]
    assert {chunk.duration for chunk in chunks} == {"1 W"}
    assert [trade_date(chunk.to_ns - 1).isoformat() for chunk in chunks] == [
        "2013-12-27",
        "2014-01-03",
        "2014-01-07",
    ]


@pytest.mark.parametrize("timeframe", [Timeframe.S5, Timeframe.M1, Timeframe.M5])
def test_chunks_cover_every_weekday_once_over_a_change_of_the_clocks(timeframe: Timeframe) -> None:
    """Chicago leaves summer time on 2013-11-03."""
    wanted = asked("2013-10-31", "2013-11-06", timeframe)
    chunks = chunks_of(wanted)
    assert [chunk.name for chunk in chunks] == sorted({chunk.name for chunk in chunks})
    assert all(one.to_ns <= later.from_ns for one, later in pairwise(chunks))
    hours = {hour for chunk in chunks for hour in range(chunk.from_ns, chunk.to_ns, 3600 * 10**9)}
    for day in wanted.days:
        assert sum(1 for hour in hours if trade_date(hour) == day) >= 24
    assert chunks[-1].to_ns == wanted.end_ns


@pytest.mark.parametrize(
    ("first", "last", "timeframe", "says"),
    [
        ("2013-10-08", "2013-10-07", Timeframe.M1, "later than"),
        ("2013-10-05", "2013-10-06", Timeframe.M1, "only a weekend"),
        ("2013-10-07", "2013-10-08", Timeframe.H4, "allowed: 5s, 1m, 5m"),
    ],
)
def test_a_range_without_a_request_is_refused_by_name(
    first: str, last: str, timeframe: Timeframe, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        asked(first, last, timeframe)
