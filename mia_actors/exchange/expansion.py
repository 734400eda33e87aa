"""Base bars to 5-second bars that add up to them exactly. Pure; the bar itself is the seed."""

from collections.abc import Callable

from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, Timeframe

WANDER_SHARE = 0.2
"""How far the path strays from straight lines, as a share of the bar's range."""
WANDER_MEMORY = 0.7
WICK_PROBABILITY = 0.5

_STEP_NS = Timeframe.S5.ns

Path = list[tuple[int, int, int, int]]
"""Open, high, low, close of consecutive steps."""


def expand(bar: Bar) -> tuple[Bar, ...]:
    """Twelve bars of five seconds for a minute, sixty for five; the same bar always gives the same ones.

    The first opens at the bar's open, the last closes at its close, together they touch exactly its high and
    low and carry its volume; each opens where the one before closed. A rising bar visits its low before its
    high, a falling one its high first, one that closes where it opened the nearer one (the low where both are
    as near); between them the price wanders on the tick grid. A mirrored bar has the mirrored path.
    """
    count = bar.timeframe.ns // _STEP_NS
    if count == 1:
        return (bar,)
    draw = seeded_random(bar.start_ns).random
    if low_first(bar):
        path = _rising(bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks, count, draw)
    else:
        mirrored = _rising(-bar.open_ticks, -bar.low_ticks, -bar.high_ticks, -bar.close_ticks, count, draw)
        path = [(-first, -low, -high, -last) for first, high, low, last in mirrored]
    instrument, start_ns = bar.instrument, bar.start_ns
    return tuple(
        Bar(
            instrument=instrument,
            timeframe=Timeframe.S5,
            start_ns=start_ns + number * _STEP_NS,
            open_ticks=first,
            high_ticks=high,
            low_ticks=low,
            close_ticks=last,
            volume=volume,
        )
        for number, ((first, high, low, last), volume) in enumerate(
            zip(path, _volumes(bar.volume, count, draw), strict=True)
        )
    )


def low_first(bar: Bar) -> bool:
    """Whether the path within a bar visits its low before its high."""
    if bar.close_ticks == bar.open_ticks:
        return bar.open_ticks - bar.low_ticks <= bar.high_ticks - bar.open_ticks
    return bar.close_ticks > bar.open_ticks


def _rising(first: int, high: int, low: int, last: int, count: int, draw: Callable[[], float]) -> Path:
    """A path that touches `low` in its first half and `high` later, and stays between them."""
    low_at = int(draw() * (count // 2))
    high_at = low_at + 1 + int(draw() * (count - 1 - low_at))
    wander = WANDER_SHARE * (high - low)
    path: Path = []
    opened, stray = first, 0.0
    begin, begin_at, end, end_at = first, -1, low, low_at
    for place in range(count):
        stray = WANDER_MEMORY * stray + wander * (draw() - 0.5)
        straight = begin + (end - begin) * (place - begin_at) / (end_at - begin_at)
        closed = min(high, max(low, round(straight + stray)))
        if place == count - 1:
            closed = last
        elif place in {low_at, high_at}:
            closed = end
        top, bottom = (opened, closed) if opened > closed else (closed, opened)
        wick = draw()
        if wick < WICK_PROBABILITY:
            top, bottom = min(high, top + 1), max(low, bottom - 1)
        path.append((opened, high if place == high_at else top, low if place == low_at else bottom, closed))
        if place == end_at:
            begin, begin_at = end, place
            end, end_at = (high, high_at) if place == low_at else (last, count - 1)
        opened = closed
    return path


def _volumes(volume: int, count: int, draw: Callable[[], float]) -> list[int]:
    """`count` whole numbers that add up to `volume`, none more than about three times another's share."""
    weights = [0.5 + draw() for _ in range(count)]
    per_weight = volume / sum(weights)
    found, given, reached = [], 0, 0.0
    for weight in weights[:-1]:
        reached += weight
        upto = min(volume, int(reached * per_weight))
        found.append(upto - given)
        given = upto
    found.append(volume - given)
    return found
