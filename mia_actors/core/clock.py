"""The only place that reads the clock; everything else is given a `Clock`.

Nothing in a decision path takes one: decisions use event time from the data.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000


class Clock(Protocol):
    """What a shell may know of time."""

    def now_ns(self) -> int:
        """UTC nanoseconds since the epoch."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps back."""
        ...

    def sleep_s(self, duration_s: float) -> None:
        """Blocks the calling thread."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """UTC nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Seconds on the kernel's monotonic clock, shared by all processes of the machine."""
        return time.monotonic()

    def sleep_s(self, duration_s: float) -> None:
        """Blocks the calling thread."""
        time.sleep(duration_s)


class VirtualClock:
    """A clock for tests and in-process replay: it moves only when told or slept on. Thread-safe."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._start_ns = start_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """UTC nanoseconds since the epoch."""
        with self._lock:
            return self._now_ns

    def monotonic_s(self) -> float:
        """Seconds since this clock was made."""
        with self._lock:
            return (self._now_ns - self._start_ns) / NS_PER_S

    def sleep_s(self, duration_s: float) -> None:
        """Jumps instead of waiting."""
        self.advance_ns(round(duration_s * NS_PER_S))

    def advance_ns(self, duration_ns: int) -> None:
        """Moves forward; a negative step is a bug of the caller.

        Raises:
            ValueError: `duration_ns` is negative.
        """
        if duration_ns < 0:
            raise ValueError("a clock does not go back")
        with self._lock:
            self._now_ns += duration_ns


def utc_datetime(time_ns: int) -> datetime:
    """Aware UTC datetime of a nanosecond stamp, truncated to microseconds."""
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest_ns // 1000)


def time_ns_of(moment: datetime) -> int:
    """Nanoseconds since the epoch of an aware datetime.

    Raises:
        ValueError: `moment` is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("naive datetime: give it a time zone")
    whole = moment.astimezone(UTC)
    return int(whole.timestamp()) * NS_PER_S + whole.microsecond * 1000


def iso_utc(time_ns: int) -> str:
    """`2013-10-08T14:35:00Z`, seconds resolution."""
    return utc_datetime(time_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
