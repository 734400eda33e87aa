"""Does volume stand behind the last bar (domain section 2.2)?"""

from math import nan, sqrt

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns

MEAN_BARS = 10
CORRELATION_BARS = 5
WEIGHTS_AVAILABLE = 0.90


@kernel
def read_volume_confirmation(columns: Columns, first: int, last: int) -> float:
    """Volume confirmation in [0, 1], unsigned; NaN before ten bars or in a dead market.

    0.45 · min(V / mean10 / 1.8, 1) + 0.25 · min(2.2 · |delta| / V, 1) + 0.20 · (|corr(V, C) over 5| + 1) / 2,
    divided by 0.90: the aggressive share (weight 0.10) does not exist in this feed. Delta is estimated from
    the bar. A series that does not vary correlates with nothing.
    """
    if last - first + 1 < MEAN_BARS:
        return nan
    traded = 0
    for place in range(last - MEAN_BARS + 1, last + 1):
        traded += columns.volumes[place]
    if traded == 0:
        return nan
    volume = columns.volumes[last]
    correlation = _correlation(columns, last)
    relative = MEAN_BARS * volume / traded
    delta_share = abs(columns.deltas[last]) / volume if volume else 0.0
    confirmed = (
        0.45 * min(relative / 1.8, 1.0)
        + 0.25 * min(2.2 * delta_share, 1.0)
        + 0.20 * (abs(correlation) + 1.0) / 2
    )
    return float(confirmed / WEIGHTS_AVAILABLE)


@kernel
def read_relative_volume(columns: Columns, first: int, last: int) -> float:
    """Volume of the last bar over the mean of the ten before it; NaN without them or their volume."""
    if last - first < MEAN_BARS:
        return nan
    before = 0
    for place in range(last - MEAN_BARS, last):
        before += columns.volumes[place]
    return float(MEAN_BARS * columns.volumes[last] / before) if before else nan


@kernel
def _correlation(columns: Columns, last: int) -> float:
    """Pearson's of volume and close, from integer sums: exact until the one square root and division.

    Prices count from the last close, which changes no spread and keeps the sums small.
    """
    count, anchor = CORRELATION_BARS, columns.closes[last]
    volumes = closes = volume_squares = close_squares = products = 0
    for place in range(last - count + 1, last + 1):
        volume, close = columns.volumes[place], columns.closes[place] - anchor
        volumes += volume
        closes += close
        volume_squares += volume * volume
        close_squares += close * close
        products += volume * close
    volume_spread = count * volume_squares - volumes * volumes
    close_spread = count * close_squares - closes * closes
    if volume_spread == 0 or close_spread == 0:
        return 0.0
    shared = count * products - volumes * closes
    return max(-1.0, min(1.0, shared / sqrt(float(volume_spread) * float(close_spread))))
