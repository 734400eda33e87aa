"""The headfake of domain section 3.1: a new extreme on large volume that nobody follows."""

from math import nan

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns

BARS = 10
LEVEL_TICKS = 2
ABSORBED_SHARE = 0.3
EXTREME, ABSORBED, AT_LEVEL = 0.4, 0.6, 0.3


@kernel
def read_headfake(columns: Columns, first: int, last: int) -> float:
    """Positive for a trap of sellers, negative for one of buyers, in [-1, 1]; NaN under ten bars or without volume.

    0.4 where the bar goes beyond the nine before it on more than 1.5 times the mean volume of the ten; 0.6 more where
    its delta is under 30 % of its volume (absorbed), 0.3 more where it closes within two ticks of the extreme that it
    broke; at most 1. Delta is estimated from the bar.
    """
    begin = last - BARS + 1
    if begin < first:
        return nan
    traded = 0
    high, low = columns.highs[begin], columns.lows[begin]
    for place in range(begin, last + 1):
        traded += columns.volumes[place]
        if place < last:
            high, low = max(high, columns.highs[place]), min(low, columns.lows[place])
    if traded == 0:
        return nan
    volume = columns.volumes[last]
    if 2 * BARS * volume <= 3 * traded:
        return 0.0
    score = EXTREME
    if abs(columns.deltas[last]) < ABSORBED_SHARE * volume:
        score += ABSORBED
    close = columns.closes[last]
    above = columns.highs[last] > high
    below = columns.lows[last] < low
    of_buyers = score + AT_LEVEL if abs(close - high) <= LEVEL_TICKS else score
    of_sellers = score + AT_LEVEL if abs(close - low) <= LEVEL_TICKS else score
    return (min(of_sellers, 1.0) if below else 0.0) - (min(of_buyers, 1.0) if above else 0.0)
