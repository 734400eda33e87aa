"""Historical bars are those that were shown, of the length and duration asked for, and never later ones."""

from collections.abc import Iterable
from datetime import date

import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar, Timeframe
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.gateway.historical_bars import BAR_SIZES, HistoricalBar
from mia_actors.exchange.gateway.history import History

MINUTE_NS = 60 * NS_PER_S
MONDAY_15_UTC_NS = 1_381_158_000 * NS_PER_S  # 2013-10-07
DAY_NS = 24 * 60 * MINUTE_NS
SMALL, ONE, FIVE, DAY, WEEK = (BAR_SIZES[name] for name in ("5 secs", "1 min", "5 mins", "1 day", "1 week"))


def minute(start_ns: int, close_ticks: int = 6_702) -> Bar:
    return Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M1,
        start_ns=start_ns,
        open_ticks=6_700,
        high_ticks=6_705,
        low_ticks=6_698,
        close_ticks=close_ticks,
        volume=120,
    )


def minutes(start_ns: int, count: int) -> list[Bar]:
    return [minute(start_ns + number * MINUTE_NS, 6_700 + number % 5) for number in range(count)]


def told(bars: Iterable[Bar | HistoricalBar]) -> list[tuple[int, ...]]:
    return [
        (
            bar.start_ns,
            bar.end_ns,
            bar.open_ticks,
            bar.high_ticks,
            bar.low_ticks,
            bar.close_ticks,
            bar.volume,
        )
        for bar in bars
    ]


def test_seconds_reach_back_from_now_and_small_bars_add_to_the_closed_ones() -> None:
    """Ten closed minutes and half of the eleventh; a minute and a half back is eighteen small bars."""
    base = minutes(MONDAY_15_UTC_NS, 11)
    history = History(base[:10])
    for small in expand(base[10])[:6]:
        history.add_small(small)
    now_ns = base[10].start_ns + 30 * NS_PER_S
    found = history.bars(SMALL, "90 S", now_ns)
    assert told(found) == told([*expand(base[9]), *expand(base[10])[:6]])
    assert told(history.bars(ONE, "120 S", now_ns)) == told([base[9]])


def test_base_bar_is_history_once_it_is_closed() -> None:
    base = minutes(MONDAY_15_UTC_NS, 2)
    history = History(base[:1])
    for small in expand(base[1]):
        history.add_small(small)
    history.close_base(base[1])
    assert told(history.bars(ONE, "1 D", base[1].end_ns)) == told(base)
    assert told(history.bars(SMALL, "60 S", base[1].end_ns)) == told(expand(base[1]))


def test_nothing_after_the_moment_asked_for_is_told() -> None:
    """A moment within a minute: small bars up to it, minutes that ended by then."""
    base = minutes(MONDAY_15_UTC_NS, 5)
    history, until_ns = History(base), base[2].start_ns + 20 * NS_PER_S
    assert told(history.bars(ONE, "1 D", until_ns)) == told(base[:2])
    assert told(history.bars(SMALL, "20 S", until_ns)) == told(expand(base[2])[:4])
    assert list(history.small_bars(until_ns, base[3].start_ns)) == list(expand(base[2])[4:])
    assert next(history.small_bars_back(until_ns)) == expand(base[2])[3]


def test_longer_bars_are_built_from_closed_ones_only() -> None:
    base = minutes(MONDAY_15_UTC_NS, 7)
    (only,) = History(base).bars(FIVE, "1 D", base[-1].end_ns)
    assert (only.start_ns, only.volume) == (MONDAY_15_UTC_NS, 5 * 120)
    assert (only.open_ticks, only.close_ticks) == (base[0].open_ticks, base[4].close_ticks)


def test_bars_of_days_and_weeks_follow_the_trade_date_and_include_the_one_in_progress() -> None:
    """22:30 UTC on a Thursday belongs to Friday; the Monday after it begins another week."""
    starts = [MONDAY_15_UTC_NS + 3 * DAY_NS, MONDAY_15_UTC_NS + 3 * DAY_NS + 450 * MINUTE_NS]
    base = [*(minute(start_ns) for start_ns in starts), minute(MONDAY_15_UTC_NS + 7 * DAY_NS)]
    history, now_ns = History(base), base[-1].end_ns
    assert [bar.day for bar in history.bars(DAY, "1 W", now_ns)] == [
        date(2013, 10, 10),
        date(2013, 10, 11),
        date(2013, 10, 14),
    ]
    weeks = history.bars(WEEK, "1 M", now_ns)
    assert [(bar.day, bar.volume) for bar in weeks] == [(date(2013, 10, 11), 240), (date(2013, 10, 14), 120)]


def test_fold_goes_on_with_the_bar_in_progress() -> None:
    base = minutes(MONDAY_15_UTC_NS, 7)
    found, fold = History(base[:6]).folded(FIVE, "1 D", base[5].end_ns)
    assert len(found) == 1
    assert fold.current is not None
    assert fold.current.volume == 120
    assert fold.add(expand(base[6])[0]) is None
    assert fold.current.volume == 120 + expand(base[6])[0].volume


@pytest.mark.parametrize(("duration", "days"), [("1 D", 1), ("2 D", 2), ("1 W", 3)])
def test_days_count_trade_dates_that_have_bars(duration: str, days: int) -> None:
    base = [minute(MONDAY_15_UTC_NS + day * DAY_NS) for day in range(3)]
    found = History(base).bars(ONE, duration, base[-1].end_ns)
    assert told(found) == told(base[-days:])


@pytest.mark.parametrize("duration", ["", "1", "D", "1 Z", "-1 D", "one D", "1 d"])
def test_duration_that_is_none_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        History(minutes(MONDAY_15_UTC_NS, 1)).bars(ONE, duration, MONDAY_15_UTC_NS + MINUTE_NS)


@pytest.mark.parametrize("size", ["1 min", "3 mins"])
def test_bars_that_cannot_be_made_of_the_tapes_are_refused(size: str) -> None:
    five = Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M5,
        start_ns=MONDAY_15_UTC_NS,
        open_ticks=6_700,
        high_ticks=6_705,
        low_ticks=6_698,
        close_ticks=6_702,
        volume=120,
    )
    with pytest.raises(ValueError, match="cannot be made"):
        History([five]).bars(BAR_SIZES[size], "1 D", five.end_ns)


def test_figures_of_the_day_begin_anew_with_the_trade_date() -> None:
    base = [
        minute(MONDAY_15_UTC_NS),
        minute(MONDAY_15_UTC_NS + DAY_NS),
        minute(MONDAY_15_UTC_NS + 2 * DAY_NS),
    ]
    history = History(base)
    small = expand(minute(base[-1].end_ns, 6_700))[0]
    history.add_small(small)
    day = history.day
    assert day is not None
    assert (day.day, day.volume) == (date(2013, 10, 9), 120 + small.volume)
    assert (day.open_ticks, day.close_before_ticks) == (6_700, 6_702)
