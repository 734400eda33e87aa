"""What the market has shown so far, and bars and days made of it; never beyond its present time. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.gateway.historical_bars import DAY_S, MINUTE_S, BarFold, BarSize, HistoricalBar

TRADE_DATES = {"D": 1, "W": 5, "M": 21, "Y": 252}
DURATIONS = "a number and S, D, W, M or Y"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """A trade date so far; prices in ticks."""

    day: date
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    last_end_ns: int
    volume: int
    close_before_ticks: int | None
    """Last price of the trade date before, where it is known."""

    @classmethod
    def after(cls, before: Self | None, bar: Bar) -> Self:
        """With one more bar, perhaps the first of its trade date."""
        day = trade_date(bar.start_ns)
        is_same = before is not None and before.day == day
        if before is None or not is_same:
            return cls(
                day=day,
                open_ticks=bar.open_ticks,
                high_ticks=bar.high_ticks,
                low_ticks=bar.low_ticks,
                last_ticks=bar.close_ticks,
                last_end_ns=bar.end_ns,
                volume=bar.volume,
                close_before_ticks=None if before is None else before.last_ticks,
            )
        return cls(
            day=day,
            open_ticks=before.open_ticks,
            high_ticks=max(before.high_ticks, bar.high_ticks),
            low_ticks=min(before.low_ticks, bar.low_ticks),
            last_ticks=bar.close_ticks,
            last_end_ns=bar.end_ns,
            volume=before.volume + bar.volume,
            close_before_ticks=before.close_before_ticks,
        )


class History:
    """Base bars before and during the session, and the 5-second bars of the one in progress."""

    def __init__(self, warm_up: Sequence[Bar]) -> None:
        self._base = list(warm_up)
        self._small: list[Bar] = []
        self.day: DayFigures | None = None
        """The present trade date; None before any bar."""
        for bar in self._last_dates(2, len(self._base)):
            self.day = DayFigures.after(self.day, bar)

    def add_small(self, bar: Bar) -> None:
        """A 5-second bar was shown."""
        self._small.append(bar)
        self.day = DayFigures.after(self.day, bar)

    def close_base(self, bar: Bar) -> None:
        """The base bar in progress is complete."""
        self._base.append(bar)
        self._small.clear()

    def bars(
        self,
        size: BarSize,
        duration: str,
        until_ns: int,
        *,
        admits: Callable[[Bar], bool] | None = None,
    ) -> list[HistoricalBar]:
        """Bars within a duration such as `1800 S` or `10 D` back from a moment, ascending.

        Bars of days include the one in progress, as those of TWS do; of the shorter ones only whole ones are
        told. `admits` filters the small bars they are made of.

        Raises:
            ValueError: a duration that is none, or bars that cannot be made of the tape's.
        """
        found, fold = self.folded(size, duration, until_ns, admits=admits)
        if fold.current is not None and (fold.is_whole or size.is_of_days):
            found.append(fold.current)
        number, unit = _parsed(duration)
        return found[-number:] if size.seconds == DAY_S and unit == "D" else found

    def folded(
        self,
        size: BarSize,
        duration: str,
        until_ns: int,
        *,
        admits: Callable[[Bar], bool] | None = None,
    ) -> tuple[list[HistoricalBar], BarFold]:
        """As `bars`, but without the last one: that is in the fold, which can go on with 5-second bars."""
        number, unit = _parsed(duration)
        start_ns = until_ns - number * NS_PER_S if unit == "S" else 0
        base = self._reaching_back(number, unit, until_ns)
        fold, found = BarFold(size), []
        for bar in self._parts(base, size, until_ns):
            if admits is None or admits(bar):
                ended = fold.add(bar)
                if ended is not None and ended.start_ns >= start_ns:
                    found.append(ended)
        if fold.current is not None and fold.current.start_ns < start_ns and not size.is_of_days:
            fold.current = None
        return found, fold

    def small_bars(self, from_ns: int, until_ns: int) -> Iterator[Bar]:
        """5-second bars that begin not before one moment and end by another, ascending."""
        first = bisect_right(self._base, from_ns, key=_end_ns)
        for bar in self._base[first:]:
            if bar.start_ns >= until_ns:
                return
            yield from (one for one in expand(bar) if one.start_ns >= from_ns and one.end_ns <= until_ns)
        yield from (one for one in self._small if one.start_ns >= from_ns and one.end_ns <= until_ns)

    def small_bars_back(self, until_ns: int) -> Iterator[Bar]:
        """5-second bars that end by a moment, the last one first."""
        yield from (one for one in reversed(self._small) if one.end_ns <= until_ns)
        for place in range(bisect_left(self._base, until_ns, key=_start_ns) - 1, -1, -1):
            yield from (one for one in reversed(expand(self._base[place])) if one.end_ns <= until_ns)

    def first_ns(self, admits: Callable[[Bar], bool] | None = None) -> int | None:
        """Start of the first bar there is."""
        bars = (*self._base[:], *self._small) if admits is not None else (*self._base[:1], *self._small[:1])
        return next((bar.start_ns for bar in bars if admits is None or admits(bar)), None)

    def _parts(self, base: Sequence[Bar], size: BarSize, until_ns: int) -> Iterator[Bar]:
        """What bars of a length are made of: the tape's own ones where they can be."""
        if base and size.seconds >= MINUTE_S and size.seconds % base[0].timeframe.seconds:
            length = base[0].timeframe
            raise ValueError(f"bars of {size.seconds} s cannot be made of the tape's bars of {length}")
        for bar in base:
            if size.seconds >= MINUTE_S and bar.end_ns <= until_ns:
                yield bar
            else:
                yield from (one for one in expand(bar) if one.end_ns <= until_ns)
        yield from (one for one in self._small if one.end_ns <= until_ns)

    def _reaching_back(self, number: int, unit: str, until_ns: int) -> Sequence[Bar]:
        count = bisect_left(self._base, until_ns, key=_start_ns)
        if unit == "S":
            first = bisect_right(self._base, until_ns - number * NS_PER_S, key=_end_ns)
            return self._base[first:count]
        return self._last_dates(number * TRADE_DATES[unit], count)

    def _last_dates(self, wanted: int, count: int) -> Sequence[Bar]:
        """Of the first `count` base bars those of the last trade dates that have any."""
        dates: list[date] = []
        for index in range(count - 1, -1, -1):
            day = trade_date(self._base[index].start_ns)
            if not dates or dates[-1] != day:
                if len(dates) == wanted:
                    return self._base[index + 1 : count]
                dates.append(day)
        return self._base[:count]


def _start_ns(bar: Bar) -> int:
    return bar.start_ns


def _end_ns(bar: Bar) -> int:
    return bar.end_ns


def _parsed(duration: str) -> tuple[int, str]:
    number, _, unit = duration.partition(" ")
    if not (number.isascii() and number.isdigit()) or unit not in {"S", *TRADE_DATES}:
        raise ValueError(f"duration {duration!r}: allowed: {DURATIONS}")
    return int(number), unit
