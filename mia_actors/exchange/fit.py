"""Fits the synthetic generator to tapes: `python -m mia_actors.exchange.fit BARS_5M [BARS_1M]` prints JSON.

Shapes, day level, clustering and tails come from the 5-minute tape (years), what happens between minutes from
the 1-minute tape. The printed document is `es_profile.json`; no bar of the tapes is kept.
"""

import math
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import ConfigError
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.core.units import ES
from mia_actors.exchange.profile import BIN_MINUTES, SESSION_BINS, SESSION_MINUTES, Moments, Profile
from mia_actors.exchange.tape_file import Numbers, TapeFile, Whole

HOUR_NS = 3600 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S
FULL_DAY_SHARE = 0.9
"""Days with fewer of their bars are holidays and half days: not fitted."""
BIN_DAYS_MIN = 30
"""A time of day traded on fewer days is interpolated: 15:15 to 15:30 was a halt until June 2021."""
LAGS = 24
REGULAR_OPEN_BIN = (15 * 60 + 30) // BIN_MINUTES
"""08:30 Chicago."""
SIGNIFICANT_DIGITS = 6
MONDAY = 0

Grid = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Bars of full sessions as day-by-slot grids, NaN where there is no bar."""

    name: str
    minutes: int
    dates: Whole
    """Ordinals of the trade dates, the row labels."""
    contracts: Whole
    """Code of the contract each day was taken from."""
    opened: Grid
    high: Grid
    low: Grid
    close: Grid
    volume: Grid

    @property
    def bins(self) -> Whole:
        """Time-of-day bin of each slot."""
        return np.arange(self.opened.shape[1]) * self.minutes // BIN_MINUTES

    @property
    def returns(self) -> Grid:
        """Log return from open to close of each bar."""
        found: Grid = np.log(self.close / self.opened)
        return found


def read_days(path: Path) -> Days:
    """The front contract of each full session of a tape.

    Raises:
        ConfigError: not a tape, or not of 1 or 5 minutes.
    """
    tape = TapeFile(path)
    index = tape.index()
    rows = np.arange(index.times_ns.size)
    numbers = tape.numbers(("open", "high", "low", "close", "volume"), rows)
    hours, places = np.unique(index.times_ns // HOUR_NS, return_inverse=True)
    days = np.array([trade_date(hour * HOUR_NS).toordinal() for hour in hours.tolist()])[places]
    front = _front(days, index.contract_codes, numbers["volume"])
    starts = {day: session_bounds_ns(date.fromordinal(day))[0] for day in np.unique(days).tolist()}
    opens_ns = np.array([starts[day] for day in days.tolist()])
    minute = (index.times_ns - opens_ns) // MINUTE_NS
    steps = np.diff(minute[front])
    minutes = int(np.median(steps[steps > 0]))
    if minutes not in {1, BIN_MINUTES}:
        raise ConfigError(f"tape {path}: bars of {minutes} minutes; allowed: 1 or {BIN_MINUTES}")
    usable = front & (minute >= 0) & (minute < SESSION_MINUTES)
    labels, counts = np.unique(days[usable], return_counts=True)
    full = labels[counts >= FULL_DAY_SHARE * SESSION_MINUTES / minutes]
    usable &= np.isin(days, full)
    row, slot = np.searchsorted(full, days[usable]), minute[usable] // minutes

    def grid(values: Numbers) -> Grid:
        found = np.full((full.size, SESSION_MINUTES // minutes), np.nan)
        found[row, slot] = values[usable]
        return found

    contracts = np.zeros(full.size, dtype=np.int64)
    contracts[row] = index.contract_codes[usable]
    return Days(
        name=f"{path.name}: {full.size} sessions",
        minutes=minutes,
        dates=full,
        contracts=contracts,
        opened=grid(numbers["open"]),
        high=grid(numbers["high"]),
        low=grid(numbers["low"]),
        close=grid(numbers["close"]),
        volume=grid(numbers["volume"]),
    )


def fit(coarse: Days, fine: Days) -> Profile:
    """The profile of a 5-minute tape (years) and a 1-minute tape (days)."""
    volatility, volume = _volatility_shape(coarse), _volume_shape(coarse)
    scaled = coarse.returns / volatility[coarse.bins]
    size = np.abs(scaled)
    day_scale = np.nanmean(size, axis=1)
    log_scale = np.log(day_scale)
    day_centre = float(np.median(log_scale))
    unit = scaled / day_scale[:, None]
    correlations = _autocorrelation(np.abs(unit), LAGS)
    spread = float(np.nanmean(unit**2) / np.nanmean(np.abs(unit)) ** 2)
    amplitude, decay = _exponential(correlations)
    minute_log_variance = math.log1p(amplitude * (spread - 1.0))
    tail_coarse = _tail_degrees(spread / math.exp(minute_log_variance))
    session_sd = math.exp(day_centre) * math.sqrt(spread * SESSION_BINS)
    gap, gap_weekend = _gaps(coarse, session_sd * np.exp(log_scale - day_centre))
    on_volatility, session_volume, session_rest = _session_volume(coarse, log_scale - day_centre)
    on_range, offset, rest_sd, rest_ar = _minute_volume(fine, volatility, volume)
    return Profile(
        sources=(coarse.name, fine.name),
        volatility_shape=tuple(_rounded(value) for value in volatility.tolist()),
        volume_shape=tuple(_rounded(value) for value in volume.tolist()),
        minute_return_sd=_rounded(session_sd / math.sqrt(SESSION_MINUTES)),
        day_log_sd=_rounded(float(np.std(log_scale))),
        day_log_ar=_rounded(float(np.corrcoef(log_scale[1:], log_scale[:-1])[0, 1])),
        minute_log_sd=_rounded(math.sqrt(minute_log_variance)),
        minute_log_ar=_rounded(decay ** (1 / BIN_MINUTES)),
        tail_degrees=_rounded(_finer_tail(tail_coarse)),
        gap_sd_days=_rounded(gap),
        gap_sd_days_weekend=_rounded(gap_weekend),
        open_step_probability=_rounded(_open_steps(fine)),
        session_volume=_rounded(session_volume),
        session_volume_on_volatility=_rounded(on_volatility),
        session_volume_log_sd=_rounded(session_rest),
        minute_volume_on_range=_rounded(on_range),
        minute_volume_offset=_rounded(offset),
        minute_volume_log_sd=_rounded(rest_sd),
        minute_volume_log_ar=_rounded(rest_ar),
        moments=moments(coarse, volatility),
    )


def moments(days: Days, volatility: Grid) -> Moments:
    """The yardstick: measured the same way on a tape and on generated bars of 5 minutes."""
    scaled = days.returns / volatility[days.bins]
    unit = scaled / np.nanmean(np.abs(scaled), axis=1)[:, None]
    volume = np.nansum(days.volume, axis=0)
    return Moments(
        kurtosis_5m=_rounded(float(np.nanmean(unit**4) / np.nanmean(unit**2) ** 2)),
        autocorrelation_5m=tuple(_rounded(value) for value in _autocorrelation(np.abs(unit), 12)),
        range_over_move=_rounded(
            float(np.nanmean(days.high - days.low) / np.nanmean(np.abs(days.close - days.opened)))
        ),
        overnight_volume_share=_rounded(float(volume[:REGULAR_OPEN_BIN].sum() / volume.sum())),
    )


def _front(days: Whole, codes: Whole, volume: Numbers) -> npt.NDArray[np.bool_]:
    """Rows of the contract with most volume on their day."""
    width = int(codes.max()) + 1
    keys, places = np.unique(days * width + codes, return_inverse=True)
    volumes = np.bincount(places, weights=volume)
    order = np.lexsort((volumes, keys // width))
    last_of_day = np.append(np.diff(keys[order] // width) != 0, values=True)
    found: npt.NDArray[np.bool_] = np.isin(days * width + codes, keys[order][last_of_day])
    return found


def _volatility_shape(days: Days) -> Grid:
    """Mean absolute return by time of day, relative to its own day, root mean square 1."""
    size = np.abs(days.returns)
    shape = _by_bin(size / np.nanmean(size, axis=1)[:, None])
    return shape / math.sqrt(float(np.mean(shape**2)))


def _volume_shape(days: Days) -> Grid:
    shape = _by_bin(days.volume / np.nansum(days.volume, axis=1)[:, None])
    return shape / float(shape.sum())


def _by_bin(values: Grid) -> Grid:
    """Mean of each column; interpolated where too few days have it."""
    counts = np.sum(~np.isnan(values), axis=0)
    enough = counts >= min(BIN_DAYS_MIN, values.shape[0])
    places = np.arange(values.shape[1])
    means = np.nansum(values, axis=0) / np.maximum(counts, 1)
    found: Grid = np.interp(places, places[enough], means[enough])
    return found


def _autocorrelation(values: Grid, lags: int) -> list[float]:
    """Within days only: pairs never span two sessions."""
    found = []
    for lag in range(1, lags + 1):
        first, second = values[:, :-lag], values[:, lag:]
        both = ~np.isnan(first) & ~np.isnan(second)
        found.append(float(np.corrcoef(first[both], second[both])[0, 1]))
    return found


def _exponential(correlations: list[float]) -> tuple[float, float]:
    """Amplitude and decay per lag of `amplitude * decay ** lag + floor`, by least squares.

    The floor takes up the bias that scaling each day by its own mean puts on every lag.
    """
    wanted = np.array(correlations)
    lags = np.arange(1, wanted.size + 1)
    best = (math.inf, 0.0, 0.0)
    for decay in np.arange(0.5, 0.995, 0.005).tolist():
        terms = np.column_stack((decay**lags, np.ones(lags.size)))
        solution, *_ = np.linalg.lstsq(terms, wanted, rcond=None)
        error = float(np.sum((terms @ solution - wanted) ** 2))
        best = min(best, (error, float(solution[0]), decay))
    return max(best[1], 0.0), best[2]


def _tail_degrees(spread: float) -> float:
    """Degrees of freedom of the Student t whose E[z^2] / E[|z|]^2 is `spread` (pi / 2 for the normal)."""
    low, high = 4.05, 200.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if _student_spread(middle) > spread else (low, middle)
    return low


def _student_spread(degrees: float) -> float:
    log_mean = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    mean = 2 * math.sqrt(degrees / math.pi) * math.exp(log_mean) / (degrees - 1)
    return degrees / (degrees - 2) / mean**2


def _finer_tail(degrees: float) -> float:
    """One-minute tails: a sum of five independent innovations has a fifth of their excess kurtosis."""
    excess = 6.0 / (degrees - 4.0)
    return 4.0 + 6.0 / (BIN_MINUTES * excess)


def _gaps(days: Days, session_sd: Grid) -> tuple[float, float]:
    """Gap from last close to next open in session standard deviations: overnight, and over a weekend."""
    first = np.array([row[~np.isnan(row)][0] for row in days.opened])
    last = np.array([row[~np.isnan(row)][-1] for row in days.close])
    gap = np.abs(np.log(first[1:] / last[:-1])) / session_sd[:-1]
    same = days.contracts[1:] == days.contracts[:-1]
    weekend = np.array([date.fromordinal(day).weekday() == MONDAY for day in days.dates[1:].tolist()])
    to_sd = math.sqrt(math.pi / 2)
    return float(np.mean(gap[same & ~weekend])) * to_sd, float(np.mean(gap[same & weekend])) * to_sd


def _session_volume(days: Days, log_volatility: Grid) -> tuple[float, float, float]:
    """Slope of log volume on log volatility, median volume, and the standard deviation of the rest."""
    log_volume = np.log(np.nansum(days.volume, axis=1))
    slope, constant = np.polyfit(log_volatility, log_volume, 1)
    rest = log_volume - slope * log_volatility - constant
    return float(slope), math.exp(float(constant)), float(np.std(rest))


def _minute_volume(days: Days, volatility: Grid, volume: Grid) -> tuple[float, float, float, float]:
    """Slope of log volume on log relative range, the offset that keeps the mean, sd and AR(1) of the rest.

    Minutes weigh by the volume expected of them: in a thin night of 2013 one order made the minute.
    """
    scale = float(ES.tick_size)
    spans = (days.high - days.low + scale) / volatility[days.bins]
    log_range = np.log(spans / np.nanmean(spans, axis=1)[:, None])
    expected = np.nansum(days.volume, axis=1)[:, None] * volume[days.bins] * days.minutes / BIN_MINUTES
    log_volume = np.log(days.volume / expected)
    both = ~np.isnan(log_range) & ~np.isnan(log_volume)
    weight = expected[both] / expected[both].sum()
    slope, constant = np.polyfit(log_range[both], log_volume[both], 1, w=np.sqrt(weight))
    rest = log_volume - slope * log_range - constant
    predicted = np.exp(slope * log_range[both] + rest[both])
    return (
        float(slope),
        -math.log(float(np.sum(weight * predicted))),
        math.sqrt(float(np.sum(weight * rest[both] ** 2))),
        _autocorrelation(np.where(expected > np.median(expected[both]), rest, np.nan), 1)[0],
    )


def _open_steps(days: Days) -> float:
    steps = np.abs(days.opened[:, 1:] - days.close[:, :-1])
    return float(np.mean(steps[~np.isnan(steps)] > 0))


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _fitted(arguments: list[str]) -> Profile:
    tapes = [read_days(Path(argument)) for argument in arguments]
    coarse = next((days for days in tapes if days.minutes == BIN_MINUTES), None)
    if coarse is None:
        raise ConfigError("no 5-minute tape among them: shapes and clustering are fitted to one")
    return fit(coarse, next((days for days in tapes if days.minutes == 1), coarse))


def main(arguments: list[str]) -> int:
    """Prints the profile of the tapes named; exit code 2 with the reason when they cannot be fitted."""
    if not arguments:
        sys.stderr.write("usage: python -m mia_actors.exchange.fit BARS_5M [BARS_1M]\n")
        return 2
    try:
        sys.stdout.write(_fitted(arguments).model_dump_json(indent=1) + "\n")
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
