"""Bars of the lengths that TWS names, folded from those of the tape. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import date

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar
from mia_actors.core.trade_date import session_bounds_ns, trade_date

MINUTE_S, HOUR_S = 60, 3600
DAY_S, WEEK_S = 24 * HOUR_S, 7 * 24 * HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSize:
    """A length of bars."""

    seconds: int

    @property
    def is_of_days(self) -> bool:
        """Whether its bars are of whole trade dates; the others are of bins anchored at the UTC epoch."""
        return self.seconds >= DAY_S

    def bin_of(self, start_ns: int) -> Hashable:
        """What bars that belong into one have in common."""
        if not self.is_of_days:
            return start_ns - start_ns % (self.seconds * NS_PER_S)
        day = trade_date(start_ns)
        return day if self.seconds == DAY_S else day.isocalendar()[:2]


def _named() -> dict[str, BarSize]:
    seconds = {f"{number} secs": number for number in (5, 10, 15, 30)} | {"1 min": MINUTE_S}
    seconds |= {f"{number} mins": number * MINUTE_S for number in (2, 3, 5, 10, 15, 20, 30)} | {
        "1 hour": HOUR_S
    }
    seconds |= {f"{number} hours": number * HOUR_S for number in (2, 4, 8)}
    # The last two names as some clients write them.
    seconds |= {"1 day": DAY_S, "1 week": WEEK_S, "1D": DAY_S, "1W": WEEK_S}
    return {name: BarSize(seconds=length) for name, length in seconds.items()}


BAR_SIZES = _named()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalBar:
    """A bar of any length; prices in ticks."""

    start_ns: int
    end_ns: int
    """Of its bin: it may have bars to come until then."""
    day: date | None
    """Its last trade date, for bars of whole ones."""
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume: int

    def with_next(self, bar: Bar) -> "HistoricalBar":
        """With one more small bar at its end."""
        day, end_ns = self.day, self.end_ns
        if day is not None:
            day = trade_date(bar.start_ns)
            end_ns = session_bounds_ns(day)[1]
        return replace(
            self,
            end_ns=end_ns,
            day=day,
            high_ticks=max(self.high_ticks, bar.high_ticks),
            low_ticks=min(self.low_ticks, bar.low_ticks),
            close_ticks=bar.close_ticks,
            volume=self.volume + bar.volume,
        )


class BarFold:
    """Takes small bars in order of time; has the bar they add up to."""

    def __init__(self, size: BarSize) -> None:
        self._size = size
        self._bin: Hashable = None
        self.current: HistoricalBar | None = None
        """The bar that the small bar taken last belongs to."""
        self.is_whole = False
        """Whether that small bar reached its end."""

    def add(self, bar: Bar) -> HistoricalBar | None:
        """Answers the bar that the small one ended by belonging to the next."""
        wanted, before, ended = self._size.bin_of(bar.start_ns), self.current, None
        if before is not None and wanted == self._bin:
            self.current = before.with_next(bar)
        else:
            ended, self._bin, self.current = before, wanted, self._first(bar)
        self.is_whole = bar.end_ns == self.current.end_ns
        return ended

    def _first(self, bar: Bar) -> HistoricalBar:
        day: date | None = None
        length_ns = self._size.seconds * NS_PER_S
        start_ns = bar.start_ns - bar.start_ns % length_ns
        end_ns = start_ns + length_ns
        if self._size.is_of_days:
            day = trade_date(bar.start_ns)
            start_ns, end_ns = bar.start_ns, session_bounds_ns(day)[1]
        return HistoricalBar(
            start_ns=start_ns,
            end_ns=end_ns,
            day=day,
            open_ticks=bar.open_ticks,
            high_ticks=bar.high_ticks,
            low_ticks=bar.low_ticks,
            close_ticks=bar.close_ticks,
            volume=bar.volume,
        )
