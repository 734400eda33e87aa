"""Support and resistance from the swing points of the window."""

from math import isnan, nan
from typing import NamedTuple

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import NO_PRICE, SWING_SIDE_BARS, Columns

LEVEL_BARS = 60


class Levels(NamedTuple):
    """The nearest level at or below the close, and at or above it; NaN where there is none."""

    support_ticks: float
    resistance_ticks: float
    proximity: float
    """1 at the nearer of the two, 0 a mean true range away; NaN without levels or true range."""


@kernel
def find_levels(columns: Columns, first: int, last: int, atr_ticks: float) -> Levels:
    """Nearest swing highs and lows of the last 60 bars; a broken resistance counts as support.

    Distance is measured in mean true ranges: the domain's 0.1 % of price is a different distance for a
    mirrored market.
    """
    close = columns.closes[last]
    below = above = NO_PRICE  # distances; none yet
    for place in range(max(last - LEVEL_BARS + 1, first + 2 * SWING_SIDE_BARS), last + 1):
        for price in (columns.swing_highs[place], columns.swing_lows[place]):
            if price == NO_PRICE:
                continue
            if price <= close and (below == NO_PRICE or close - price < below):
                below = close - price
            if price >= close and (above == NO_PRICE or price - close < above):
                above = price - close
    proximity = nan
    if (below != NO_PRICE or above != NO_PRICE) and not isnan(atr_ticks):
        nearest = above if below == NO_PRICE else below if above == NO_PRICE else min(below, above)
        proximity = max(0.0, 1.0 - nearest / atr_ticks) if atr_ticks else 1.0 if nearest == 0 else 0.0
    support = nan if below == NO_PRICE else float(close - below)
    resistance = nan if above == NO_PRICE else float(close + above)
    return Levels(support, resistance, proximity)
