"""Closed bars of one timeframe as columns, and what each bar adds to them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.kernel import kernel
from mia_actors.features.base import BASE_BARS, RANGE_BARS, find_base

SWING_SIDE_BARS = 2
RECENT_BARS = 5
VOLUME_UNIT_BITS = 20
NO_PRICE = -(2**62)
"""In a column of prices: there is none here."""

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class Columns(NamedTuple):
    """Columns of equal length: bars as they came, and values derived from the few bars up to each.

    The first positions, whose past is not here, hold values that depend on what was; readings take a column only
    from the position its comment names. With that, every reading is a function of the bars it is given: a window
    rebuilt from the last bars gives the same numbers as one that has run for weeks, or as a whole tape.
    """

    starts_ns: IntArray
    opens: IntArray
    highs: IntArray
    lows: IntArray
    closes: IntArray
    volumes: IntArray
    trade_days: IntArray
    """CME trade date of each bar's start, as a day number."""
    deltas: FloatArray
    """Signed volume estimated from the bar's shape: V · (C - O) / (H - L), 0 where H = L."""
    densities: IntArray
    """Volume per price of the bar's range, in 2^-20 contracts: an integer, so that sums have no order."""
    true_ranges: IntArray
    """From position 1, like the next two: they look at the previous close."""
    direction_signs: IntArray
    directed_volumes: IntArray
    swing_highs: IntArray
    """From position 4: price of the swing whose centre is two bars back, else `NO_PRICE`."""
    swing_lows: IntArray
    range_sums: IntArray
    """From position 20, like the rest: sum of the last 20 true ranges."""
    volatility_ratios: FloatArray
    """Mean true range of the last 5 bars over that of the last 20; 0.0 where no price moved."""
    base_colours: IntArray
    """+1 green: buyers' base; -1 red: sellers' base; 0 neither."""
    base_qualities: FloatArray
    """NaN where the last bars form no base."""
    base_lows: IntArray
    base_highs: IntArray


FLOATS = frozenset({"deltas", "volatility_ratios", "base_qualities"})


def empty_columns(count: int) -> Columns:
    """Columns with room for `count` bars, all zero."""
    kinds = ((name, np.float64 if name in FLOATS else np.int64) for name in Columns._fields)
    return Columns._make(np.zeros(count, dtype=kind) for _, kind in kinds)


@kernel
def derive(columns: Columns, first: int, place: int) -> None:
    """Fills the derived columns at `place`, whose bar was written; `first` is where the past begins."""
    _derive_from_bar(columns, first, place)
    _derive_from_columns(columns, first, place)


@kernel
def derive_all(columns: Columns) -> None:
    """The same for a whole tape of one instrument."""
    for place in range(len(columns.closes)):
        derive(columns, 0, place)


@kernel
def _derive_from_bar(columns: Columns, first: int, place: int) -> None:
    opened, close = columns.opens[place], columns.closes[place]
    high, low, volume = columns.highs[place], columns.lows[place], columns.volumes[place]
    previous = columns.closes[place - 1] if place > first else opened
    sign = (close > previous) - (close < previous)
    columns.direction_signs[place] = sign
    columns.directed_volumes[place] = sign * volume
    columns.true_ranges[place] = max(high, previous) - min(low, previous)
    height = high - low
    columns.deltas[place] = volume * (close - opened) / height if height else 0.0
    columns.densities[place] = (volume << VOLUME_UNIT_BITS) // (height + 1)


@kernel
def _derive_from_columns(columns: Columns, first: int, place: int) -> None:
    count = place - first + 1
    columns.swing_highs[place] = columns.swing_lows[place] = NO_PRICE
    if count > 2 * SWING_SIDE_BARS:
        columns.swing_highs[place] = _swing_high(columns.highs, place)
        columns.swing_lows[place] = _swing_low(columns.lows, place)
    range_sum = recent = 0
    for earlier in range(max(first, place - RANGE_BARS + 1), place + 1):
        range_sum += columns.true_ranges[earlier]
        if earlier > place - RECENT_BARS:
            recent += columns.true_ranges[earlier]
    columns.range_sums[place] = range_sum
    columns.volatility_ratios[place] = 4 * recent / range_sum if range_sum else 0.0
    columns.base_qualities[place] = np.nan
    if count >= max(BASE_BARS, RANGE_BARS + 1):
        base = find_base(columns.highs, columns.lows, columns.closes, columns.volumes, place, range_sum)
        columns.base_qualities[place] = base.quality
        columns.base_colours[place] = base.colour
        columns.base_lows[place] = base.low_ticks
        columns.base_highs[place] = base.high_ticks


@kernel
def _swing_high(highs: IntArray, place: int) -> int:
    centre = highs[place - 2]
    before = centre > highs[place - 3] and centre > highs[place - 4]
    after = centre >= highs[place - 1] and centre >= highs[place]
    return centre if before and after else NO_PRICE


@kernel
def _swing_low(lows: IntArray, place: int) -> int:
    centre = lows[place - 2]
    before = centre < lows[place - 3] and centre < lows[place - 4]
    after = centre <= lows[place - 1] and centre <= lows[place]
    return centre if before and after else NO_PRICE
