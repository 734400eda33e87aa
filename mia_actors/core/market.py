"""Bars and the pure aggregation of small bars into large ones."""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.clock import NS_PER_S


class Timeframe(StrEnum):
    """Bar lengths of the system; `.seconds` and `.ns` give the length."""

    S5 = "5s"
    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"

    @property
    def seconds(self) -> int:
        """Length in seconds."""
        return _SECONDS[self]

    @property
    def ns(self) -> int:
        """Length in nanoseconds."""
        return _NS[self]


_SECONDS = {
    Timeframe.S5: 5,
    Timeframe.M1: 60,
    Timeframe.M5: 300,
    Timeframe.M15: 900,
    Timeframe.H1: 3600,
    Timeframe.H4: 14400,
}
_NS = {timeframe: seconds * NS_PER_S for timeframe, seconds in _SECONDS.items()}

FEATURE_TIMEFRAMES = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of one instrument; prices in ticks, `start_ns` is UTC and marks the start."""

    instrument: str
    timeframe: Timeframe
    start_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume: int

    @property
    def end_ns(self) -> int:
        """First nanosecond after the bar: the event time of everything decided on it."""
        return self.start_ns + self.timeframe.ns


def bin_start_ns(time_ns: int, timeframe: Timeframe) -> int:
    """Start of the bin of `timeframe` that holds `time_ns`; bins are anchored at the UTC epoch."""
    return time_ns - time_ns % timeframe.ns


class BarBuilder:
    """Folds consecutive small bars into bars of one larger timeframe.

    A bin closes with the bar that reaches its end or, where the feed has a gap, with the first bar of a
    later bin. Feeding the same small bars gives the same large bars, whatever process does it.
    """

    def __init__(self, timeframe: Timeframe) -> None:
        self._timeframe = timeframe
        self._length_ns = timeframe.ns
        self._open: _OpenBar | None = None

    def add(self, bar: Bar) -> tuple[Bar, ...]:
        """Closed bars this bar completes, oldest first: none, one, or two after a gap.

        Raises:
            ValueError: the bar is longer than the timeframe built, or older than the bar in progress.
        """
        if bar.timeframe.ns > self._length_ns:
            raise ValueError(f"cannot build {self._timeframe} bars from {bar.timeframe}")
        start_ns = bar.start_ns - bar.start_ns % self._length_ns
        closed: tuple[Bar, ...] = ()
        if self._open is not None and self._open.start_ns != start_ns:
            if start_ns < self._open.start_ns:
                raise ValueError("bars must come in order of time")
            closed = (self._open.closed(self._timeframe),)
            self._open = None
        if self._open is None:
            self._open = _OpenBar(bar, start_ns)
        else:
            self._open.take(bar)
        if bar.end_ns == start_ns + self._length_ns:
            closed = (*closed, self._open.closed(self._timeframe))
            self._open = None
        return closed


class _OpenBar:
    """A bar in progress: one object, since a bar for every small bar taken would be most of the work."""

    __slots__ = ("close_ticks", "first", "high_ticks", "low_ticks", "start_ns", "volume")

    def __init__(self, first: Bar, start_ns: int) -> None:
        self.first = first
        self.start_ns = start_ns
        self.high_ticks = first.high_ticks
        self.low_ticks = first.low_ticks
        self.close_ticks = first.close_ticks
        self.volume = first.volume

    def take(self, bar: Bar) -> None:
        """One more small bar at its end."""
        self.high_ticks = max(self.high_ticks, bar.high_ticks)
        self.low_ticks = min(self.low_ticks, bar.low_ticks)
        self.close_ticks = bar.close_ticks
        self.volume += bar.volume

    def closed(self, timeframe: Timeframe) -> Bar:
        """As it is now."""
        return Bar(
            instrument=self.first.instrument,
            timeframe=timeframe,
            start_ns=self.start_ns,
            open_ticks=self.first.open_ticks,
            high_ticks=self.high_ticks,
            low_ticks=self.low_ticks,
            close_ticks=self.close_ticks,
            volume=self.volume,
        )


def timeframes_closed_by(previous_start_ns: int | None, bar: Bar) -> tuple[Timeframe, ...]:
    """Feature timeframes in which the arrival of `bar` closes at least one bar, shortest first.

    `previous_start_ns` is the start of the base bar before it, or None for the first: it decides whether a
    gap closed an older bin. Timeframes shorter than the base bar never close.
    """
    closed: list[Timeframe] = []
    for timeframe in FEATURE_TIMEFRAMES:
        if timeframe.ns < bar.timeframe.ns:
            continue
        ends_now = bar.end_ns % timeframe.ns == 0
        gap_closed = (
            previous_start_ns is not None
            and bin_start_ns(previous_start_ns, timeframe) != bin_start_ns(bar.start_ns, timeframe)
            and (previous_start_ns + bar.timeframe.ns) % timeframe.ns != 0
        )
        if ends_now or gap_closed:
            closed.append(timeframe)
    return tuple(closed)
