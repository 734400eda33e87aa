"""Trend against the volume-weighted average price of the trade date (domain section 2.2), signed."""

from math import isnan, nan, sqrt

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns
from mia_actors.features.session_bars import session_start

SESSION_BARS_MIN = 15
SLOPE_BARS = 10
STRUCTURE_BARS = 20
FULL_SCORE = 0.15 + 0.25 + 0.125 + 0.10
WHOLE_MAX = 2.0**62


@kernel
def read_vwap_trend(columns: Columns, first: int, last: int, atr_ticks: float) -> float:
    """Trend in [-1, 1]: the domain's four parts about their middle, over their largest sum.

    Slope of the VWAP over ten bars in mean true ranges (beyond 0.5: ±0.15, beyond 0.2: ±0.10), close against
    the VWAP in standard deviations up to two (±0.25), agreement of the ten VWAP steps (±0.125), and whether
    the last ten highs and lows are above or below the ten before (±0.10). The VWAP is that of the bars in
    the window with the last bar's trade date. NaN under 15 such bars or 20 bars in all, without a true
    range, or without volume.
    """
    start = session_start(columns, first, last)
    if last - start + 1 < SESSION_BARS_MIN or last - first + 1 < STRUCTURE_BARS:
        return nan
    if isnan(atr_ticks) or atr_ticks == 0:
        return nan
    # Prices relative to the last close keep the sign of what follows exact under mirroring.
    anchor = 3 * columns.closes[last]
    volume = numerator = squares = agreement = 0
    vwap = began_at = 0.0
    for place in range(start, last + 1):
        weight = columns.volumes[place]
        distance = columns.highs[place] + columns.lows[place] + columns.closes[place] - anchor
        volume += weight
        numerator += distance * weight
        squares += distance * distance * weight
        if place < last - SLOPE_BARS:
            continue
        if volume == 0:
            return nan
        moved = numerator / (3 * volume)
        if place == last - SLOPE_BARS:
            began_at = moved
        else:
            agreement += int(moved > vwap) - int(moved < vwap)
        vwap = moved
    deviation = sqrt(_spread(volume, numerator, squares)) / (3 * volume)
    away = max(-2.0, min(2.0, -vwap / deviation)) if deviation else 0.0
    score = (
        _slope_step((vwap - began_at) / atr_ticks)
        + 0.125 * away
        + 0.125 * agreement / SLOPE_BARS
        + 0.10 * _structure(columns, last)
    )
    return score / FULL_SCORE


@kernel
def _spread(volume: int, numerator: int, squares: int) -> float:
    """Volume² times the variance, in whole numbers where they hold it."""
    if float(volume) * float(squares) < WHOLE_MAX:
        return float(volume * squares - numerator * numerator)
    return max(0.0, float(volume) * float(squares) - float(numerator) * float(numerator))


@kernel
def _slope_step(slope: float) -> float:
    size = 0.15 if abs(slope) > 0.5 else 0.10 if abs(slope) > 0.2 else 0.0
    return size if slope > 0 else -size


@kernel
def _structure(columns: Columns, last: int) -> float:
    """+1 higher highs and higher lows, -1 the reverse, halves between."""
    begin, middle, after = last - STRUCTURE_BARS + 1, last - STRUCTURE_BARS // 2 + 1, last + 1
    highs_change = max(columns.highs[middle:after]) - max(columns.highs[begin:middle])
    lows_change = min(columns.lows[middle:after]) - min(columns.lows[begin:middle])
    rising = int(highs_change > 0) + int(lows_change > 0)
    falling = int(highs_change < 0) + int(lows_change < 0)
    return (rising - falling) / 2
