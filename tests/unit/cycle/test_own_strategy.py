"""A backtest with a strategy that a user brought."""

from mia_actors.core.decisions import Outcome
from mia_actors.cycle.backtest import Backtest
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.tape import TapeSelection, load_tape
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.cycle.situations import new_york_ns, vote

NAME = "examples.my_strategy"


def test_a_strategy_of_ones_own_is_heard_and_trades() -> None:
    tape = load_tape(
        TapeSelection(
            source="synthetic:3",
            from_ns=new_york_ns("2026-03-09T08:00"),
            to_ns=new_york_ns("2026-03-10T17:00"),
            history_days=2,
        )
    )
    chosen = DecisionSettings(
        strategies=(NAME,), strategies_agree_min=1, confluence_min=0.5, confidence_min=0.0, stop_ticks_max=80
    )
    backtest = Backtest(tape, decision=chosen, guardian=GuardianSettings(), voter=lambda *_: vote())
    result = backtest.run()
    entered = [one for one in backtest.decisions() if one.outcome is Outcome.ENTERED]
    assert entered
    assert result.ledger.fills >= 2 * len(result.trades) > 0
    for one in entered:
        (reading,) = one.readings
        assert (reading.strategy, reading.side) == (NAME, one.proposal.side if one.proposal else None)
