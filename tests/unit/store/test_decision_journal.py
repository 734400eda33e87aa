from dataclasses import replace
from pathlib import Path

from mia_actors.core.decisions import Decision, Outcome, Reason, TargetPosition
from mia_actors.core.market import Bar, Timeframe
from mia_actors.store.decision_journal import DecisionJournal


def _decision(minute: int, outcome: Outcome, reason: Reason | None = None) -> Decision:
    bar = Bar(
        instrument="ESZ3",
        timeframe=Timeframe.M1,
        start_ns=minute * Timeframe.M1.ns,
        open_ticks=1,
        high_ticks=1,
        low_ticks=1,
        close_ticks=1,
        volume=1,
    )
    return Decision(
        cycle_id=f"ESZ3@{minute}",
        instrument="ESZ3",
        event_time_ns=bar.end_ns,
        outcome=outcome,
        reason=reason,
        detail="because",
        bar=bar,
        target=TargetPosition(
            target_id=f"ESZ3@{minute}",
            instrument="ESZ3",
            decided_at_ns=bar.end_ns,
            net_contracts=1,
            stop_ticks=1,
            target_ticks=2,
            reason="x",
        )
        if outcome is Outcome.ENTERED
        else None,
    )


def test_a_decision_is_made_once(tmp_path: Path) -> None:
    journal = DecisionJournal.open(tmp_path / "d.db")
    first = _decision(1, Outcome.ENTERED)
    journal.add(first, held_contracts=0, completed=False)
    journal.add(replace(first, detail="another"), held_contracts=3, completed=True)
    found = journal.get(first.event_time_ns)
    assert found is not None
    assert (found.decision, found.held_contracts, found.completed) == (first, 0, False)


def test_an_interrupted_cycle_is_not_the_last_completed_one(tmp_path: Path) -> None:
    journal = DecisionJournal.open(tmp_path / "d.db")
    done, begun = _decision(1, Outcome.NO_SIGNAL), _decision(2, Outcome.ENTERED)
    journal.add(done, held_contracts=0, completed=True)
    journal.add(begun, held_contracts=0, completed=False)
    last = journal.last_completed()
    assert last is not None
    assert last.decision == done
    journal.complete(begun)
    last = journal.last_completed()
    assert last is not None
    assert last.decision == begun


def test_counts_tell_why_there_was_no_trade(tmp_path: Path) -> None:
    journal = DecisionJournal.open(tmp_path / "d.db")
    for minute, (outcome, reason) in enumerate(
        [
            (Outcome.NO_SIGNAL, Reason.NO_STRATEGY_SIGNAL),
            (Outcome.NO_SIGNAL, Reason.NO_STRATEGY_SIGNAL),
            (Outcome.REFUSED, Reason.ENSEMBLE_REJECTED),
            (Outcome.ENTERED, None),
        ]
    ):
        journal.add(_decision(minute, outcome, reason), held_contracts=0, completed=True)
    counts = journal.counts()
    assert (counts.cycles, counts.approved) == (4, 1)
    assert counts.refused == {"no_strategy_signal": 2, "ensemble_rejected": 1}


def test_latency_is_kept_beside_the_decision(tmp_path: Path) -> None:
    journal = DecisionJournal.open(tmp_path / "d.db")
    decision = _decision(1, Outcome.NO_SIGNAL)
    journal.add(decision, held_contracts=0, completed=True)
    journal.note_latency(decision.event_time_ns, 2_500_000)
    assert journal.latencies_ms() == [2.5]
