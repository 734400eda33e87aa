"""Bases of the Battle Navale: tight consolidations that one side has to defend (domain section 3)."""

from math import nan, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.kernel import kernel

BASE_BARS = 15
TIGHT_BARS = 8
TIGHT_TICKS_MIN = 10
TIGHT_RANGES = 2
COLOUR_CHANGES = 4
COLOUR_MAJORITY = 3
RANGE_BARS = 20

IntArray = NDArray[np.int64]


class Base(NamedTuple):
    """A consolidation as it stood at the close of one bar."""

    colour: int
    """+1 green: buyers' base; -1 red: sellers' base; 0 neither."""
    quality: float
    """In [0, 1]; NaN: there is no base, and the rest means nothing."""
    low_ticks: int
    high_ticks: int


@kernel
def find_base(
    highs: IntArray, lows: IntArray, closes: IntArray, volumes: IntArray, last: int, range_sum: int
) -> Base:
    """The base that the 15 bars up to position `last` form, or one of quality NaN.

    The domain's limit of ten ticks was set on one-minute bars; here it is the larger of ten ticks and twice
    the mean true range (`range_sum` is the sum of the last 20), so that it means the same on every timeframe
    and in every market. The size factor scales with it. A bar that closes outside the range of the seven
    before it breaks out and does not belong to a base: otherwise each break would redraw the base it broke.
    Integers are compared wherever possible: the answer for mirrored bars is the mirrored base, to the last
    bit.
    """
    tight, after = last - TIGHT_BARS + 1, last + 1
    if not min(lows[tight:last]) <= closes[last] <= max(highs[tight:last]):
        return Base(0, nan, 0, 0)
    low, high = min(lows[tight:after]), max(highs[tight:after])
    size = high - low
    # Both sides times 20, so that the mean needs no division.
    limit = max(TIGHT_TICKS_MIN * RANGE_BARS, TIGHT_RANGES * range_sum)
    if size * RANGE_BARS > limit:
        return Base(0, nan, 0, 0)
    begin = after - BASE_BARS
    wide = max(highs[begin:after]) - min(lows[begin:after])
    total = squares = 0
    for place in range(begin, after):
        total += closes[place]
        squares += closes[place] * closes[place]
    spread = BASE_BARS * squares - total * total
    # stdev < 0.3 * wide, squared and times count².
    if 100 * spread >= 9 * wide * wide * BASE_BARS * BASE_BARS:
        return Base(0, nan, 0, 0)
    quality = _quality(closes[begin:after], volumes[begin:after], low, high, 10 * RANGE_BARS * size / limit)
    return Base(_colour(closes, last), quality, low, high)


@kernel
def _colour(closes: IntArray, last: int) -> int:
    ups = downs = 0
    for place in range(last - COLOUR_CHANGES + 1, last + 1):
        change = closes[place] - closes[place - 1]
        if change > 0:
            ups += 1
        elif change < 0:
            downs += 1
    return int(ups >= COLOUR_MAJORITY) - int(downs >= COLOUR_MAJORITY)


@kernel
def _quality(closes: IntArray, volumes: IntArray, low: int, high: int, size: float) -> float:
    """Domain section 3; `size` is in tenths of the tightness limit (ticks, where the limit is ten)."""
    if 2 <= size <= 6:
        size_factor = 1.0
    elif 1 <= size <= 8:
        size_factor = 0.7
    else:
        size_factor = 0.3
    total = squares = inside = 0
    for place in range(BASE_BARS):
        total += volumes[place]
        squares += volumes[place] * volumes[place]
        inside += low <= closes[place] <= high
    variance = BASE_BARS * squares - total * total
    steadiness = max(0.0, 1.0 - sqrt(variance) / total) if total > 0 else 0.0
    return (
        0.30 * min(BASE_BARS / 10, 1.0) + 0.20 * size_factor + 0.25 * steadiness + 0.25 * inside / BASE_BARS
    )
