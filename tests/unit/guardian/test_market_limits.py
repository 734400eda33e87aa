"""Volume, spread, feed, close of session and news, at their thresholds and in their own time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.clock import NS_PER_S, time_ns_of
from mia_actors.core.errors import ConfigError
from mia_actors.core.facts import Quote, Tick
from mia_actors.core.market import Bar
from mia_actors.core.orders import Side
from mia_actors.guardian.core import Demand, GuardianCore, Level
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.news import with_news_file
from tests.unit.guardian.account import ENTRY, NOON_NS, bar, fill
from tests.unit.guardian.judging import (
    HALT,
    NO_ENTRIES,
    NO_ENTRIES_TOLD,
    NOTHING,
    TOLD,
    Words,
    at,
    core_with,
    judged,
    seen,
    thresholds,
    words,
)

VOLUME: dict[str, Any] = {
    "volume_times_mean": thresholds("5", "10", "20"),
    "volume_window_s": 60,
    "volume_pause_s": 300,
}


def traded(end_s: float, volume: int) -> Bar:
    found = bar(end_s)
    return Bar(**{name: getattr(found, name) for name in found.__slots__} | {"volume": volume})


def warmed(last_volume: int, *, bars: int = 12) -> GuardianCore:
    """A minute of bars of volume 10, then one more that ends at noon."""
    core = core_with(**VOLUME)
    core.take_history([bar(-5 * number) for number in range(bars, 0, -1)])
    core.take(traded(0, last_volume))
    return core


@pytest.mark.parametrize(
    ("volume", "expected"),
    [(49, NOTHING), (50, (TOLD,)), (99, (TOLD,)), (100, (NO_ENTRIES,)), (199, (NO_ENTRIES,)), (200, (HALT,))],
)
def test_the_volume_of_a_bar_over_the_mean_before_it(volume: int, expected: tuple[Words, ...]) -> None:
    assert words(judged(warmed(volume), 0), "volume") == expected


def test_a_burst_of_volume_pauses_for_its_time_and_a_restart_does_not_end_it() -> None:
    core = warmed(100)
    judged(core, 0)
    memory = core.memory(at(0))
    assert memory is not None
    restarted = core_with(memory=memory, **VOLUME)
    restarted.take_history([bar(5 * number) for number in range(-12, 59)])
    for number in range(1, 59):
        core.take(bar(5 * number))
    for each in (core, restarted):
        each.take(traded(295, 10))
        assert words(judged(each, 299), "volume") == (NO_ENTRIES,)
        assert words(judged(each, 300), "volume") == NOTHING


def test_without_bars_for_the_mean_there_are_no_entries() -> None:
    assert words(judged(warmed(10, bars=11), 0), "volume") == (NO_ENTRIES,)
    assert words(judged(warmed(10, bars=12), 0), "volume") == NOTHING


def quote(spread: int | None, second: float = 0) -> Quote:
    ask = None if spread is None else ENTRY + spread
    return Quote(arrival_ns=at(second), bid_ticks=ENTRY, ask_ticks=ask)


@pytest.mark.parametrize(
    ("spread", "expected"), [(3, NOTHING), (4, (NO_ENTRIES_TOLD,)), (8, (NO_ENTRIES,)), (16, (HALT,))]
)
def test_a_wide_spread_ends_entries_until_it_is_normal(spread: int, expected: tuple[Words, ...]) -> None:
    core = core_with(spread_ticks=thresholds("4", "8", "16"))
    for expected_so_far in (NOTHING, NOTHING, expected):
        core.take(quote(spread))
        assert words(seen(core, 1), "spread") == expected_so_far
    assert words(seen(core, 1), "spread") == expected
    assert judged(core, 1).findings == ()
    core.take(quote(1))
    assert words(seen(core, 2), "spread") == NOTHING


@pytest.mark.parametrize("missing", [None, -1])
def test_quotes_that_are_missing_or_crossed_end_entries_at_the_third(missing: int | None) -> None:
    core = core_with()
    for expected in (NOTHING, NOTHING, (NO_ENTRIES_TOLD,)):
        assert words(seen(core, 0), "spread") == expected
    core.take(quote(2))
    for expected in (NOTHING, NOTHING, (NO_ENTRIES_TOLD,)):
        core.take(quote(missing))
        assert words(seen(core, 1), "spread") == expected
    core.take(quote(2))
    assert words(seen(core, 1), "spread") == NOTHING


@pytest.mark.parametrize(
    ("silent_s", "expected"),
    [(9.9, NOTHING), (10, (TOLD,)), (29.9, (TOLD,)), (30, (NO_ENTRIES,)), (60, (HALT,))],
)
def test_a_silent_feed_while_the_exchange_is_open(silent_s: float, expected: tuple[Words, ...]) -> None:
    core = core_with(feed_stall_s=thresholds("10", "30", "60"))
    core.heard_feed(at(0))
    assert words(seen(core, silent_s), "feed_stall") == expected
    core.take(Tick(arrival_ns=at(silent_s), price_ticks=ENTRY))
    assert words(seen(core, silent_s + 5), "feed_stall") == NOTHING


@pytest.mark.parametrize("moment", ["2013-10-08T21:30:00Z", "2013-10-12T15:00:00Z", "2013-12-25T15:00:00Z"])
def test_a_feed_is_silent_in_the_daily_break_at_weekends_and_on_holidays(moment: str) -> None:
    core = core_with()
    now_ns = time_ns_of(datetime.fromisoformat(moment))
    core.heard_feed(now_ns - 3600 * NS_PER_S)
    assert words(core.assess(now_ns, ENTRY, arrival_ns=now_ns), "feed_stall") == NOTHING


CLOSE_S = time_ns_of(datetime(2013, 10, 8, 21, tzinfo=UTC)) / NS_PER_S - NOON_NS / NS_PER_S
CLOSE: Words = (Level.CRITICAL, Demand.CLOSE)


@pytest.mark.parametrize(
    ("left_min", "held", "expected"),
    [
        (30.1, 1, NOTHING),
        (30, 1, (NO_ENTRIES_TOLD,)),
        (15.1, 1, (NO_ENTRIES_TOLD,)),
        (15, 1, (CLOSE,)),
        (5.1, 1, (CLOSE,)),
        (5, 1, (HALT,)),
        (5, 0, (CLOSE,)),
        (0, 0, (CLOSE,)),
        (-61, 0, NOTHING),
    ],
)
def test_before_the_close_entries_end_then_the_account_is_made_flat_then_it_halts(
    left_min: float, held: int, expected: tuple[Words, ...]
) -> None:
    """16:00 in Chicago; the next session is far from its own close."""
    core = core_with(close_of_session_min=thresholds("30", "15", "5"))
    core.add_fills([fill(1, Side.BUY, ENTRY)] if held else [])
    assert words(judged(core, CLOSE_S - 60 * left_min), "close_of_session") == expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [(-601, NOTHING), (-600, (NO_ENTRIES_TOLD,)), (299, (NO_ENTRIES_TOLD,)), (300, NOTHING)],
)
def test_there_are_no_entries_around_scheduled_news(
    tmp_path: Path, second: float, expected: tuple[Words, ...]
) -> None:
    (tmp_path / "news.txt").write_text("# FOMC\n2013-10-08T12:00:00-05:00  # minutes\n\n")
    given = GuardianSettings(news_file="news.txt", news_before_min=10, news_after_min=5)
    news = with_news_file(given, tmp_path).news_times
    core = core_with(news_times=news, news_before_min=10, news_after_min=5)
    assert words(judged(core, second), "news") == expected


@pytest.mark.parametrize("line", ["2013-10-08T12:00:00", "next Tuesday"])
def test_a_news_file_that_is_missing_or_damaged_is_refused_by_name_and_line(
    tmp_path: Path, line: str
) -> None:
    settings = GuardianSettings(news_file="news.txt")
    with pytest.raises(ConfigError, match="news_file"):
        with_news_file(settings, tmp_path)
    (tmp_path / "news.txt").write_text(f"2013-10-08T12:00:00Z\n{line}\n")
    with pytest.raises(ConfigError, match="line 2"):
        with_news_file(settings, tmp_path)
