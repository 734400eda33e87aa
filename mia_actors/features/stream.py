"""Base bars in, features of one timeframe out: the same class under the live worker and the backtest."""

from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Bar, BarBuilder, Timeframe
from mia_actors.features.evaluate import evaluate
from mia_actors.features.window import WINDOW_BARS, BarWindow


class FeatureStream:
    """Builds the bars of one timeframe and reads them when asked.

    Fed the same base bars it gives the same answers. A base bar of another instrument (the next contract)
    starts anew. Base bars longer than the timeframe close no bar of it and are passed over.
    """

    def __init__(self, timeframe: Timeframe, window_bars: int = WINDOW_BARS) -> None:
        self._timeframe = timeframe
        self._builder = BarBuilder(timeframe)
        self._window = BarWindow(timeframe, window_bars)
        self._instrument = ""
        self._current: TimeframeFeatures | None = None

    @property
    def bars_count(self) -> int:
        """Closed bars held."""
        return len(self._window)

    def feed(self, bar: Bar) -> bool:
        """Takes the next base bar without evaluating; true when it closed a bar of the timeframe.

        Raises:
            ValueError: the bar is older than the one before.
        """
        if bar.timeframe.ns > self._timeframe.ns:
            return False
        if bar.instrument != self._instrument:
            self._instrument = bar.instrument
            self._builder = BarBuilder(self._timeframe)
        closed = self._builder.add(bar)
        for one in closed:
            self._window.add(one)
        if closed:
            self._current = None
        return bool(closed)

    def add(self, bar: Bar) -> TimeframeFeatures | None:
        """Takes the next base bar; features when it closed a bar of the timeframe, else None.

        Raises:
            ValueError: the bar is older than the one before.
        """
        return self.current() if self.feed(bar) else None

    def current(self) -> TimeframeFeatures | None:
        """Features as of the last closed bar, evaluated once per bar; None before the first."""
        if self._current is None and len(self._window) > 0:
            self._current = evaluate(self._window)
        return self._current
