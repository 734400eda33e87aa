"""Trend against the volume-weighted average price of the trade date (domain section 2.2), signed."""

from math import sqrt

from mia_actors.features.window import BarWindow

SESSION_BARS_MIN = 15
SLOPE_BARS = 10
STRUCTURE_BARS = 20
FULL_SCORE = 0.15 + 0.25 + 0.125 + 0.10


def read_vwap_trend(window: BarWindow, atr_ticks: float | None) -> float | None:
    """Trend in [-1, 1]: the domain's four parts about their middle, over their largest sum.

    Slope of the VWAP over ten bars in mean true ranges (beyond 0.5: ±0.15, beyond 0.2: ±0.10), close against
    the VWAP in standard deviations up to two (±0.25), agreement of the ten VWAP steps (±0.125), and whether
    the last ten highs and lows are above or below the ten before (±0.10). The VWAP is that of the bars in
    the window with the last bar's trade date. None under 15 such bars or 20 bars in all, without a true
    range, or without volume.
    """
    start = window.session_start
    count = len(window)
    if count - start < SESSION_BARS_MIN or count < STRUCTURE_BARS or not atr_ticks:
        return None
    weights = window.volumes
    sums = window.typical_sums
    volume = sum(weights[start : count - SLOPE_BARS])
    if volume == 0:
        return None
    # Prices relative to the last close keep the sign of what follows exact under mirroring.
    anchor = 3 * window.closes[-1]
    numerator = sum(sums[start : count - SLOPE_BARS]) - anchor * volume
    first = vwap = numerator / (3 * volume)
    agreement = 0
    for position in range(count - SLOPE_BARS, count):
        volume += weights[position]
        numerator += sums[position] - anchor * weights[position]
        moved = numerator / (3 * volume)
        agreement += (moved > vwap) - (moved < vwap)
        vwap = moved
    total = sum(sums[start:])
    spread = volume * sum(window.typical_squares[start:]) - total * total
    deviation = sqrt(spread) / (3 * volume)
    distance = max(-2.0, min(2.0, -vwap / deviation)) if deviation else 0.0
    score = (
        _slope_step((vwap - first) / atr_ticks)
        + 0.125 * distance
        + 0.125 * agreement / SLOPE_BARS
        + 0.10 * _structure(window)
    )
    return score / FULL_SCORE


def _slope_step(slope: float) -> float:
    size = 0.15 if abs(slope) > 0.5 else 0.10 if abs(slope) > 0.2 else 0.0
    return size if slope > 0 else -size


def _structure(window: BarWindow) -> float:
    """+1 higher highs and higher lows, -1 the reverse, halves between."""
    half = STRUCTURE_BARS // 2
    highs, lows = window.highs, window.lows
    highs_change = max(highs[-half:]) - max(highs[-STRUCTURE_BARS:-half])
    lows_change = min(lows[-half:]) - min(lows[-STRUCTURE_BARS:-half])
    signs = (highs_change > 0) - (highs_change < 0) + (lows_change > 0) - (lows_change < 0)
    return signs / 2
