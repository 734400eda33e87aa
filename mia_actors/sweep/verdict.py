"""What the runs of a sweep say together, and how much of the best of them the search explains. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from mia_actors.core.trade_date import trade_date
from mia_actors.cycle.performance import Performance, performance
from mia_actors.evidence.overfitting import BLOCKS, deflated_sharpe, probability_of_overfitting
from mia_actors.features.columns import FloatArray
from mia_actors.sweep.run import RunOutcome

MULTIPLE_TESTING = (
    "The best of many variants looks better than it is: some are good by chance. The deflated Sharpe ratio is the "
    "chance that the true one is above what the best of as many worthless variants would show; the probability of "
    "backtest overfitting is how often the best in one half of the time is below the median in the other. Every "
    "variant anybody ever tried on this tape counts, those of earlier sweeps too."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantFigures:
    """One variant over all folds."""

    number: int
    """From 0."""
    settings: Mapping[str, object]
    """Those swept."""
    figures: Performance
    net_by_fold: tuple[float, ...]
    deflated_sharpe: float | None
    daily: FloatArray
    """Net USD by trade date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The variant that was best before a fold, and what it did in it."""

    fold: int
    variant: int
    figures: Performance


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Everything a sweep found."""

    days: tuple[date, ...]
    variants: tuple[VariantFigures, ...]
    best: int | None
    """The variant with the highest Sharpe ratio; None where none has one."""
    probability_of_overfitting: float | None
    walk_forward: tuple[Chosen, ...]
    """From the second fold on; empty where there is nothing to choose among."""
    notes: tuple[str, ...]

    @property
    def deflated_sharpe(self) -> float | None:
        """Of the best variant."""
        return None if self.best is None else self.variants[self.best].deflated_sharpe


def judge(
    settings: Sequence[Mapping[str, object]], outcomes: Sequence[RunOutcome], cash_usd: Decimal
) -> Verdict:
    """Puts the runs of each variant together; every variant has run on the same stretches of time.

    Args:
        settings: Those swept, by variant.
        outcomes: Of all runs.
        cash_usd: What the account of each run began with.
    """
    runs = [
        sorted((one for one in outcomes if one.variant == number), key=lambda one: one.stretch)
        for number in range(len(settings))
    ]
    days = tuple(day for one in runs[0] for day in one.days)
    daily = np.column_stack([_daily(of_variant) for of_variant in runs])
    sharpes = _sharpes(daily)
    varying = sharpes[~np.isnan(sharpes)]
    variants = tuple(
        VariantFigures(
            number=number,
            settings=settings[number],
            figures=performance([trade for one in of_variant for trade in one.result.trades], days, cash_usd),
            net_by_fold=tuple(_net_usd(of_variant, fold) for fold in _folds(of_variant)),
            deflated_sharpe=deflated_sharpe(daily[:, number], varying),
            daily=daily[:, number],
        )
        for number, of_variant in enumerate(runs)
    )
    overfit = probability_of_overfitting(daily)
    return Verdict(
        days=days,
        variants=variants,
        best=int(np.nanargmax(sharpes)) if len(varying) else None,
        probability_of_overfitting=overfit,
        walk_forward=_walk_forward(runs, cash_usd),
        notes=_notes(len(runs), len(varying), len(days), is_computed=overfit is not None),
    )


def _folds(runs: Sequence[RunOutcome]) -> list[int]:
    return sorted({one.fold or 1 for one in runs})


def _of_folds(runs: Sequence[RunOutcome], folds: range) -> list[RunOutcome]:
    return [one for one in runs if (one.fold or 1) in folds]


def _net_usd(runs: Sequence[RunOutcome], fold: int) -> float:
    inside = _of_folds(runs, range(fold, fold + 1))
    return float(sum((trade.net_usd for one in inside for trade in one.result.trades), Decimal(0)))


def _daily(runs: Sequence[RunOutcome]) -> FloatArray:
    days = [day for one in runs for day in one.days]
    by_day = dict.fromkeys(days, Decimal(0))
    for one in runs:
        for trade in one.result.trades:
            by_day[trade_date(trade.closed_at_ns - 1)] += trade.net_usd
    return np.array([float(by_day[day]) for day in days])


def _sharpes(daily: FloatArray) -> FloatArray:
    """Per day, by column; NaN where results do not vary."""
    spread = daily.std(axis=0, ddof=1) if len(daily) > 1 else np.zeros(daily.shape[1])
    found: FloatArray = np.full(daily.shape[1], np.nan)
    found[spread > 0] = daily.mean(axis=0)[spread > 0] / spread[spread > 0]
    return found


def _walk_forward(runs: Sequence[Sequence[RunOutcome]], cash_usd: Decimal) -> tuple[Chosen, ...]:
    """Before each fold the variant with the highest Sharpe ratio so far is chosen; of equals the first."""
    if len(runs) < 2:
        return ()
    found = []
    for fold in _folds(runs[0])[1:]:
        past = np.column_stack([_daily(_of_folds(of_variant, range(1, fold))) for of_variant in runs])
        ratios = np.nan_to_num(_sharpes(past), nan=0.0)
        variant = int(np.argmax(ratios))
        taken = _of_folds(runs[variant], range(fold, fold + 1))
        found.append(
            Chosen(
                fold=fold,
                variant=variant,
                figures=performance(
                    [trade for one in taken for trade in one.result.trades],
                    [day for one in taken for day in one.days],
                    cash_usd,
                ),
            )
        )
    return tuple(found)


def _notes(variants: int, varying: int, days: int, *, is_computed: bool) -> tuple[str, ...]:
    tried = f"{variants} variant{'' if variants == 1 else 's'} tried."
    if variants == 1:
        return (tried,)
    missing = []
    if not is_computed:
        missing.append(
            f"The probability of overfitting needs {2 * BLOCKS} trade dates and two variants whose results vary; "
            f"there are {days} and {varying}."
        )
    return (tried, MULTIPLE_TESTING, *missing)
