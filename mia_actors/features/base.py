"""Bases of the Battle Navale: tight consolidations that one side has to defend (domain section 3)."""

from dataclasses import dataclass
from math import sqrt

BASE_BARS = 15
TIGHT_BARS = 8
TIGHT_TICKS_MIN = 10
TIGHT_RANGES = 2
COLOUR_CHANGES = 4
COLOUR_MAJORITY = 3
RANGE_BARS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A consolidation as it stood at the close of one bar."""

    colour: int
    """+1 green: buyers' base; -1 red: sellers' base; 0 neither."""
    quality: float
    """In [0, 1]."""
    low_ticks: int
    high_ticks: int


def find_base(
    *, highs: list[int], lows: list[int], closes: list[int], volumes: list[int], range_sum: int
) -> Base | None:
    """The base that the last 15 of these bars form, or None.

    The domain's limit of ten ticks was set on one-minute bars; here it is the larger of ten ticks and twice
    the mean true range (`range_sum` is the sum of the last 20), so that it means the same on every timeframe
    and in every market. The size factor scales with it. A bar that closes outside the range of the seven
    before it breaks out and does not belong to a base: otherwise each break would redraw the base it broke.
    Integers are compared wherever possible: the answer for mirrored bars is the mirrored base, to the last
    bit.
    """
    high = max(highs[-TIGHT_BARS:])
    low = min(lows[-TIGHT_BARS:])
    if not min(lows[-TIGHT_BARS:-1]) <= closes[-1] <= max(highs[-TIGHT_BARS:-1]):
        return None
    size = high - low
    # Both sides times 20, so that the mean needs no division.
    limit = max(TIGHT_TICKS_MIN * RANGE_BARS, TIGHT_RANGES * range_sum)
    if size * RANGE_BARS > limit:
        return None
    recent = closes[-BASE_BARS:]
    count = len(recent)
    wide = max(highs[-BASE_BARS:]) - min(lows[-BASE_BARS:])
    spread = count * sum([close * close for close in recent]) - sum(recent) ** 2
    # stdev < 0.3 * wide, squared and times count².
    if 100 * spread >= 9 * wide * wide * count * count:
        return None
    return Base(
        colour=_colour(recent),
        quality=_quality(recent, volumes[-BASE_BARS:], low, high, 10 * RANGE_BARS * size / limit),
        low_ticks=low,
        high_ticks=high,
    )


def _colour(closes: list[int]) -> int:
    ups = downs = 0
    for index in range(-COLOUR_CHANGES, 0):
        change = closes[index] - closes[index - 1]
        if change > 0:
            ups += 1
        elif change < 0:
            downs += 1
    return (ups >= COLOUR_MAJORITY) - (downs >= COLOUR_MAJORITY)


def _quality(closes: list[int], volumes: list[int], low: int, high: int, size: float) -> float:
    """Domain section 3; `size` is in tenths of the tightness limit (ticks, where the limit is ten)."""
    count = len(closes)
    if 2 <= size <= 6:
        size_factor = 1.0
    elif 1 <= size <= 8:
        size_factor = 0.7
    else:
        size_factor = 0.3
    total = sum(volumes)
    variance = count * sum([volume * volume for volume in volumes]) - total * total
    steadiness = max(0.0, 1.0 - sqrt(variance) / total) if total > 0 else 0.0
    inside = sum([low <= close <= high for close in closes])
    return 0.30 * min(count / 10, 1.0) + 0.20 * size_factor + 0.25 * steadiness + 0.25 * inside / count
