"""Notices a connection that no longer answers, and a stream that has gone silent while the market went on.

A gateway can keep its port open and answer nothing; after a blip of a data farm it can answer everything and
stream nothing. No code tells of either, so the broker is asked for its time again and again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mia_actors.core import calendar
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import BrokerDisconnected, DataStale, MiaError
from mia_actors.core.market import Timeframe
from mia_actors.core.trade_date import session_bounds_ns, trade_date


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessLimits:
    """How long silence lasts before it counts."""

    heartbeat_s: float = 10.0
    """Between two questions for the broker's time, and for its answer."""
    stale_after_s: float = 30.0
    """Without a 5-second bar while the broker's time went on in an open market."""


class StreamWatch:
    """Whether a stream of 5-second bars is stale. Pure; times are the broker's and a monotonic clock's, in ns."""

    def __init__(self, limits: LivenessLimits, *, broker_ns: int, monotonic_ns: int) -> None:
        """Subscribed now."""
        self._limit_ns = round(limits.stale_after_s * NS_PER_S)
        self._last_end_ns = broker_ns
        self._heard_at_ns = monotonic_ns

    def heard(self, end_ns: int, monotonic_ns: int) -> None:
        """A bar came."""
        self._last_end_ns = max(self._last_end_ns, end_ns)
        self._heard_at_ns = monotonic_ns

    def is_stale(self, broker_ns: int, monotonic_ns: int) -> bool:
        """True when a bar is due by the broker's time and none came for long; never while the market is closed."""
        is_due = broker_ns - self._last_end_ns >= Timeframe.S5.ns
        is_silent = monotonic_ns - self._heard_at_ns >= self._limit_ns
        return is_due and is_silent and is_open(broker_ns)


def is_open(time_ns: int) -> bool:
    """Whether the exchange has a session at that moment."""
    day = trade_date(time_ns)
    close_ns = calendar.session_close_ns(day)
    return close_ns is not None and session_bounds_ns(day)[0] <= time_ns < close_ns


class Liveness:
    """Asks again and again, in the session's loop, and ends the session that is dead or mute."""

    def __init__(
        self,
        limits: LivenessLimits,
        *,
        ask_time_ns: Callable[[], Awaitable[int]],
        monotonic_ns: Callable[[], int],
        on_dead: Callable[[MiaError], None],
    ) -> None:
        self._limits = limits
        self._ask_time_ns = ask_time_ns
        self._monotonic_ns = monotonic_ns
        self._on_dead = on_dead
        self._watch: StreamWatch | None = None
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Bars were subscribed just now; to be called in the session's loop."""
        broker_ns = await self._ask_time_ns()
        self._watch = StreamWatch(self._limits, broker_ns=broker_ns, monotonic_ns=self._monotonic_ns())
        if self._task is None:
            self._task = asyncio.create_task(self._beat())

    def heard(self, end_ns: int) -> None:
        """A bar came, in the session's thread."""
        if self._watch is not None:
            self._watch.heard(end_ns, self._monotonic_ns())

    def end(self) -> None:
        """Asks no more; in the session's loop."""
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        limits = self._limits
        while True:
            await asyncio.sleep(limits.heartbeat_s)
            try:
                broker_ns = await asyncio.wait_for(self._ask_time_ns(), limits.heartbeat_s)
            except TimeoutError:
                self._on_dead(BrokerDisconnected(f"no answer to a heartbeat within {limits.heartbeat_s:g} s"))
                return
            except ConnectionError:
                return  # the end of the connection is told by itself
            if self._watch is not None and self._watch.is_stale(broker_ns, self._monotonic_ns()):
                self._on_dead(DataStale(f"no bar for {limits.stale_after_s:g} s in an open market"))
                return
