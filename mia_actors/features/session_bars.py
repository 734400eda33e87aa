"""Where the trade date of the last bar begins in the window."""

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns


@kernel
def session_start(columns: Columns, first: int, last: int) -> int:
    """Position of the first bar in the window with the last bar's trade date."""
    place = last
    while place > first and columns.trade_days[place - 1] == columns.trade_days[last]:
        place -= 1
    return place
