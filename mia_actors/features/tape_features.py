"""Features of a whole tape: the same kernels that live workers run bar by bar, run once over all bars."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.kernel import kernel
from mia_actors.core.market import FEATURE_TIMEFRAMES, Bar, Timeframe
from mia_actors.core.trade_date import trade_date
from mia_actors.features.columns import Columns, IntArray, derive_all, empty_columns
from mia_actors.features.readings import RECORD, Records, features_of, read_many
from mia_actors.features.window import WINDOW_BARS

HOUR_NS = 3600 * NS_PER_S


class BaseColumns(NamedTuple):
    """Base bars of one instrument, as columns."""

    starts_ns: IntArray
    opens: IntArray
    highs: IntArray
    lows: IntArray
    closes: IntArray
    volumes: IntArray


def base_columns(bars: Sequence[Bar]) -> BaseColumns:
    """Columns of consecutive bars.

    Raises:
        ValueError: they are of more than one instrument.
    """
    if len({bar.instrument for bar in bars}) > 1:
        raise ValueError("the bars of a tape are of one instrument")
    rows = [
        (bar.start_ns, bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks, bar.volume)
        for bar in bars
    ]
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(BaseColumns._fields))
    return BaseColumns._make(np.ascontiguousarray(column) for column in table.T)


class TimeframeTape:
    """One timeframe of a tape: its closed bars, and which of them is the last at each base bar."""

    def __init__(
        self, timeframe: Timeframe, base: BaseColumns, base_ns: int, window_bars: int = WINDOW_BARS
    ) -> None:
        self.timeframe = timeframe
        self._window_bars = window_bars
        room = empty_columns(len(base.closes) + 1)
        self.closed: IntArray = np.zeros(len(base.closes), dtype=np.int64)
        """Bars of the timeframe that have closed with each base bar or before."""
        count = fold(room, self.closed, base, base_ns, timeframe.ns)
        self._columns = Columns._make(column[:count] for column in room)
        self._columns.trade_days[:] = trade_days_of(self._columns.starts_ns)
        derive_all(self._columns)
        self._read: tuple[int, TimeframeFeatures | None] = (0, None)

    def ends_ns(self, numbers: IntArray) -> IntArray:
        """Ends of the timeframe's bars of these numbers."""
        return self._columns.starts_ns[numbers] + self.timeframe.ns

    def records_at(self, places: IntArray) -> Records:
        """Readings as of each of these base bars, at every one of which a bar has closed."""
        records = np.zeros(len(places), dtype=RECORD)
        read_many(records, self._columns, self.closed[places] - 1, self._window_bars)
        return records

    def features_at(self, place: int) -> TimeframeFeatures | None:
        """Features as of one base bar; None before the first bar has closed."""
        closed = int(self.closed[place])
        if closed != self._read[0]:
            records = self.records_at(np.array([place]))
            self._read = (closed, features_of(records[0].item(), self.timeframe))
        return self._read[1]


class TapeFeatures:
    """All timeframes of a tape, from its base bar up."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        """Takes base bars of one instrument in order of time, warm-up first."""
        base_timeframe = bars[0].timeframe
        self.base = base_columns(bars)
        self.by_timeframe: Mapping[Timeframe, TimeframeTape] = {
            timeframe: TimeframeTape(timeframe, self.base, base_timeframe.ns)
            for timeframe in FEATURE_TIMEFRAMES
            if timeframe.ns >= base_timeframe.ns
        }


def trade_days_of(times_ns: IntArray) -> IntArray:
    """CME trade dates of moments, as day numbers: they change on the hour only."""
    hours, places = np.unique(times_ns // HOUR_NS, return_inverse=True)
    days = np.array([trade_date(int(hour) * HOUR_NS).toordinal() for hour in hours], dtype=np.int64)
    return days[places] if len(days) else np.zeros(0, dtype=np.int64)


@kernel
def fold(out: Columns, closed: NDArray[np.int64], base: BaseColumns, base_ns: int, length_ns: int) -> int:
    """Builds the bars of one timeframe, as `core.market.BarBuilder` does; returns how many closed."""
    count = 0
    open_start_ns = np.int64(-1)
    for place in range(len(base.closes)):
        start_ns = base.starts_ns[place] - base.starts_ns[place] % length_ns
        if open_start_ns != -1 and open_start_ns != start_ns:  # noqa: PLR1714 - sets are slow in a kernel
            count += 1  # a gap in the feed: the bar in progress ended before it
            open_start_ns = np.int64(-1)
        if open_start_ns == -1:
            open_start_ns = start_ns
            out.starts_ns[count] = start_ns
            out.opens[count] = base.opens[place]
            out.highs[count] = base.highs[place]
            out.lows[count] = base.lows[place]
            out.volumes[count] = 0
        out.highs[count] = max(out.highs[count], base.highs[place])
        out.lows[count] = min(out.lows[count], base.lows[place])
        out.closes[count] = base.closes[place]
        out.volumes[count] += base.volumes[place]
        if base.starts_ns[place] + base_ns == start_ns + length_ns:
            count += 1
            open_start_ns = np.int64(-1)
        closed[place] = count
    return count
