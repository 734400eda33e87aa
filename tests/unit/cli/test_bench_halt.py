"""`mia bench halt`: the tape breaks the limit where the plan says, and the figures count what they say they count."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mia_actors.cli.app import app
from mia_actors.cli.bench_halt import INTENSITY, bench_config, halt_document
from mia_actors.cli.bench_halt_attempts import BENCH_PREFIX, bracket_of
from mia_actors.cli.bench_halt_tape import (
    BREAKING_PLACES,
    DAILY_LOSS_LIMIT_USD,
    OPEN_AT_BAR,
    TRIALS_MAX,
    TrialPlan,
    trial_plans,
    write_tape,
)
from mia_actors.cli.bench_halt_trial import Case, TrialResult
from mia_actors.cli.config import child_settings, load_config
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import ORDER_REF_LENGTH_MAX, OrderType
from mia_actors.core.trade_date import trade_date
from mia_actors.core.units import ES
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.supervision.spec import SupervisorSpec

CONFIG = Path(__file__).parents[3] / "supervision.yaml"
PLANS = trial_plans(TRIALS_MAX, ES)


def losses_usd(plan: TrialPlan) -> list[tuple[int, Decimal]]:
    """Start of each 5-second bar after the purchase, and the loss marked at its close."""
    path = expand(plan.bars[0])
    costs = Costs()
    bought_ticks = path[OPEN_AT_BAR].open_ticks + costs.slippage_ticks
    return [
        (bar.start_ns, ES.usd_of(bought_ticks - bar.close_ticks) + costs.commission_usd_per_side)
        for bar in path[OPEN_AT_BAR:]
    ]


def result(cancel_ms: float, *, accepted: int = 0, floor_ms: float = 0.5) -> TrialResult:
    return TrialResult(
        cancel_ms=cancel_ms,
        flat_market_s=5.0,
        confirmed_ms=cancel_ms + 200,
        attempts=3,
        accepted=accepted,
        answers=("target: refused (halted)", "no permit: OrderRejected (permit_missing)"),
        floor_ms=(floor_ms, floor_ms),
        sync_ms=(1.0,),
    )


def test_each_trial_breaks_the_limit_in_exactly_the_bar_of_its_plan() -> None:
    for plan in PLANS:
        broken = [start_ns for start_ns, loss_usd in losses_usd(plan) if loss_usd >= DAILY_LOSS_LIMIT_USD]
        assert broken[0] == plan.breaks_from_ns
        place = (plan.breaks_from_ns - plan.bars[0].start_ns) // Timeframe.S5.ns
        assert place in BREAKING_PLACES, "what is stopped is not needed before the account is flat"
        assert plan.open_at_ns + Timeframe.S5.ns <= plan.breaks_from_ns, "the position has filled before"


def test_each_trial_has_a_trade_date_of_its_own_before_the_contract_is_rolled() -> None:
    dates = [trade_date(plan.bars[0].start_ns) for plan in PLANS]
    assert len(set(dates)) == TRIALS_MAX
    assert all(trade_date(plan.ends_at_ns - 1) == day for plan, day in zip(PLANS, dates, strict=True))
    assert dates == sorted(dates)
    assert dates[-1] < dt.date(2025, 12, 1)


def test_the_account_lasts_for_all_trials() -> None:
    """Margin for the position and for the order that the halt is to cancel."""
    terms, costs = AccountTerms(), Costs()
    worst_usd = max(loss for plan in PLANS for _, loss in losses_usd(plan))
    worst_usd += ES.usd_of(costs.slippage_ticks) + costs.commission_usd_per_side
    assert terms.cash_usd - TRIALS_MAX * worst_usd >= 2 * terms.initial_margin_usd_per_contract


def test_the_tape_is_read_back_as_planned(tmp_path: Path) -> None:
    path = tmp_path / "tape.parquet"
    write_tape(path, PLANS[:3], ES)
    tape = load_tape(TapeSelection(source=str(path)))
    planned = [bar for plan in PLANS[:3] for bar in plan.bars]
    assert [(bar.start_ns, bar.open_ticks, bar.close_ticks) for bar in tape.bars] == [
        (bar.start_ns, bar.open_ticks, bar.close_ticks) for bar in planned
    ]
    assert tape.base_timeframe is Timeframe.M1
    (last,) = {bar.instrument for bar in tape.bars}
    assert last == tape.contract.instrument


def test_the_tree_is_the_configured_one_but_for_limit_votes_and_budgets() -> None:
    given = load_config(CONFIG)
    changed = bench_config(given)
    assert child_settings(changed, "guardian", GuardianSettings).daily_loss_limit_usd == DAILY_LOSS_LIMIT_USD

    def supervisors(node: SupervisorSpec) -> list[SupervisorSpec]:
        below = [child for child in node.children if isinstance(child, SupervisorSpec)]
        return [node, *(one for child in below for one in supervisors(child))]

    assert {one.intensity for one in supervisors(changed.tree)} == {INTENSITY}
    assert [(spec.id, spec.run) for _, spec in changed.tree.child_specs()] == [
        (spec.id, spec.run) for _, spec in given.tree.child_specs()
    ]


@pytest.mark.parametrize("limit_ticks", [None, 19_600])
def test_an_attempt_is_an_entry_with_its_stop(limit_ticks: int | None) -> None:
    entry, stop = bracket_of(BENCH_PREFIX, "ESZ5", PLANS[-1].ends_at_ns, limit_ticks=limit_ticks)
    assert entry.order_type is (OrderType.MARKET if limit_ticks is None else OrderType.LIMIT)
    assert (stop.parent_ref, stop.side) == (entry.order_ref, entry.side.opposite)
    assert max(len(entry.order_ref), len(stop.order_ref)) <= ORDER_REF_LENGTH_MAX


def test_figures_are_by_case_beside_the_floor_of_the_same_case() -> None:
    found = halt_document(
        {
            Case.HEALTHY: [result(4.0), result(2.0), result(3.0)],
            Case.LOADED: [result(40.0, accepted=1, floor_ms=4.0)],
        },
        {Case.HEALTHY: [0.1], Case.LOADED: [4.0]},
    )
    healthy, loaded = found["ours"]["healthy"], found["ours"]["machine_loaded"]
    assert (healthy["p50"], healthy["max"], healthy["trials"], healthy["load"]) == (3.0, 4.0, 3, [0.1])
    assert healthy["flat_market_s"] == {"p50": 5.0, "max": 5.0}
    assert (healthy["risk_increasing_attempts"], healthy["risk_increasing_accepted"]) == (9, 0)
    assert healthy["answers"]["target: refused (halted)"] == 3
    assert loaded["risk_increasing_accepted"] == 1
    floor = found["rivals"]["bare_socket_round_trip"]
    assert (floor["healthy"]["count"], floor["machine_loaded"]["p50"]) == (6, 4.0)
    assert found["ratio"]["machine_loaded"] == {
        "bare_socket_round_trip": 10.0,
        "bare_socket_round_trip_plus_bare_disk_sync": 8.0,
    }
    assert {"cores", "load"} <= set(found["machine"])


@pytest.mark.parametrize("option", [("--trials", "0"), ("--trials", "151"), ("--case", "sunny")])
def test_absurd_options_are_refused_by_name(option: tuple[str, str]) -> None:
    found = CliRunner().invoke(app, ["bench", "halt", *option])
    assert found.exit_code == 2
    assert option[0] in found.output
