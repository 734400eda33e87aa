"""What a tape must be before anything trades on it; refusals name row, column, what is wrong, the remedy."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.core.units import Product
from mia_actors.exchange.tape_file import Numbers, Whole

PRICES = ("open", "high", "low", "close")
BASE_TIMEFRAMES = (Timeframe.M1, Timeframe.M5)
SPACINGS_ALLOWED = "bars of 1 or of 5 minutes"
SPACING_REMEDY = "give one spacing per tape, or choose a part with --from and --to"
MIXED_RUN_BARS = 12
"""An hour of bars five minutes apart, without a gap, is no thin minute tape."""
GRID_TOLERANCE_TICKS = 1e-6

Where = Callable[[int], str]
"""Names a row of the file."""


class RowChecks:
    """Checks rows of one contract, given in the file's order; `where` names a row in messages."""

    def __init__(self, where: Where, rows: Whole, times_ns: Whole) -> None:
        self._where = where
        self._rows = rows
        self._times_ns = times_ns

    def times(self, base: Timeframe) -> None:
        """Times rise, and lie on the marks of the base timeframe.

        Raises:
            ConfigError: a duplicate or backward time, or one between two marks.
        """
        steps = np.diff(self._times_ns)
        later = np.concatenate(([base.ns], steps))
        self._refuse(later == 0, "ts", "duplicate time; keep one bar of a time and contract")
        self._refuse(later < 0, "ts", "backward: the bar before it starts later; sort the tape by time")
        self._refuse(
            self._times_ns % base.ns != 0,
            "ts",
            f"mixed spacing: not on a mark of the tape's {base.value} bars; {SPACING_REMEDY}",
        )
        if base is Timeframe.M1:
            self._refuse(
                _in_long_run(steps == Timeframe.M5.ns),
                "ts",
                f"mixed spacing: 5-minute bars on a tape of 1-minute bars; {SPACING_REMEDY}",
            )

    def ticks(self, prices: dict[str, Numbers], product: Product) -> dict[str, Whole]:
        """Prices as integer ticks.

        Raises:
            ConfigError: one that is missing, not positive, off the grid, or outside its bar's high and low.
        """
        found: dict[str, Whole] = {}
        off_grid = (
            f"{{value}} is off the {product.symbol} grid of {product.tick_size}; "
            "give unadjusted prices of this product"
        )
        for column in PRICES:
            price = prices[column]
            self._finite(column, price)
            self._refuse(price <= 0, column, "{value} is not positive; mend the bar", value=price)
            ticks = price / float(product.tick_size)
            whole = np.rint(ticks)
            self._refuse(np.abs(ticks - whole) > GRID_TOLERANCE_TICKS, column, off_grid, value=price)
            found[column] = whole.astype(np.int64)
        high, low = prices["high"], prices["low"]
        self._refuse(high < low, "high", "{high} is below the low {low}; mend the bar", high=high, low=low)
        for column in ("open", "close"):
            price = prices[column]
            outside = (price > high) | (price < low)
            what = "{value} is outside the bar's {low} to {high}; mend the bar"
            self._refuse(outside, column, what, value=price, low=low, high=high)
        return found

    def volumes(self, volume: Numbers) -> Whole:
        """Volumes as whole contracts.

        Raises:
            ConfigError: one that is missing, negative or not whole.
        """
        self._finite("volume", volume)
        self._refuse(volume < 0, "volume", "{value} is negative; mend the bar", value=volume)
        broken = volume != np.rint(volume)
        self._refuse(broken, "volume", "{value} is not a whole number; give contracts", value=volume)
        return volume.astype(np.int64)

    def _finite(self, column: str, values: Numbers) -> None:
        self._refuse(~np.isfinite(values), column, "no number (NaN); mend the bar or leave its row out")

    def _refuse(self, wrong: npt.NDArray[np.bool_], column: str, what: str, **numbers: Numbers) -> None:
        """Names the first wrong row; `what` quotes that row's `numbers` by name."""
        if not wrong.any():
            return
        place = int(np.flatnonzero(wrong)[0])
        quoted = {name: f"{values[place]:.10g}" for name, values in numbers.items()}
        moment = iso_utc(int(self._times_ns[place]))
        row = self._where(int(self._rows[place]))
        raise ConfigError(f"{row} ({moment}), column {column}: {what.format(**quoted)}")


def base_timeframe(source: str, times_ns: Whole, codes: Whole, code: int) -> Timeframe:
    """The most common spacing of a contract's rows; where that is none of ours, of the whole tape's rows.

    A thin expiry has few neighbouring minutes: the tape's other expiries then say what its rows are.

    Raises:
        ConfigError: that spacing is not one this system trades on, or there are no two rows to take it from.
    """
    own = _common_spacing_ns(times_ns[codes == code])
    allowed = {timeframe.ns: timeframe for timeframe in BASE_TIMEFRAMES}
    if own in allowed:
        return allowed[own]
    order = np.argsort(codes, kind="stable")
    steps = np.diff(times_ns[order])
    found = _most_common(steps[(np.diff(codes[order]) == 0) & (steps > 0)])
    if found in allowed:
        return allowed[found]
    if found is None:
        raise ConfigError(
            f"tape {source}: one bar has no spacing; a tape has {SPACINGS_ALLOWED}, several of them"
        )
    apart_s = (own or found) / NS_PER_S
    raise ConfigError(
        f"tape {source}, column ts: the bars are {apart_s:g} s apart; allowed: {SPACINGS_ALLOWED}"
    )


def _common_spacing_ns(times_ns: Whole) -> int | None:
    steps = np.diff(times_ns)
    return _most_common(steps[steps > 0])


def _most_common(steps: Whole) -> int | None:
    if not steps.size:
        return None
    values, counts = np.unique(steps, return_counts=True)
    return int(values[np.argmax(counts)])


def _in_long_run(marks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """For each row, whether `MIXED_RUN_BARS` or more marked steps in a row end at it."""
    length = np.zeros(marks.size + 1, dtype=np.int64)
    for place in np.flatnonzero(marks).tolist():
        length[place + 1] = length[place] + 1
    return length >= MIXED_RUN_BARS
