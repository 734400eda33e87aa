"""5-second bars, live and recovered, into base bars without a gap or a repeat. Pure but for its callback."""

import threading
from collections.abc import Callable, Iterable

from mia_actors.core.market import Bar, BarBuilder, Timeframe


class BaseBars:
    """Holds live bars back until the recovered ones are in, then builds base bars in order of time.

    A base bar is only built from its first 5-second bar on: one that was under way when the very first
    session connected is left out, as its beginning is not known.
    """

    def __init__(self, timeframe: Timeframe, *, on_closed: Callable[[Bar], None], last: Bar | None) -> None:
        self._timeframe = timeframe
        self._builder = BarBuilder(timeframe)
        self._on_closed = on_closed
        self._lock = threading.Lock()
        self._waiting: list[Bar] | None = []
        self._begun = False
        self._after_ns: int | None = last.end_ns if last else None

    @property
    def wanted_from_ns(self) -> int | None:
        """Start of the first 5-second bar still needed; None: whatever there is."""
        return self._after_ns

    def start_after(self, last: Bar | None) -> None:
        """The warm-up ended with this bar."""
        self._after_ns = last.end_ns if last else None

    def add(self, bar: Bar) -> None:
        """A live bar."""
        with self._lock:
            if self._waiting is not None:
                self._waiting.append(bar)
            else:
                self._take(bar)

    def release(self, recovered: Iterable[Bar]) -> None:
        """The bars recovered from history; from here on live bars pass."""
        with self._lock:
            waiting = self._waiting or []
            self._waiting = None
            merged = {bar.start_ns: bar for bar in (*recovered, *waiting)}
            for start_ns in sorted(merged):
                self._take(merged[start_ns])

    def _take(self, bar: Bar) -> None:
        if self._after_ns is not None and bar.start_ns < self._after_ns:
            return
        if not self._begun and bar.start_ns % self._timeframe.ns != 0:
            return
        self._begun = True
        self._after_ns = bar.end_ns
        for closed in self._builder.add(bar):
            self._on_closed(closed)
