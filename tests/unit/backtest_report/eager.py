"""A backtest with trades, refusals and every decision, for tests of its report."""

from datetime import date
from decimal import Decimal
from functools import cache

from mia_actors.backtest_report.facts import BacktestFacts, Circumstances, backtest_facts, settings_of
from mia_actors.backtest_report.page import backtest_page
from mia_actors.core.decisions import Decision
from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.cycle.backtest import Backtest
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.cycle.situations import new_york_ns, vote

EAGER = DecisionSettings(
    strategies_agree_min=1, confluence_min=0.5, confluence_coverage_min=0.0, confidence_min=0.5
)
GUARDIAN = GuardianSettings(daily_loss_limit_usd=Decimal(500), consecutive_losses_max=50)
MADE = Circumstances(
    settings=(*settings_of("cycle", EAGER), *settings_of("guardian", GUARDIAN)),
    model_version="es-5m-test",
    software_version="0",
    costs=Costs(),
    account=AccountTerms(),
    ledger_file="ledger.csv",
    notes=("a note beside the figures",),
    fitted=((date(2026, 3, 9), date(2026, 3, 9)),),
    command="mia backtest --tape <b>bars</b>",
)


@cache
def eager_tape() -> Tape:
    return load_tape(
        TapeSelection(
            source="synthetic:19",
            from_ns=new_york_ns("2026-03-09T08:00"),
            to_ns=new_york_ns("2026-03-11T17:00"),
            history_days=2,
        )
    )


def approve(vector: EnsembleVector, _event_time_ns: int) -> EnsembleVote:
    return vote(approved=hash(vector.values) % 4 != 0)


@cache
def made(stop_ticks_max: int = EAGER.stop_ticks_max) -> tuple[BacktestFacts, tuple[Decision, ...]]:
    tape, decision = eager_tape(), EAGER.model_copy(update={"stop_ticks_max": stop_ticks_max})
    running = Backtest(tape, decision=decision, guardian=GUARDIAN, voter=approve, every_decision=True)
    found = running.run()
    facts = backtest_facts(
        tape,
        found,
        running.decisions(),
        entry_timeframe=decision.entry_timeframe,
        circumstances=MADE,
        seconds=1.5,
    )
    return facts, running.decisions()


@cache
def page_made() -> str:
    return backtest_page(made()[0])
