from mia_actors.broker.base_bars import BaseBars
from mia_actors.core.market import Bar, BarBuilder, Timeframe

SMALL_NS = Timeframe.S5.ns
MINUTE_NS = Timeframe.M1.ns


def _small(index: int) -> Bar:
    return Bar(
        instrument="ESZ3",
        timeframe=Timeframe.S5,
        start_ns=index * SMALL_NS,
        open_ticks=100 + index,
        high_ticks=101 + index,
        low_ticks=99 + index,
        close_ticks=100 + index,
        volume=1,
    )


def _minutes(count: int) -> list[Bar]:
    builder = BarBuilder(Timeframe.M1)
    return [closed for index in range(12 * count) for closed in builder.add(_small(index))]


def _bars(last: Bar | None) -> tuple[BaseBars, list[Bar]]:
    closed: list[Bar] = []
    return BaseBars(Timeframe.M1, on_closed=closed.append, last=last), closed


def test_live_bars_wait_until_the_recovered_ones_are_in() -> None:
    bars, closed = _bars(None)
    for index in range(6, 12):
        bars.add(_small(index))
    assert closed == []
    bars.release(_small(index) for index in range(8))
    assert closed == _minutes(1)


def test_a_bar_that_came_both_ways_counts_once() -> None:
    bars, closed = _bars(_minutes(1)[0])
    for index in range(14, 24):
        bars.add(_small(index))
    bars.release(_small(index) for index in range(24))
    assert closed == _minutes(2)[1:]


def test_a_repeat_of_an_old_live_bar_is_dropped() -> None:
    bars, closed = _bars(None)
    bars.release([])
    for index in (*range(12), 3, 11, *range(12, 24)):
        bars.add(_small(index))
    assert closed == _minutes(2)


def test_a_minute_whose_beginning_nobody_saw_is_left_out() -> None:
    bars, closed = _bars(None)
    bars.release([])
    for index in range(4, 24):
        bars.add(_small(index))
    assert closed == _minutes(2)[1:]


def test_after_a_journaled_bar_a_quiet_beginning_is_part_of_the_next_one() -> None:
    """History leaves out 5-second bars without trades: the minute still counts, since nothing was missed."""
    first, second = _minutes(2)
    bars, closed = _bars(first)
    bars.release(_small(index) for index in range(13, 24))
    assert [bar.start_ns for bar in closed] == [second.start_ns]
    assert closed[0].volume == 11


def test_what_is_wanted_begins_where_the_journal_ends() -> None:
    first = _minutes(1)[0]
    assert _bars(first)[0].wanted_from_ns == first.end_ns
    fresh, _ = _bars(None)
    assert fresh.wanted_from_ns is None
    fresh.start_after(first)
    assert fresh.wanted_from_ns == first.end_ns
