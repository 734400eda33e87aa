"""Brings a feature stream to a moment of the journal, forward or from nothing."""

from collections.abc import Sequence
from typing import Protocol

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.errors import DataStale
from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Bar, Timeframe, bin_start_ns
from mia_actors.features.stream import FeatureStream

NEWEST_NS = 2**63 - 1
CLOSED_MARKET_NS = 4 * 24 * 3600 * NS_PER_S
"""A long weekend with a holiday."""


class BaseBarSource(Protocol):
    """The base bars of the session's journal, warm-up history included."""

    def base_bars(self, after_start_ns: int | None, until_end_ns: int, limit: int | None) -> Sequence[Bar]:
        """Bars that start after the one time and end at or before the other, oldest first."""
        ...


class FeatureCatchUp:
    """Features of one timeframe at any moment of the journal.

    Guarantees: the answer for a moment depends on the journal alone, not on what was asked before. The
    window is the last `window_bars` closed bars of the whole journal, gaps included, whether it was kept up
    bar by bar or read back after a restart.
    """

    def __init__(self, source: BaseBarSource, timeframe: Timeframe, window_bars: int) -> None:
        self._source = source
        self._timeframe = timeframe
        self._window_bars = window_bars
        self._stream = FeatureStream(timeframe, window_bars)
        self._last: Bar | None = None

    def features_at(self, end_ns: int) -> TimeframeFeatures | None:
        """Features as of the last closed bar that ended at or before `end_ns`; None where none has.

        Raises:
            DataStale: the journal does not reach `end_ns` yet.
        """
        if self._last is None or self._last.end_ns > end_ns:
            self._rebuild(end_ns)
        else:
            self._feed(self._last.start_ns, end_ns)
        if not self._reaches(end_ns):
            newest = iso_utc(self._last.end_ns) if self._last else "none"
            raise DataStale(f"base bars end at {newest}, wanted {iso_utc(end_ns)}")
        return self._stream.current()

    def _rebuild(self, end_ns: int) -> None:
        """Reads back as far as continuous trading needs, then over a long weekend, then everything."""
        span_ns = 2 * self._window_bars * self._timeframe.ns
        for reach_ns in (span_ns, span_ns + CLOSED_MARKET_NS):
            # From the edge of a bin, so that the first bar built is whole.
            after_ns = bin_start_ns(max(end_ns - reach_ns, 0), self._timeframe) - 1
            self._read_back(after_ns, end_ns)
            full = self._stream.bars_count == self._window_bars
            if full or not self._source.base_bars(None, after_ns + 1, 1):
                return
        self._read_back(None, end_ns)

    def _read_back(self, after_start_ns: int | None, end_ns: int) -> None:
        self._stream = FeatureStream(self._timeframe, self._window_bars)
        self._last = None
        self._feed(after_start_ns, end_ns)

    def _feed(self, after_start_ns: int | None, until_end_ns: int) -> None:
        for bar in self._source.base_bars(after_start_ns, until_end_ns, None):
            self._stream.feed(bar)
            self._last = bar

    def _reaches(self, end_ns: int) -> bool:
        if self._last is not None and self._last.end_ns == end_ns:
            return True
        after_ns = self._last.start_ns if self._last else None
        return bool(self._source.base_bars(after_ns, NEWEST_NS, 1))
