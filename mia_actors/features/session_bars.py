"""Where the trade date of the last bar begins in the window, and how far its prices reached."""

from math import nan

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns


@kernel
def session_start(columns: Columns, first: int, last: int) -> int:
    """Position of the first bar in the window with the last bar's trade date."""
    place = last
    while place > first and columns.trade_days[place - 1] == columns.trade_days[last]:
        place -= 1
    return place


@kernel
def read_session_range(columns: Columns, first: int, last: int) -> float:
    """High less low of the trade date so far, in ticks; NaN where the window does not reach back to its beginning."""
    begin = session_start(columns, first, last)
    if begin == first:
        return nan
    return float(max(columns.highs[begin : last + 1]) - min(columns.lows[begin : last + 1]))
