"""The last closed bars of a timeframe, as a live worker keeps them."""

from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.trade_date import trade_date
from mia_actors.features.columns import Columns, derive, empty_columns

WINDOW_BARS = 120
WINDOW_BARS_MIN = 60
"""The longest look-back of a reading (30 bars of regime) after the longest warm-up of a column (20)."""
WINDOW_BARS_MAX = 480


class BarWindow:
    """The last `capacity` closed bars of one timeframe and one instrument.

    The columns have room for twice as many; when it is used up the newest bars move to its beginning.
    """

    def __init__(self, timeframe: Timeframe, capacity: int = WINDOW_BARS) -> None:
        if not WINDOW_BARS_MIN <= capacity <= WINDOW_BARS_MAX:
            raise ValueError(f"a window holds {WINDOW_BARS_MIN} to {WINDOW_BARS_MAX} bars, not {capacity}")
        self.timeframe = timeframe
        self.capacity = capacity
        self.instrument = ""
        self._columns = empty_columns(2 * capacity)
        self._first = self._end = 0

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def view(self) -> tuple[Columns, int, int]:
        """Columns, position of the first bar and position of the last, as every reading takes them.

        Raises:
            ValueError: the window is empty.
        """
        if self._end == self._first:
            raise ValueError("an empty window has no features")
        return self._columns, self._first, self._end - 1

    @property
    def as_of_ns(self) -> int:
        """End of the last bar.

        Raises:
            ValueError: the window is empty.
        """
        columns, _, last = self.view
        return int(columns.starts_ns[last]) + self.timeframe.ns

    def add(self, bar: Bar) -> None:
        """Takes the next closed bar; a bar of another instrument starts the window anew.

        Raises:
            ValueError: the bar is of another timeframe, or not after the last one.
        """
        if bar.timeframe is not self.timeframe:
            raise ValueError(f"a {self.timeframe} window was given a {bar.timeframe} bar")
        if bar.instrument != self.instrument:
            self.instrument = bar.instrument
            self._first = self._end = 0
        elif self._end > self._first and bar.start_ns <= self._columns.starts_ns[self._end - 1]:
            raise ValueError("bars must come in order of time")
        if self._end == len(self._columns.closes):
            self._move_to_beginning()
        place = self._end
        columns = self._columns
        columns.starts_ns[place] = bar.start_ns
        columns.opens[place] = bar.open_ticks
        columns.highs[place] = bar.high_ticks
        columns.lows[place] = bar.low_ticks
        columns.closes[place] = bar.close_ticks
        columns.volumes[place] = bar.volume
        columns.trade_days[place] = trade_date(bar.start_ns).toordinal()
        derive(columns, self._first, place)
        self._end += 1
        if len(self) > self.capacity:
            self._first += 1

    def _move_to_beginning(self) -> None:
        count = len(self)
        for column in self._columns:
            column[:count] = column[self._first : self._end]
        self._first, self._end = 0, count
