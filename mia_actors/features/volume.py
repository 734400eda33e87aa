"""Does volume stand behind the last bar (domain section 2.2)?"""

from math import sqrt
from operator import mul

from mia_actors.features.window import BarWindow

MEAN_BARS = 10
CORRELATION_BARS = 5
WEIGHTS_AVAILABLE = 0.90


def read_volume_confirmation(window: BarWindow) -> float | None:
    """Volume confirmation in [0, 1], unsigned; None before ten bars or in a dead market.

    0.45 · min(V / mean10 / 1.8, 1) + 0.25 · min(2.2 · |delta| / V, 1) + 0.20 · (|corr(V, C) over 5| + 1) / 2,
    divided by 0.90: the aggressive share (weight 0.10) does not exist in this feed. Delta is estimated from
    the bar. A series that does not vary correlates with nothing.
    """
    if len(window) < MEAN_BARS:
        return None
    traded = sum(window.volumes[-MEAN_BARS:])
    if traded == 0:
        return None
    volume = window.volumes[-1]
    relative = MEAN_BARS * volume / traded
    delta_share = abs(window.deltas[-1]) / volume if volume else 0.0
    correlation = _correlation(window.volumes[-CORRELATION_BARS:], window.closes[-CORRELATION_BARS:])
    return (
        0.45 * min(relative / 1.8, 1.0)
        + 0.25 * min(2.2 * delta_share, 1.0)
        + 0.20 * (abs(correlation) + 1.0) / 2
    ) / WEIGHTS_AVAILABLE


def _correlation(left: list[int], right: list[int]) -> float:
    """Pearson's, from integer sums: exact until the one square root and division."""
    count = len(left)
    left_sum, right_sum = sum(left), sum(right)
    left_spread = count * sum(map(mul, left, left)) - left_sum * left_sum
    right_spread = count * sum(map(mul, right, right)) - right_sum * right_sum
    if left_spread == 0 or right_spread == 0:
        return 0.0
    shared: int = count * sum(map(mul, left, right)) - left_sum * right_sum
    return max(-1.0, min(1.0, shared / sqrt(left_spread * right_spread)))
