"""The closed bars a timeframe's readings are taken from."""

from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.trade_date import trade_date
from mia_actors.features.base import BASE_BARS, RANGE_BARS, Base, find_base

WINDOW_BARS = 120
WINDOW_BARS_MIN = 60
"""The longest look-back of a reading (30 bars of regime) after the longest warm-up of a column (20)."""
WINDOW_BARS_MAX = 480
SWING_SIDE_BARS = 2
VOLUME_UNIT_BITS = 20


class BarWindow:
    """The last `capacity` closed bars of one timeframe and one instrument, as columns of equal length.

    Besides the bars it keeps columns derived from them as they come. Each derived value depends on the few
    bars before its own; the first positions, whose past has left the window, hold values that depend on
    what was there, so readings take a column only from the position its comment names. With that, every
    reading is a function of the bars in the window alone: a window rebuilt from the last `capacity` bars
    gives the same numbers as one that has run for weeks.

    Plain lists, because most readings look at five to thirty integers, where numpy's call overhead costs
    more than the arithmetic. Read the columns, never write them.
    """

    __slots__ = (
        "bases",
        "capacity",
        "closes",
        "deltas",
        "densities",
        "directed_volumes",
        "direction_signs",
        "highs",
        "instrument",
        "lows",
        "opens",
        "range_sums",
        "starts_ns",
        "swing_highs",
        "swing_lows",
        "timeframe",
        "trade_days",
        "true_ranges",
        "typical_squares",
        "typical_sums",
        "volatility_ratios",
        "volumes",
    )

    def __init__(self, timeframe: Timeframe, capacity: int = WINDOW_BARS) -> None:
        if not WINDOW_BARS_MIN <= capacity <= WINDOW_BARS_MAX:
            raise ValueError(f"a window holds {WINDOW_BARS_MIN} to {WINDOW_BARS_MAX} bars, not {capacity}")
        self.timeframe = timeframe
        self.capacity = capacity
        self.instrument = ""
        self._clear()

    def _clear(self) -> None:
        self.starts_ns: list[int] = []
        self.opens: list[int] = []
        self.highs: list[int] = []
        self.lows: list[int] = []
        self.closes: list[int] = []
        self.volumes: list[int] = []
        # CME trade date of each bar's start, as a day number.
        self.trade_days: list[int] = []
        # Signed volume estimated from the bar's shape: V * (C - O) / (H - L), 0 where H = L.
        self.deltas: list[float] = []
        # Volume per price of the bar's range, in 2^-20 contracts: an integer, so that sums have no order.
        self.densities: list[int] = []
        # (H + L + C) * V and (H + L + C)² * V: thrice the typical price, weighted.
        self.typical_sums: list[int] = []
        self.typical_squares: list[int] = []
        # From position 1: they look at the previous close.
        self.true_ranges: list[int] = []
        self.direction_signs: list[int] = []
        self.directed_volumes: list[int] = []
        # From position 4: price of the swing whose centre is two bars back, else None.
        self.swing_highs: list[int | None] = []
        self.swing_lows: list[int | None] = []
        # From position 20: sum of the last 20 true ranges; mean of the last 5 over mean of the last 20
        # (0.0 where no price moved); the base at this bar.
        self.range_sums: list[int] = []
        self.volatility_ratios: list[float] = []
        self.bases: list[Base | None] = []

    def __len__(self) -> int:
        return len(self.closes)

    @property
    def as_of_ns(self) -> int:
        """End of the last bar.

        Raises:
            IndexError: the window is empty.
        """
        return self.starts_ns[-1] + self.timeframe.ns

    @property
    def session_start(self) -> int:
        """Position of the first bar of the last bar's trade date."""
        day = self.trade_days[-1]
        return self.trade_days.index(day)

    def add(self, bar: Bar) -> None:
        """Takes the next closed bar; a bar of another instrument starts the window anew.

        Raises:
            ValueError: the bar is of another timeframe, or not after the last one.
        """
        if bar.timeframe is not self.timeframe:
            raise ValueError(f"a {self.timeframe} window was given a {bar.timeframe} bar")
        if bar.instrument != self.instrument:
            self.instrument = bar.instrument
            self._clear()
        elif self.starts_ns and bar.start_ns <= self.starts_ns[-1]:
            raise ValueError("bars must come in order of time")
        self._derive_from_previous(bar)
        self._derive_from_bar(bar)
        self._derive_from_columns()
        if len(self.closes) > self.capacity:
            self._drop_first()

    def _derive_from_previous(self, bar: Bar) -> None:
        previous = self.closes[-1] if self.closes else bar.open_ticks
        change = bar.close_ticks - previous
        sign = (change > 0) - (change < 0)
        self.direction_signs.append(sign)
        self.directed_volumes.append(sign * bar.volume)
        self.true_ranges.append(max(bar.high_ticks, previous) - min(bar.low_ticks, previous))

    def _derive_from_bar(self, bar: Bar) -> None:
        volume = bar.volume
        height = bar.high_ticks - bar.low_ticks
        typical = bar.high_ticks + bar.low_ticks + bar.close_ticks
        self.starts_ns.append(bar.start_ns)
        self.opens.append(bar.open_ticks)
        self.highs.append(bar.high_ticks)
        self.lows.append(bar.low_ticks)
        self.closes.append(bar.close_ticks)
        self.volumes.append(volume)
        self.trade_days.append(trade_date(bar.start_ns).toordinal())
        self.deltas.append(volume * (bar.close_ticks - bar.open_ticks) / height if height else 0.0)
        self.densities.append((volume << VOLUME_UNIT_BITS) // (height + 1))
        self.typical_sums.append(typical * volume)
        self.typical_squares.append(typical * typical * volume)

    def _derive_from_columns(self) -> None:
        highs, lows = self.highs, self.lows
        count = len(highs)
        if count > 2 * SWING_SIDE_BARS:
            self.swing_highs.append(_swing_high(highs))
            self.swing_lows.append(_swing_low(lows))
        else:
            self.swing_highs.append(None)
            self.swing_lows.append(None)
        range_sum = sum(self.true_ranges[-RANGE_BARS:])
        self.range_sums.append(range_sum)
        recent = sum(self.true_ranges[-5:])
        self.volatility_ratios.append(4 * recent / range_sum if range_sum else 0.0)
        found = None
        if count >= max(BASE_BARS, RANGE_BARS + 1):
            found = find_base(
                highs=highs, lows=lows, closes=self.closes, volumes=self.volumes, range_sum=range_sum
            )
        self.bases.append(found)

    def _drop_first(self) -> None:
        del self.starts_ns[0], self.opens[0], self.highs[0], self.lows[0], self.closes[0], self.volumes[0]
        del self.trade_days[0], self.deltas[0], self.densities[0], self.typical_sums[0]
        del self.typical_squares[0], self.true_ranges[0], self.direction_signs[0]
        del self.directed_volumes[0], self.swing_highs[0], self.swing_lows[0], self.range_sums[0]
        del self.volatility_ratios[0], self.bases[0]


def _swing_high(highs: list[int]) -> int | None:
    centre = highs[-3]
    if centre > highs[-4] and centre > highs[-5] and centre >= highs[-2] and centre >= highs[-1]:
        return centre
    return None


def _swing_low(lows: list[int]) -> int | None:
    centre = lows[-3]
    if centre < lows[-4] and centre < lows[-5] and centre <= lows[-2] and centre <= lows[-1]:
        return centre
    return None
