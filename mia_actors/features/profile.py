"""Volume profile of the trade date: point of control, value area, and where value migrates."""

from math import isnan, nan
from typing import NamedTuple

import numpy as np

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns, IntArray
from mia_actors.features.session_bars import session_start

SESSION_BARS_MIN = 10
VALUE_AREA_PERCENT = 70


class VolumeProfile(NamedTuple):
    """Where the volume of the trade date's bars in the window was traded."""

    control_half_ticks: int
    """Twice the point of control: prices that tie for it count by their middle."""
    value_low_ticks: int
    value_high_ticks: int
    migration: float
    """(volume above the middle of the range - volume below) / volume, in [-1, 1]; NaN: there is no profile."""


@kernel
def build_profile(columns: Columns, first: int, last: int) -> VolumeProfile:
    """The session's profile, each bar's volume spread evenly over its range; unavailable under ten bars.

    The value area grows from the point of control by the heavier neighbour, by both where they are equal,
    until it holds 70 % of the volume.
    """
    start, after = session_start(columns, first, last), last + 1
    if after - start < SESSION_BARS_MIN:
        return VolumeProfile(0, 0, 0, nan)
    bottom, top = min(columns.lows[start:after]), max(columns.highs[start:after])
    levels = _levels(columns, start, last, bottom, top)
    total = levels.sum()
    if total == 0:
        return VolumeProfile(0, 0, 0, nan)
    peak = levels.max()
    control_low, control_high = 0, len(levels) - 1
    while levels[control_low] != peak:
        control_low += 1
    while levels[control_high] != peak:
        control_high -= 1
    low, high = _value_area(levels, control_low, control_high, total)
    half = len(levels) // 2
    migration = (levels[len(levels) - half :].sum() - levels[:half].sum()) / total
    return VolumeProfile(2 * bottom + control_low + control_high, bottom + low, bottom + high, migration)


@kernel
def _levels(columns: Columns, start: int, last: int, bottom: int, top: int) -> IntArray:
    """Volume of every price from `bottom` to `top`."""
    levels = np.zeros(top - bottom + 2, dtype=np.int64)
    for place in range(start, last + 1):
        levels[columns.lows[place] - bottom] += columns.densities[place]
        levels[columns.highs[place] - bottom + 1] -= columns.densities[place]
    for level in range(1, len(levels)):
        levels[level] += levels[level - 1]
    return levels[:-1]


@kernel
def _value_area(levels: IntArray, low: int, high: int, total: int) -> tuple[int, int]:
    held = levels[low : high + 1].sum()
    while 100 * held < VALUE_AREA_PERCENT * total:
        below = levels[low - 1] if low > 0 else -1
        above = levels[high + 1] if high + 1 < len(levels) else -1
        if below >= above:
            low -= 1
            held += below
        if above >= below:
            high += 1
            held += above
    return low, high


@kernel
def read_volume_profile(columns: Columns, first: int, last: int) -> float:
    """Value migration in [-1, 1]: half the volume's lean, half the close against the point of control.

    The close counts in half widths of the value area, up to one: a close accepted above the value is where
    value goes next. NaN without a profile.
    """
    profile = build_profile(columns, first, last)
    if isnan(profile.migration):
        return nan
    width = profile.value_high_ticks - profile.value_low_ticks + 1
    location = (2 * columns.closes[last] - profile.control_half_ticks) / width
    return float(0.5 * profile.migration + 0.5 * max(-1.0, min(1.0, location)))
