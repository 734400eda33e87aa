"""What a bracket would have won: the triple barrier on base bars, as the simulated exchange fills. One kernel."""

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from mia_actors.core.kernel import kernel
from mia_actors.features.tape_features import BaseColumns


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCosts:
    """What a trade costs; the same as the simulated exchange takes."""

    slippage_ticks: int = 1
    commission_usd_per_side: Decimal = Decimal("2.25")


class TripleBarrier(NamedTuple):
    """One trade that was never made."""

    ticks: int
    """Won, after slippage."""
    end_ns: int
    """When that was known; -1: the bars end first, and the ticks mean nothing."""


@kernel
def triple_barrier(
    base: BaseColumns,
    base_ns: int,
    place: int,
    side: int,
    stop_ticks: int,
    target_ticks: int,
    horizon_ns: int,
    slippage_ticks: int,
) -> TripleBarrier:
    """A bracket decided at the close of the bar at `place`, entered at the next open.

    Stop and target are distances from that close. The stop comes first where one bar touches both, and fills at the
    worse of its price and the open; the target fills where the market traded through it. At `horizon_ns` the position
    is closed at the bar's close.
    """
    if place + 1 >= len(base.closes):
        return TripleBarrier(0, -1)
    close = base.closes[place]
    entry = base.opens[place + 1] + side * slippage_ticks
    stop, goal = side * (close - side * stop_ticks), side * (close + side * target_ticks)
    for later in range(place + 1, len(base.closes)):
        end_ns = base.starts_ns[later] + base_ns
        low, high = side * base.lows[later], side * base.highs[later]
        if side < 0:
            low, high = high, low
        if low <= stop:
            worse = min(stop, side * base.opens[later])
            return TripleBarrier(worse - slippage_ticks - side * entry, end_ns)
        if high > goal:
            return TripleBarrier(goal - side * entry, end_ns)
        if end_ns >= horizon_ns:
            return TripleBarrier(side * (base.closes[later] - entry) - slippage_ticks, end_ns)
    return TripleBarrier(0, -1)
