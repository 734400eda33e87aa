from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.market import Bar, BarBuilder, Timeframe, timeframes_closed_by

MINUTE = 60 * 10**9
START = 1_381_190_400_000_000_000 // (4 * 3600 * 10**9) * (4 * 3600 * 10**9)


def _bar(minute: int, low: int = 10, high: int = 20, volume: int = 3) -> Bar:
    return Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M1,
        start_ns=START + minute * MINUTE,
        open_ticks=low,
        high_ticks=high,
        low_ticks=low,
        close_ticks=high,
        volume=volume,
    )


def test_five_minutes_make_one_bar_that_adds_them_up() -> None:
    builder = BarBuilder(Timeframe.M5)
    closed = [builder.add(_bar(minute, low=10 - minute, high=20 + minute)) for minute in range(5)]
    assert closed[:4] == [(), (), (), ()]
    (bar,) = closed[4]
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) == (10, 24, 6, 24)
    assert (bar.volume, bar.start_ns) == (15, START)


def test_a_gap_over_the_end_closes_the_old_bar_with_the_first_bar_of_the_next() -> None:
    builder = BarBuilder(Timeframe.M5)
    builder.add(_bar(3))
    (old,) = builder.add(_bar(6))
    assert old.start_ns == START


@given(st.lists(st.integers(0, 900), min_size=2, max_size=80, unique=True).map(sorted))
def test_the_closing_rule_agrees_with_the_builders(minutes: list[int]) -> None:
    """What the runner asks for is what the workers close, whatever minutes the tape lacks."""
    builders = {frame: BarBuilder(frame) for frame in Timeframe if frame.seconds >= 60}
    previous: int | None = None
    for minute in minutes:
        bar = _bar(minute)
        closing = {frame for frame, builder in builders.items() if builder.add(bar)}
        assert closing == set(timeframes_closed_by(previous, bar))
        previous = bar.start_ns
