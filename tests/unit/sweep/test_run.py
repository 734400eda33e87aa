"""One run of a sweep is a backtest: in this process, with the shipped models."""

from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from mia_actors.backtest_report.facts import Circumstances, settings_of
from mia_actors.backtest_report.sweep_page import sweep_page
from mia_actors.cli.config import load_config
from mia_actors.cli.run_settings import run_settings
from mia_actors.cli.sweep_options import with_settings
from mia_actors.core.errors import ConfigError
from mia_actors.cycle.backtest import Backtest
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.sweep.days import days_of
from mia_actors.sweep.document import sweep_document
from mia_actors.sweep.folds import stretches
from mia_actors.sweep.run import RunOutcome, RunPlan, RunSettings, carry_out
from mia_actors.sweep.seen import days_seen, seen_by_models
from mia_actors.sweep.verdict import judge
from tests.unit.cycle.situations import new_york_ns

CONFIG = Path(__file__).parents[3] / "supervision.yaml"
WHOLE = TapeSelection(
    source="synthetic:19",
    from_ns=new_york_ns("2026-03-09T09:00"),
    to_ns=new_york_ns("2026-03-10T16:30"),
    history_days=3,
)
VARIANTS: tuple[dict[str, object], ...] = (
    {"ensemble.approve_above": 0.5},
    {"ensemble.approve_above": 0.99},
    {"ensemble.approve_above": 0.5, "guardian.volume_times_mean": {"catastrophe": 3}},
)


def _settings(changes: dict[str, object]) -> RunSettings:
    return run_settings(with_settings(load_config(CONFIG), changes, CONFIG), CONFIG.parent)


@cache
def _plans() -> tuple[RunPlan, ...]:
    parts = stretches(days_of(load_tape(WHOLE)), 2)
    return tuple(
        RunPlan(
            variant=number,
            fold=part.fold,
            stretch=part.fold - 1,
            selection=part.selection(WHOLE),
            settings=_settings(variant),
        )
        for part in parts
        for number, variant in enumerate(VARIANTS)
    )


@cache
def _outcomes() -> tuple[RunOutcome, ...]:
    return tuple(carry_out(plan) for plan in _plans())


def test_a_run_is_the_backtest_with_its_settings_on_its_part_of_the_tape() -> None:
    for plan, outcome in zip(_plans(), _outcomes(), strict=True):
        settings = plan.settings
        alone = Backtest(
            load_tape(plan.selection),
            decision=settings.decision,
            guardian=settings.guardian,
            voter=settings.voter(settings.models()),
        ).run()
        assert outcome.result == alone
        assert (outcome.variant, outcome.fold) == (plan.variant, plan.fold)
    last = [one.result for one in _outcomes() if one.fold == 2]
    assert len({one.ledger.sha256 for one in last[:2]}) == 2, "the ensemble's setting reaches the run"
    assert [one.halted for one in last] == [False, False, True], "the guardian's setting does"


def test_the_document_has_a_backtest_for_each_run_and_the_page_shows_them() -> None:
    verdict = judge(VARIANTS, _outcomes(), AccountTerms().cash_usd)
    cash_usd = AccountTerms().cash_usd
    document = sweep_document(_plans(), _outcomes(), VARIANTS, verdict, cash_usd=cash_usd, seconds=2.0)
    assert (document["variants"], document["folds"], len(document["runs"])) == (3, 2, 6)
    assert {"settings", "fold", "ledger_sha256", "trades", "win_rate", "sharpe", "bars"} <= set(
        document["runs"][0]
    )
    assert [run["ledger_sha256"] for run in document["runs"]] == [
        one.result.ledger.sha256 for one in _outcomes()
    ]
    by_variant = sum(run["pnl_usd"] for run in document["runs"] if run["settings"] == VARIANTS[0])
    assert document["by_variant"][0]["pnl_usd"] == pytest.approx(by_variant)
    made = Circumstances(
        settings=settings_of("cycle", _plans()[0].settings.decision),
        model_version="es-5m-test",
        software_version="0",
        costs=Costs(),
        account=AccountTerms(),
        ledger_file="sweep",
        notes=verdict.notes,
        fitted=(),
        command="mia backtest",
    )
    page = sweep_page(
        "<synthetic>", verdict, document, ["<one>", "two", "three", "four", "five", "six"], made
    )
    for said in (
        "3 variants tried.",
        "The best of many variants",
        "&lt;synthetic&gt;",
        "&lt;one&gt;",
        "Simulated.",
    ):
        assert said in page
    assert all(one.result.ledger.sha256 in page for one in _outcomes())
    assert "http://" not in page
    assert "https://" not in page


def test_days_that_the_models_were_fitted_on_are_counted() -> None:
    manifest = _settings({}).models().manifest
    training = manifest.training.model_copy(
        update={"window_from": "2015-01-05T15:00:00Z", "window_until": "2015-01-09T15:00:00Z"}
    )
    manifest = manifest.model_copy(update={"training": training})
    days = [date(2015, 1, 8), date(2015, 1, 9), date(2015, 1, 12)]
    assert [days_seen(manifest, days[:count]) for count in (0, 1, 2, 3)] == [0, 1, 2, 2]
    assert "of the 3 trade dates here 2 lie within" in seen_by_models(manifest, days)
    assert "none of the trade dates here" in seen_by_models(manifest, days[2:])


def test_a_plan_for_a_part_without_bars_is_refused() -> None:
    empty = replace(_plans()[0], selection=replace(WHOLE, contract="201312"))
    with pytest.raises(ConfigError, match="not the front contract"):
        carry_out(empty)
