"""A sweep as a JSON document. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from mia_actors.core.clock import iso_utc
from mia_actors.cycle.backtest_document import backtest_document
from mia_actors.cycle.performance import performance
from mia_actors.exchange.tape import TapeSelection
from mia_actors.sweep.run import RunOutcome, RunPlan
from mia_actors.sweep.verdict import Verdict


def sweep_document(
    plans: Sequence[RunPlan],
    outcomes: Sequence[RunOutcome],
    settings: Sequence[Mapping[str, object]],
    verdict: Verdict,
    *,
    cash_usd: Decimal,
    seconds: float,
) -> dict[str, Any]:
    """Every run with the keys of a single backtest, every variant over all folds, and what the search explains."""
    best = verdict.best
    return {
        "runs": [
            _run(plan, outcome, settings[plan.variant], cash_usd)
            for plan, outcome in zip(plans, outcomes, strict=True)
        ],
        "variants": len(verdict.variants),
        "folds": len(verdict.variants[0].net_by_fold),
        "seconds": round(seconds, 3),
        "by_variant": [
            {
                "settings": dict(one.settings),
                **asdict(one.figures),
                "net_usd_by_fold": list(one.net_by_fold),
                "deflated_sharpe": one.deflated_sharpe,
            }
            for one in verdict.variants
        ],
        "best": None if best is None else dict(verdict.variants[best].settings),
        "deflated_sharpe": verdict.deflated_sharpe,
        "pbo": verdict.probability_of_overfitting,
        "walk_forward": [
            {
                "fold": one.fold,
                "chosen": dict(verdict.variants[one.variant].settings),
                **asdict(one.figures),
            }
            for one in verdict.walk_forward
        ],
        "notes": list(verdict.notes),
    }


def _run(
    plan: RunPlan, outcome: RunOutcome, settings: Mapping[str, object], cash_usd: Decimal
) -> dict[str, Any]:
    figures = performance(outcome.result.trades, outcome.days, cash_usd)
    return {
        "settings": dict(settings),
        "fold": plan.fold,
        "part": _part(plan.selection),
        **backtest_document(outcome.result, figures, outcome.seconds),
    }


def _part(selection: TapeSelection) -> dict[str, str | None]:
    """The options of `mia backtest` that choose the same part of the tape."""
    return {
        "date": selection.date.isoformat() if selection.date else None,
        "from": None if selection.from_ns is None else iso_utc(selection.from_ns),
        "to": None if selection.to_ns is None else iso_utc(selection.to_ns),
        "contract": selection.contract,
    }
