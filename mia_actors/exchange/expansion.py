"""A base bar into five-second bars that add up to it exactly. Pure; the bar itself is the seed."""

from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, Timeframe


def expand(bar: Bar) -> tuple[Bar, ...]:
    """Twelve bars of five seconds for a minute, sixty for five.

    The first opens at the bar's open, the last closes at its close, together they touch exactly its high and
    low and carry its volume. The price goes to the extreme on the other side first: a rising bar visits its
    low before its high. Between these points it wanders on the tick grid, the same way every time.
    """
    count = bar.timeframe.seconds // Timeframe.S5.seconds
    points = _path(bar, count)
    volumes = _volumes(bar, count)
    bars = []
    for index in range(count):
        first, last = points[index], points[index + 1]
        bars.append(
            Bar(
                instrument=bar.instrument,
                timeframe=Timeframe.S5,
                start_ns=bar.start_ns + index * Timeframe.S5.ns,
                open_ticks=first,
                high_ticks=max(first, last),
                low_ticks=min(first, last),
                close_ticks=last,
                volume=volumes[index],
            )
        )
    return tuple(bars)


def _path(bar: Bar, count: int) -> list[int]:
    """`count` + 1 prices from open to close that touch high and low and stay between them."""
    random = seeded_random(bar.start_ns // 10**9)
    rising = bar.close_ticks >= bar.open_ticks
    extremes = (bar.low_ticks, bar.high_ticks) if rising else (bar.high_ticks, bar.low_ticks)
    first = random.randrange(1, count // 2)
    second = random.randrange(first + 1, count)
    fixed = [(0, bar.open_ticks), (first, extremes[0]), (second, extremes[1]), (count, bar.close_ticks)]
    points = [0] * (count + 1)
    span = max(1, (bar.high_ticks - bar.low_ticks) // 4)
    for (start, begin), (end, finish) in zip(fixed, fixed[1:], strict=False):
        points[start], points[end] = begin, finish
        for index in range(start + 1, end):
            straight = begin + (finish - begin) * (index - start) // (end - start)
            price = straight + random.randrange(-span, span + 1)
            points[index] = min(bar.high_ticks, max(bar.low_ticks, price))
    return points


def _volumes(bar: Bar, count: int) -> list[int]:
    whole, rest = divmod(bar.volume, count)
    return [whole + (1 if index < rest else 0) for index in range(count)]
