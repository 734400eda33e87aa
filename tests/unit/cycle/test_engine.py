from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.decisions import Decision, TargetPosition
from mia_actors.core.errors import TargetUnavailable
from mia_actors.core.market import Timeframe
from mia_actors.execution.messages import Applied, AppliedStatus
from mia_actors.strategies.registry import DEFAULT
from tests.unit.cycle.small_market import (
    SETTINGS,
    Died,
    Moment,
    MortalJournal,
    Run,
    SmallMarket,
    WatchedCore,
    build_engine,
    closed_bar,
    run_session,
)

DAY = (
    Moment("2013-10-08T10:05", 0, "long"),
    Moment("2013-10-08T10:10", 2, "long"),
    Moment("2013-10-08T10:15", -12, "short"),
    Moment("2013-10-08T10:20", -18, "short"),
    Moment("2013-10-08T10:25", -16, "none"),
    Moment("2013-10-08T10:30", -16, "none"),
    Moment("2013-10-08T10:35", -16, "long"),
    Moment("2013-10-08T10:40", -16, "long"),
    Moment("2013-10-08T10:45", -14, "long"),
    Moment("2013-10-08T10:50", -14, "long"),
    Moment("2013-10-08T10:55", 20, "none"),
    Moment("2013-10-08T11:00", 20, "long"),
    Moment("2013-10-09T10:05", 20, "long"),
    Moment("2013-10-09T10:10", 24, "none"),
)
WHAT_HAPPENS = (
    "entered",
    "holding position_open",
    "entered",  # the long was stopped out within the bar; now short
    "holding position_open",
    "holding position_open",
    "holding position_open",
    "holding position_open",
    "exited holding_time_over",
    "refused ensemble_rejected",
    "entered",
    "no_signal no_strategy_signal",  # the target was reached
    "refused trades_per_day",
    "entered",  # another trade date
    "holding position_open",
)
STAGES = ("features", "vote", "apply")
WRITES = ("add", "complete")
BREAKS = [
    *((side, name, Died) for name in STAGES + WRITES for side in ("before", "after")),
    *((side, name, TargetUnavailable) for name in STAGES for side in ("before", "after")),
]


def _said(decision: Decision) -> str:
    return " ".join(filter(None, (decision.outcome.value, decision.reason and decision.reason.value)))


def _left_behind(run: Run) -> tuple[object, ...]:
    return run.decisions, run.market.ledger(), run.market.effective


@pytest.fixture(scope="module")
def undisturbed() -> Run:
    return run_session(DAY)


def test_the_day_has_both_sides_a_stop_a_target_an_exit_and_refusals(undisturbed: Run) -> None:
    """What the tests below compare with is worth comparing."""
    assert tuple(_said(row.decision) for row in undisturbed.decisions) == WHAT_HAPPENS
    assert all(row.completed for row in undisturbed.decisions)
    assert [target.net_contracts for target in undisturbed.market.effective] == [1, -1, 0, 1, 1]
    ledger = undisturbed.market.ledger()
    assert [purpose for purpose in ("stop", "target", "exit") if f".{purpose}," not in ledger] == []
    assert undisturbed.engine.position_contracts == 1


def test_the_same_day_twice_leaves_the_same_behind(undisturbed: Run) -> None:
    assert _left_behind(run_session(DAY)) == _left_behind(undisturbed)


@pytest.mark.parametrize(("side", "name", "error"), BREAKS)
def test_a_cycle_broken_at_any_step_is_continued_as_if_nothing_had_been(
    undisturbed: Run, side: str, name: str, error: type[BaseException]
) -> None:
    """Killed and replaced, or run again after a stage stayed away: same decisions, ledger and targets."""
    places = [number for number, step in enumerate(undisturbed.market.steps) if step == f"{side} {name}"]
    assert len(places) >= 5
    for place in places:
        run = run_session(DAY, {place: error})
        assert run.incarnations == (2 if error is Died else 1)
        assert _left_behind(run) == _left_behind(undisturbed), f"step {place}"


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 200), min_size=2, max_size=20))
def test_many_deaths_in_one_day_change_nothing(places: set[int]) -> None:
    assert _left_behind(run_session(DAY, dict.fromkeys(places, Died))) == _left_behind(run_session(DAY))


def test_a_decision_is_in_the_journal_before_it_is_carried_out() -> None:
    market = SmallMarket(DAY[:1], {})
    journal, seen = MortalJournal(market), []

    class Looking(SmallMarket):
        def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
            seen.append(journal.get(target.decided_at_ns))
            return super().apply(target, held_contracts)

    looking = Looking(DAY[:1], {})
    build_engine(looking, journal, WatchedCore(SETTINGS)).run(closed_bar(looking, looking.bars[0], None))
    (row,) = seen
    assert row is not None
    assert not row.completed
    assert row.decision.target == looking.effective[0]


def test_a_resumed_cycle_is_carried_out_from_the_position_it_was_decided_on(undisturbed: Run) -> None:
    """A fill that became known in between does not change what is asked of execution."""
    place = undisturbed.market.steps.index("before apply")
    market = SmallMarket(DAY, {place: Died})
    journal = MortalJournal(market)
    closed = closed_bar(market, market.bars[0], None)
    with pytest.raises(Died):
        build_engine(market, journal, WatchedCore(SETTINGS)).run(closed)
    late = undisturbed.market.fills_until(market.bars[1].end_ns)
    assert late
    build_engine(market, journal, WatchedCore(SETTINGS)).run(replace(closed, fills=late))
    assert market.held_asked == [0]


@pytest.mark.parametrize("step", ["before features", "before vote"])
def test_a_stage_that_fails_leaves_nothing_decided(undisturbed: Run, step: str) -> None:
    place = undisturbed.market.steps.index(step)
    market = SmallMarket(DAY, {place: TargetUnavailable})
    journal = MortalJournal(market)
    engine = build_engine(market, journal, WatchedCore(SETTINGS))
    with pytest.raises(TargetUnavailable):
        engine.run(closed_bar(market, market.bars[0], None))
    assert (journal.decisions(), market.effective) == ((), [])


def test_a_cycle_run_again_answers_from_the_journal() -> None:
    market = SmallMarket(DAY, {})
    engine = build_engine(market, MortalJournal(market), WatchedCore(SETTINGS))
    closed = closed_bar(market, market.bars[0], None)
    first = engine.run(closed)
    steps = len(market.steps)
    assert engine.run(closed) == first
    assert len(market.steps) == steps


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (AppliedStatus.REFUSED, "refused guardian_refused"),
        (AppliedStatus.REJECTED, "refused broker_rejected"),
        (AppliedStatus.EXPIRED, "refused stale_decision"),
    ],
)
def test_what_was_not_sent_was_not_entered_and_does_not_count_as_a_trade(
    status: AppliedStatus, said: str
) -> None:
    run = run_session(
        DAY[:2],
        answers={"2013-10-08T10:05": status},
        settings=SETTINGS.model_copy(update={"trades_per_day_max": 1}),
    )
    first, second = run.decisions
    assert (_said(first.decision), first.completed) == (said, True)
    assert first.decision.detail == f"{status.value}, held 0"
    assert _said(second.decision) == "entered"


def test_profit_and_loss_of_the_day_begin_anew_with_the_trade_date(undisturbed: Run) -> None:
    """Stopped out at 10 ticks below 6600: 125 USD and two commissions; the account keeps what the day loses."""
    shown = {inputs.cycle_id: inputs for inputs in undisturbed.core.shown}
    stopped = shown["ESZ3@20131008T141500Z"]
    assert stopped.day_pnl_usd == Decimal("-129.50")
    last, fresh = shown["ESZ3@20131008T150000Z"], shown["ESZ3@20131009T140500Z"]
    assert last.day_pnl_usd != 0
    assert fresh.day_pnl_usd == 0
    assert not fresh.entries_today
    assert fresh.equity_usd == last.equity_usd == 25_000 + last.day_pnl_usd
    assert [len(stopped.entries_today), len(last.entries_today)] == [1, 3]
    assert {entry.risk_usd for entry in last.entries_today} == {Decimal(125)}
    assert {entry.strategies for entry in last.entries_today} == {DEFAULT}


def test_an_open_position_is_marked_at_the_close(undisturbed: Run) -> None:
    """Filled at 6620, marked at 6624: four ticks less one commission."""
    held = undisturbed.core.shown[-1]
    assert held.position_contracts == 1
    assert held.day_pnl_usd == 4 * Decimal("12.50") - Decimal("2.25")


def test_only_closing_timeframes_are_asked_after_the_first_cycle(undisturbed: Run) -> None:
    """A new engine asks for all of them once; none shorter than the base bar."""
    first, second, *_ = undisturbed.market.asked
    assert first == (Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4)
    assert second == (Timeframe.M5,)
    place = undisturbed.market.steps.index("before apply")
    assert run_session(DAY, {place: Died}).market.asked[:2] == [first, first]


def test_a_drain_closes_the_position_and_is_over_when_a_cycle_finds_it_flat() -> None:
    market = SmallMarket(DAY[:4], {})
    engine = build_engine(market, MortalJournal(market), WatchedCore(SETTINGS))
    said: list[tuple[str, bool]] = []
    previous = None
    for number, bar in enumerate(market.bars):
        if number == 1:
            engine.drain()
            assert not engine.drained
        quiet = replace(bar, low_ticks=min(bar.open_ticks, bar.close_ticks))
        decision = engine.run(closed_bar(market, quiet, previous))
        said.append((_said(decision), engine.drained))
        previous = quiet
    assert said == [
        ("entered", False),
        ("exited draining", False),
        ("no_signal draining", True),
        ("no_signal draining", True),
    ]
