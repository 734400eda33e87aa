"""The variants year by year, beside chance and beside holding."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.evidence.collected import Collected
from mia_actors.evidence.overfitting import deflated_sharpe, probability_of_overfitting
from mia_actors.evidence.trading import Figures, by_day, figures, one_at_a_time
from mia_actors.evidence.variants import Variant, known_before, variants
from mia_actors.features.columns import FloatArray, IntArray

ALL = "all"
HOLDING = "one contract held"
RANDOM = "random entries"
SURPLUS = 1.3
"""Draws more than needed, of which those that find a position open are dropped."""
PERCENTILES = (5, 95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One way to trade over the years it was tested on."""

    name: str
    what: str
    by_year: dict[str, Figures]
    """Keys are years, and `ALL`."""
    gross_per_trade: float | None
    """Mean before slippage and commissions, USD."""
    better_than_random: float | None
    """Share of random draws of as many trades a year that made less per trade."""
    deflated_sharpe: float | None
    equity: pd.Series
    """Running net USD by trade date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that was compared."""

    years: tuple[int, ...]
    variants: tuple[Compared, ...]
    holding: Compared
    random: dict[str, tuple[float, float, float]]
    """Mean, 5th and 95th percentile of the mean net USD per random trade, by year and `ALL`."""
    probability_of_overfitting: float | None
    information: dict[str, float]
    """Rank correlation of each input of the ensemble with the result of the signal (Spearman)."""


def compare(
    collected: Collected,
    *,
    settings: DecisionSettings,
    training: TrainingSettings,
    years: Sequence[int],
    draws: int,
    seed: int,
    on_variant: Callable[[], None] = lambda: None,
) -> Comparison:
    """Walks forward year by year: what is traded in a year was chosen before it began.

    Raises:
        ValueError: there is no signal in the years asked for.
    """
    signals = collected.signals
    if not signals["year"].isin(list(years)).any():
        raise ValueError(f"no signal in {', '.join(map(str, years))}")
    calendar = collected.holding[collected.holding["year"].isin(list(years))]
    chance = _Chance(collected.elsewhere, years, draws, seed)
    traded = []
    for variant in variants(settings, training):
        offered = collected.alone.get(variant.source, signals[:0]) if variant.source else signals
        traded.append((variant, _walk(offered, variant, years)))
        on_variant()
    daily = np.column_stack([_daily(trades, calendar) for _, trades in traded])
    spread = daily.std(axis=0)
    sharpes = daily.mean(axis=0)[spread > 0] / spread[spread > 0]
    every = [_compared(variant, trades, calendar, years, chance, sharpes) for variant, trades in traded]
    most = max((trades for _, trades in traded), key=len)
    return Comparison(
        years=tuple(years),
        variants=tuple(every),
        holding=_held(calendar, years),
        random=chance.bands(most),
        probability_of_overfitting=probability_of_overfitting(daily),
        information=_information(signals[signals["year"].isin(list(years))]),
    )


def _walk(signals: pd.DataFrame, variant: Variant, years: Sequence[int]) -> pd.DataFrame:
    taken = []
    for year in years:
        now = signals[signals["year"] == year]
        taken.append(one_at_a_time(now[variant.choose(known_before(signals, year), now)]))
    return pd.concat(taken)


def _daily(trades: pd.DataFrame, calendar: pd.DataFrame) -> FloatArray:
    return by_day(trades["net"].to_numpy(), trades["day"].to_numpy(), calendar["day"].to_numpy())


def _compared(
    variant: Variant,
    trades: pd.DataFrame,
    calendar: pd.DataFrame,
    years: Sequence[int],
    chance: "_Chance",
    sharpes: FloatArray,
) -> Compared:
    daily = _daily(trades, calendar)
    return Compared(
        name=variant.name,
        what=variant.what,
        by_year=_by_year(trades, calendar, years),
        gross_per_trade=float(trades["gross"].mean()) if len(trades) else None,
        better_than_random=chance.beaten_by(trades),
        deflated_sharpe=deflated_sharpe(daily, sharpes),
        equity=pd.Series(np.cumsum(daily), index=_dates(calendar)),
    )


def _by_year(trades: pd.DataFrame, calendar: pd.DataFrame, years: Sequence[int]) -> dict[str, Figures]:
    found = {}
    for year in (*years, None):
        part = trades if year is None else trades[trades["year"] == year]
        days = calendar if year is None else calendar[calendar["year"] == year]
        found[ALL if year is None else str(year)] = figures(
            part["net"].to_numpy(), part["day"].to_numpy(), days["day"].to_numpy()
        )
    return found


def _held(calendar: pd.DataFrame, years: Sequence[int]) -> Compared:
    return Compared(
        name=HOLDING,
        what="one contract, rolled with the tape, marked every trade date; no costs",
        by_year=_by_year(calendar, calendar, years),
        gross_per_trade=None,
        better_than_random=None,
        deflated_sharpe=None,
        equity=pd.Series(np.cumsum(calendar["net"].to_numpy()), index=_dates(calendar)),
    )


def _dates(calendar: pd.DataFrame) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.Timestamp.fromordinal(int(day)) for day in calendar["day"]])


def _information(signals: pd.DataFrame) -> dict[str, float]:
    inputs = signals[list(ENSEMBLE_FEATURES)]
    ranks = inputs.rank().corrwith(signals["net"].rank())
    return {str(name): round(float(value), 4) for name, value in ranks.items() if not np.isnan(value)}


class _Chance:
    """Random entries with the same exits and costs, in the same hours, as often a year."""

    def __init__(self, elsewhere: pd.DataFrame, years: Sequence[int], draws: int, seed: int) -> None:
        self._years = {year: elsewhere[elsewhere["year"] == year].reset_index(drop=True) for year in years}
        self._draws = draws
        self._random = np.random.default_rng(seed)

    def beaten_by(self, trades: pd.DataFrame) -> float | None:
        """Share of the draws whose mean is below that of these trades."""
        if not len(trades):
            return None
        sums, counts = self._drawn(trades)
        return float((sums.sum(axis=0) / counts.sum(axis=0) < trades["net"].mean()).mean())

    def bands(self, trades: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
        """Mean and percentiles of the mean per trade, by year and in all."""
        sums, counts = self._drawn(trades)
        found = {
            str(year): _band(sums[row] / counts[row])
            for row, year in enumerate(self._years)
            if counts[row].all()
        }
        return {**found, ALL: _band(sums.sum(axis=0) / counts.sum(axis=0))}

    def _drawn(self, trades: pd.DataFrame) -> tuple[FloatArray, IntArray]:
        """Sum of the results and number of the trades of each draw, [years, draws]."""
        sums = np.zeros((len(self._years), self._draws))
        counts = np.zeros((len(self._years), self._draws), dtype=np.int64)
        for row, (year, place) in enumerate(self._years.items()):
            wanted = int((trades["year"] == year).sum())
            for draw in range(self._draws if wanted and len(place) else 0):
                picked = np.unique(self._random.integers(0, len(place), int(wanted * SURPLUS) + 5))
                net = one_at_a_time(place.iloc[picked])["net"].to_numpy()
                if len(net) > wanted:
                    net = self._random.choice(net, wanted, replace=False)
                sums[row, draw], counts[row, draw] = net.sum(), len(net)
        return sums, counts


def _band(means: FloatArray) -> tuple[float, float, float]:
    low, high = np.percentile(means, PERCENTILES)
    return float(means.mean()), float(low), float(high)
