"""Historical bars out of what the market has shown so far; never beyond its present time. Pure."""

from collections.abc import Sequence

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Bar, BarBuilder, Timeframe
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.expansion import expand

BAR_SIZES = {
    "5 secs": Timeframe.S5,
    "1 min": Timeframe.M1,
    "5 mins": Timeframe.M5,
    "15 mins": Timeframe.M15,
    "1 hour": Timeframe.H1,
}
DAYS = {"D": 1, "W": 5}


class History:
    """Base bars before and during the session, and the 5-second bars of the one in progress."""

    def __init__(self, warm_up: Sequence[Bar]) -> None:
        self._base = list(warm_up)
        self._small: list[Bar] = []

    def add_small(self, bar: Bar) -> None:
        """A 5-second bar was shown."""
        self._small.append(bar)

    def close_base(self, bar: Bar) -> None:
        """The base bar in progress is complete."""
        self._base.append(bar)
        self._small.clear()

    def bars(self, timeframe: Timeframe, duration: str, now_ns: int) -> list[Bar]:
        """Closed bars of a length within a duration such as `1800 S` or `10 D`, ascending.

        Raises:
            ValueError: a duration that is none, or bars shorter than the tape's.
        """
        base = self._within(duration, now_ns)
        if timeframe is Timeframe.S5:
            found = [small for bar in base for small in expand(bar)] + self._small
        elif base and timeframe.ns < base[0].timeframe.ns:
            raise ValueError(f"the tape has no bars of {timeframe}")
        else:
            builder = BarBuilder(timeframe)
            found = [closed for bar in base for closed in builder.add(bar)]
        start_ns = self._start_ns(duration, now_ns)
        return [bar for bar in found if bar.end_ns <= now_ns and bar.start_ns >= start_ns]

    def _within(self, duration: str, now_ns: int) -> list[Bar]:
        number, unit = _parsed(duration)
        if unit == "S":
            start_ns = now_ns - number * NS_PER_S
            return [bar for bar in self._base if bar.end_ns > start_ns]
        wanted = number * DAYS[unit]
        dates: list[object] = []
        for index in range(len(self._base) - 1, -1, -1):
            day = trade_date(self._base[index].start_ns)
            if not dates or dates[-1] != day:
                if len(dates) == wanted:
                    return self._base[index + 1 :]
                dates.append(day)
        return self._base[:]

    def _start_ns(self, duration: str, now_ns: int) -> int:
        number, unit = _parsed(duration)
        return now_ns - number * NS_PER_S if unit == "S" else 0


def _parsed(duration: str) -> tuple[int, str]:
    number, _, unit = duration.partition(" ")
    if not number.isdigit() or unit not in {"S", *DAYS}:
        raise ValueError(f"duration {duration!r}: allowed: a number and S, D or W")
    return int(number), unit
