"""Which requests a download of historical bars is made of. Pure.

IB answers a request of at most so much time for each length of bar; a chunk is one request within that limit,
and the part of its answer that is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.core.trade_date import SATURDAY, session_bounds_ns

HOUR_NS = 3600 * NS_PER_S
LONGEST = {Timeframe.S5: "3600 S", Timeframe.M1: "1 D", Timeframe.M5: "1 W"}
"""The longest duration that IB documents for bars of this length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRange:
    """The bars wanted: of whole CME trade dates, first and last included."""

    first_day: date
    last_day: date
    timeframe: Timeframe

    def __post_init__(self) -> None:
        if self.first_day > self.last_day:
            raise ConfigError(f"--from {self.first_day} is later than --to {self.last_day}")
        if self.timeframe not in LONGEST:
            allowed = ", ".join(timeframe.value for timeframe in LONGEST)
            raise ConfigError(f"--bar {self.timeframe.value}: allowed: {allowed}")
        if not self.days:
            raise ConfigError(
                f"--from {self.first_day} --to {self.last_day}: no trade date, only a weekend; "
                "Sunday's evening belongs to Monday"
            )

    @property
    def days(self) -> tuple[date, ...]:
        """Days that can be trade dates: weekdays. Holidays are among them; the broker has no bars of those."""
        count = (self.last_day - self.first_day).days + 1
        every = (self.first_day + timedelta(days=offset) for offset in range(count))
        return tuple(day for day in every if day.weekday() < SATURDAY)

    @property
    def end_ns(self) -> int:
        """End of the last trade date."""
        return session_bounds_ns(self.days[-1])[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One request, with the window whose bars are kept of its answer."""

    name: str
    """Unique in the download and sorted by time; fit for a file."""
    from_ns: int
    to_ns: int
    """End of the window and of the request."""
    duration: str
    """In TWS's words."""


def chunks_of(wanted: HistoryRange) -> tuple[Chunk, ...]:
    """The requests of a download, oldest first, without overlap."""
    duration = LONGEST[wanted.timeframe]
    if wanted.timeframe is Timeframe.S5:
        return tuple(hour for day in wanted.days for hour in _hours(day, duration))
    weeks: groupby[tuple[int, int], date] = groupby(wanted.days, key=_week)
    spans = [tuple(days) for _, days in weeks] if duration == "1 W" else [(day,) for day in wanted.days]
    return tuple(
        Chunk(
            name=days[0].isoformat(),
            from_ns=session_bounds_ns(days[0])[0],
            to_ns=session_bounds_ns(days[-1])[1],
            duration=duration,
        )
        for days in spans
    )


def _week(day: date) -> tuple[int, int]:
    year, week, _ = day.isocalendar()
    return year, week


def _hours(day: date, duration: str) -> Iterator[Chunk]:
    first_ns, end_ns = session_bounds_ns(day)
    for number, from_ns in enumerate(range(first_ns, end_ns, HOUR_NS)):
        to_ns = min(from_ns + HOUR_NS, end_ns)
        yield Chunk(name=f"{day}.{number:02}", from_ns=from_ns, to_ns=to_ns, duration=duration)
