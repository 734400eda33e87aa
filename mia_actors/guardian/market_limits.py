"""Limits on the market: volume, spread, a silent feed, the session's close, scheduled news.

Volume, close and news are judged in market time, so they hold in lockstep and in a backtest too. Quotes and
the feed's silence are known by their arrival alone.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal

from mia_actors.core.calendar import session_close_ns
from mia_actors.core.clock import NS_PER_S, iso_utc, time_ns_of
from mia_actors.core.facts import Quote
from mia_actors.core.market import Bar
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.guardian.levels import Demand, Finding, Level, found
from mia_actors.guardian.limits import HISTORY_S, GuardianSettings

MINUTE_NS = 60 * NS_PER_S
NO_ENTRIES_UNTIL_NORMAL: Mapping[Level, Demand] = {
    Level.WARNING: Demand.PAUSE,
    Level.CRITICAL: Demand.PAUSE,
    Level.CATASTROPHE: Demand.HALT,
}
BEFORE_THE_CLOSE: Mapping[Level, Demand] = {**NO_ENTRIES_UNTIL_NORMAL, Level.CRITICAL: Demand.CLOSE}


class MarketHistory:
    """The last half hour of 5-second bars; a bar heard again changes nothing."""

    def __init__(self) -> None:
        self._bars: deque[Bar] = deque()

    def take(self, bar: Bar) -> bool:
        """The next bar; False for one that is not newer than the last."""
        if self._bars and bar.end_ns <= self._bars[-1].end_ns:
            return False
        self._bars.append(bar)
        while self._bars[0].end_ns <= bar.end_ns - HISTORY_S * NS_PER_S:
            self._bars.popleft()
        return True

    def close_at(self, time_ns: int) -> int | None:
        """Close of the last bar that had ended at a moment; None when it is not known."""
        return next((bar.close_ticks for bar in reversed(self._bars) if bar.end_ns <= time_ns), None)

    def volumes(self, begin_ns: int, end_ns: int) -> list[int]:
        """Volumes of the bars that ended after `begin_ns` and before `end_ns`; empty when it does not reach back."""
        if not self._bars or self._bars[0].start_ns > begin_ns:
            return []
        return [bar.volume for bar in self._bars if begin_ns < bar.end_ns < end_ns]


class VolumeLimit:
    """Volume of a bar over the mean of those before it: CRITICAL pauses entries, CATASTROPHE halts."""

    def __init__(self, settings: GuardianSettings, pause_until_ns: int) -> None:
        self._limits = settings.volume_times_mean
        self._window_ns = settings.volume_window_s * NS_PER_S
        self._pause_ns = round(settings.volume_pause_s * NS_PER_S)
        self.pause_until_ns = pause_until_ns
        """Survives a restart: the bars that called for it may be gone."""
        self._level, self._text = Level.INFO, ""

    def take(self, bar: Bar, history: MarketHistory) -> None:
        """A bar to be judged; `history` ends with it."""
        if not self._limits.in_use:
            return
        before = history.volumes(bar.end_ns - bar.timeframe.ns - self._window_ns, bar.end_ns)
        if not before:
            self._level = Level.CRITICAL
            self._text = f"the mean volume of {self._window_ns // NS_PER_S} s is not known yet"
            return
        mean = Decimal(sum(before)) / len(before)
        times = bar.volume / mean if mean else Decimal(bar.volume)
        self._level = self._limits.level(times)
        if self._level is Level.CRITICAL:
            self.pause_until_ns = max(self.pause_until_ns, bar.end_ns + self._pause_ns)
        limit = self._limits.limit(times)
        self._text = f"volume {bar.volume} is {times:.1f} times the mean, limit {limit:f}"

    def findings(self, as_of_ns: int) -> Iterator[Finding]:
        """What it says at a market time, of the newest bar and the pause in progress."""
        if as_of_ns < self.pause_until_ns and self._level < Level.CRITICAL:
            text = f"volume far above its mean: no entries until {iso_utc(self.pause_until_ns)}"
            yield from found("volume", Level.CRITICAL, text)
        else:
            yield from found("volume", self._level, self._text)


class SpreadLimit:
    """The spread, and quotes that are missing or crossed: no entries until one is normal.

    Bid and ask come one after the other, so a wide spread counts when every one of the last readings was wide.
    """

    def __init__(self, settings: GuardianSettings) -> None:
        self._limits = settings.spread_ticks
        self._debounce = settings.debounce_readings
        self._spreads: deque[int] = deque(maxlen=self._debounce)
        self._missing = 0

    def take(self, quote: Quote) -> None:
        """A new quote."""
        spread_ticks = quote.spread_ticks
        self._missing = self._missing + 1 if spread_ticks is None else 0
        if spread_ticks is not None:
            self._spreads.append(spread_ticks)

    def findings(self) -> Iterator[Finding]:
        """What it says of the newest quotes."""
        if not self._limits.in_use:
            return
        if not self._spreads:
            self._missing += 1  # a look without any quote is a reading too
        if self._missing >= self._debounce:
            yield from found("spread", Level.WARNING, "no quotes", answers=NO_ENTRIES_UNTIL_NORMAL)
            return
        spread = min(self._spreads) if len(self._spreads) == self._debounce else 0
        text = f"spread {spread} ticks, limit {self._limits.limit(spread):f}"
        yield from found("spread", self._limits.level(spread), text, answers=NO_ENTRIES_UNTIL_NORMAL)


class FeedLimit:
    """Silence of the guardian's own market data while the exchange is open."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._limits = settings.feed_stall_s
        self._heard_ns: int | None = None

    def heard(self, arrival_ns: int) -> None:
        """Market data arrived."""
        self._heard_ns = max(self._heard_ns or 0, arrival_ns)

    def findings(self, as_of_ns: int, arrival_ns: int) -> Iterator[Finding]:
        """What it says; silence is counted from the first look where nothing was ever heard."""
        if self._heard_ns is None:
            self._heard_ns = arrival_ns
        silent_s = Decimal(max(0, arrival_ns - self._heard_ns)) / NS_PER_S
        level = self._limits.level(silent_s)
        if level is not Level.INFO and is_open(as_of_ns):
            text = f"no market data for {silent_s:.0f} s, limit {self._limits.limit(silent_s):f} s"
            yield from found("feed_stall", level, text)


class CalendarLimits:
    """What is known beforehand: the session's close and scheduled news."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._close = settings.close_of_session_min
        self._news_ns = sorted(time_ns_of(moment) for moment in settings.news_times)
        self._before_ns = round(settings.news_before_min * MINUTE_NS)
        self._after_ns = round(settings.news_after_min * MINUTE_NS)

    def findings(self, as_of_ns: int, held: int) -> Iterator[Finding]:
        """What they say at a market time."""
        if self._close.in_use:
            yield from self._closing(as_of_ns, held)
        if self._news_ns:
            yield from self._news(as_of_ns)

    def _closing(self, as_of_ns: int, held: int) -> Iterator[Finding]:
        close_ns = session_close_ns(trade_date(as_of_ns - 1))
        if close_ns is None:
            return
        left_min = Decimal(close_ns - as_of_ns) / MINUTE_NS
        level = self._close.level(left_min)
        if level is Level.CATASTROPHE and held == 0:
            level = Level.CRITICAL if self._close.critical is not None else Level.WARNING
        text = f"{max(left_min, Decimal(0)):.1f} minutes before the close of the session"
        if level is Level.CATASTROPHE:
            text = f"position {held:+d} {text}"
        yield from found("close_of_session", level, text, answers=BEFORE_THE_CLOSE)

    def _news(self, as_of_ns: int) -> Iterator[Finding]:
        first = bisect_left(self._news_ns, as_of_ns - self._after_ns + 1)
        last = bisect_right(self._news_ns, as_of_ns + self._before_ns)
        if first < last:
            until_ns = self._news_ns[last - 1] + self._after_ns
            text = f"news at {iso_utc(self._news_ns[first])}: no entries until {iso_utc(until_ns)}"
            yield from found("news", Level.WARNING, text, answers=NO_ENTRIES_UNTIL_NORMAL)


def is_open(time_ns: int) -> bool:
    """Whether ES trades at a moment, by the exchange's calendar."""
    day = trade_date(time_ns)
    close_ns = session_close_ns(day)
    return close_ns is not None and session_bounds_ns(day)[0] <= time_ns < close_ns
