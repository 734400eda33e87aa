"""Volume profile of the trade date: point of control, value area, and where value migrates."""

from dataclasses import dataclass
from itertools import accumulate

from mia_actors.features.window import BarWindow

SESSION_BARS_MIN = 10
VALUE_AREA_PERCENT = 70


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeProfile:
    """Where the volume of the trade date's bars in the window was traded."""

    control_half_ticks: int
    """Twice the point of control: prices that tie for it count by their middle."""
    value_low_ticks: int
    value_high_ticks: int
    migration: float
    """(volume above the middle of the range - volume below) / volume, in [-1, 1]."""


def build_profile(window: BarWindow) -> VolumeProfile | None:
    """The session's profile, each bar's volume spread evenly over its range; None under ten bars.

    The value area grows from the point of control by the heavier neighbour, by both where they are equal,
    until it holds 70 % of the volume.
    """
    start = window.session_start
    if len(window) - start < SESSION_BARS_MIN:
        return None
    lows, highs = window.lows[start:], window.highs[start:]
    bottom, top = min(lows), max(highs)
    steps = [0] * (top - bottom + 2)
    for low, high, density in zip(lows, highs, window.densities[start:], strict=True):
        steps[low - bottom] += density
        steps[high - bottom + 1] -= density
    levels = list(accumulate(steps))
    levels.pop()
    total = sum(levels)
    if total == 0:
        return None
    peak = max(levels)
    first = levels.index(peak)
    last = len(levels) - 1 - levels[::-1].index(peak)
    low, high = _value_area(levels, first, last, total)
    half = len(levels) // 2
    return VolumeProfile(
        control_half_ticks=2 * bottom + first + last,
        value_low_ticks=bottom + low,
        value_high_ticks=bottom + high,
        migration=(sum(levels[len(levels) - half :]) - sum(levels[:half])) / total,
    )


def _value_area(levels: list[int], low: int, high: int, total: int) -> tuple[int, int]:
    held = sum(levels[low : high + 1])
    while 100 * held < VALUE_AREA_PERCENT * total:
        below = levels[low - 1] if low else -1
        above = levels[high + 1] if high + 1 < len(levels) else -1
        if below >= above:
            low -= 1
            held += below
        if above >= below:
            high += 1
            held += above
    return low, high


def read_volume_profile(window: BarWindow) -> float | None:
    """Value migration in [-1, 1]: half the volume's lean, half the close against the point of control.

    The close counts in half widths of the value area, up to one: a close accepted above the value is where
    value goes next.
    """
    profile = build_profile(window)
    if profile is None:
        return None
    width = profile.value_high_ticks - profile.value_low_ticks + 1
    location = (2 * window.closes[-1] - profile.control_half_ticks) / width
    return 0.5 * profile.migration + 0.5 * max(-1.0, min(1.0, location))
