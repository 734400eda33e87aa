"""Momentum of the last bars, standing in for the tick momentum of domain section 3.2."""

from math import nan

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns

MOMENTUM_BARS = 20


@kernel
def read_momentum(columns: Columns, first: int, last: int) -> float:
    """0.4 · (up - down) / n + 0.6 · (up volume - down volume) / volume over 20 closes, in [-1, 1].

    The feed has no ticks: each bar counts as one, up or down by its close against the previous one. NaN
    before there are 20 changes, or where nothing was traded.
    """
    if last - first < MOMENTUM_BARS:
        return nan
    traded = signs = directed = 0
    for place in range(last - MOMENTUM_BARS + 1, last + 1):
        traded += columns.volumes[place]
        signs += columns.direction_signs[place]
        directed += columns.directed_volumes[place]
    if traded == 0:
        return nan
    return 0.4 * (signs / MOMENTUM_BARS) + 0.6 * (directed / traded)
