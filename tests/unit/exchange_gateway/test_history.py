"""Historical bars are those that were shown, of the length and duration asked for, and never later ones."""

import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar, Timeframe
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.gateway.history import History

MINUTE_NS = 60 * NS_PER_S
MONDAY_15_UTC_NS = 1_381_158_000 * NS_PER_S  # 2013-10-07
DAY_NS = 24 * 60 * MINUTE_NS


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


def test_seconds_reach_back_from_now_and_small_bars_add_to_the_closed_ones() -> None:
    """Ten closed minutes and half of the eleventh; a minute and a half back is eighteen small bars."""
    base = minutes(MONDAY_15_UTC_NS, 11)
    history = History(base[:10])
    for small in expand(base[10])[:6]:
        history.add_small(small)
    now_ns = base[10].start_ns + 30 * NS_PER_S
    found = history.bars(Timeframe.S5, "90 S", now_ns)
    assert found == [*expand(base[9]), *expand(base[10])[:6]]
    assert history.bars(Timeframe.M1, "120 S", now_ns) == [base[9]]


def test_base_bar_is_history_once_it_is_closed() -> None:
    base = minutes(MONDAY_15_UTC_NS, 2)
    history = History(base[:1])
    for small in expand(base[1]):
        history.add_small(small)
    history.close_base(base[1])
    assert history.bars(Timeframe.M1, "1 D", base[1].end_ns) == base
    assert history.bars(Timeframe.S5, "60 S", base[1].end_ns) == list(expand(base[1]))


def test_longer_bars_are_built_from_closed_ones_only() -> None:
    base = minutes(MONDAY_15_UTC_NS, 7)
    (only,) = History(base).bars(Timeframe.M5, "1 D", base[-1].end_ns)
    assert (only.start_ns, only.volume) == (MONDAY_15_UTC_NS, 5 * 120)
    assert (only.open_ticks, only.close_ticks) == (base[0].open_ticks, base[4].close_ticks)


@pytest.mark.parametrize(("duration", "days"), [("1 D", 1), ("2 D", 2), ("1 W", 3)])
def test_days_count_trade_dates_that_have_bars(duration: str, days: int) -> None:
    base = [minute(MONDAY_15_UTC_NS + day * DAY_NS) for day in range(3)]
    found = History(base).bars(Timeframe.M1, duration, base[-1].end_ns)
    assert found == base[-days:]


@pytest.mark.parametrize("duration", ["", "1", "D", "1 Y", "-1 D", "one D", "1 d"])
def test_duration_that_is_none_is_refused(duration: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        History(minutes(MONDAY_15_UTC_NS, 1)).bars(Timeframe.M1, duration, MONDAY_15_UTC_NS + MINUTE_NS)


def test_bars_shorter_than_the_tapes_are_refused() -> None:
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
    with pytest.raises(ValueError, match="no bars of 1m"):
        History([five]).bars(Timeframe.M1, "1 D", five.end_ns)
