"""5-second bars, live and recovered, into base bars without a gap or a repeat. Pure but for its callback."""

import threading
from collections.abc import Callable, Iterable

from mia_actors.core.market import Bar, BarBuilder, Timeframe, bin_start_ns


class BaseBars:
    """Holds live bars back until the recovered ones are in, then builds base bars in order of time.

    A base bar is only built when its beginning is known: from where the journal ends, or else from its
    first 5-second bar on.
    """

    def __init__(self, timeframe: Timeframe, *, on_closed: Callable[[Bar], None], last: Bar | None) -> None:
        self._timeframe = timeframe
        self._builder = BarBuilder(timeframe)
        self._on_closed = on_closed
        self._lock = threading.Lock()
        self._waiting: list[Bar] | None = []
        self._known_from_ns: int | None = last.end_ns if last else None
        self._after_ns = self._known_from_ns

    @property
    def wanted_from_ns(self) -> int | None:
        """Start of the first 5-second bar still needed; None: whatever there is."""
        return self._after_ns

    def start_after(self, last: Bar | None) -> None:
        """The warm-up ended with this bar."""
        self._known_from_ns = self._after_ns = last.end_ns if last else None

    def add(self, bar: Bar) -> None:
        """A live bar."""
        with self._lock:
            if self._waiting is not None:
                self._waiting.append(bar)
            else:
                self._take(bar)

    def release(self, recovered: Iterable[Bar]) -> None:
        """The bars recovered from history; a live one of the same start counts more. Live bars pass from now."""
        with self._lock:
            waiting = self._waiting or []
            self._waiting = None
            merged = {bar.start_ns: bar for bar in (*recovered, *waiting)}
            for start_ns in sorted(merged):
                self._take(merged[start_ns])

    def _take(self, bar: Bar) -> None:
        if self._after_ns is not None and bar.start_ns < self._after_ns:
            return
        begins_ns = bin_start_ns(bar.start_ns, self._timeframe)
        if self._known_from_ns is None or self._known_from_ns > begins_ns:
            if bar.start_ns != begins_ns:
                return
            self._known_from_ns = begins_ns
        self._after_ns = bar.end_ns
        for closed in self._builder.add(bar):
            self._on_closed(closed)
