"""A backtest passes over what cannot change anything: ledger, counts and halts are those of looking at all of it."""

from dataclasses import replace
from datetime import time
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.core.ids import seeded_random
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import ES
from mia_actors.cycle.backtest import Backtest, BacktestResult
from mia_actors.cycle.screen import ASK, GATES, screen
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.features.tape_features import TapeFeatures
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.thresholds import FallingThresholds, Thresholds
from tests.unit.cycle.situations import new_york_ns, vote

EAGER = DecisionSettings(
    strategies_agree_min=1, confluence_min=0.5, confluence_coverage_min=0.0, confidence_min=0.0
)


@cache
def _tape(seed: int) -> Tape:
    return load_tape(
        TapeSelection(
            source=f"synthetic:{seed}",
            from_ns=new_york_ns("2026-03-09T08:00"),
            to_ns=new_york_ns("2026-03-10T17:00"),
            history_days=2,
        )
    )


def _approve(vector: EnsembleVector, _: int) -> EnsembleVote:
    """Approves of half of all vectors, whatever they are."""
    return vote(approved=hash(vector.values) % 2 == 0)


def _backtest(
    tape: Tape,
    decision: DecisionSettings,
    guardian: GuardianSettings,
    *,
    every_decision: bool = False,
) -> Backtest:
    return Backtest(tape, decision=decision, guardian=guardian, voter=_approve, every_decision=every_decision)


def _every_five_seconds(
    monkeypatch: pytest.MonkeyPatch, tape: Tape, decision: DecisionSettings, guardian: GuardianSettings
) -> BacktestResult:
    """Exchange and guardian see every 5-second bar, the decision core every base bar."""
    with monkeypatch.context() as patch:
        patch.setattr(SimulatedExchange, "leaves_alone", lambda *_: False)
        return _backtest(tape, decision, guardian, every_decision=True).run()


GUARDIANS = {
    "shipped": GuardianSettings(daily_loss_limit_usd=Decimal(500)),
    "a small loss halts": GuardianSettings(daily_loss_limit_usd=Decimal(30)),
    "losses in a row pause": GuardianSettings(
        daily_loss_limit_usd=Decimal(500), consecutive_losses_max=1, consecutive_losses_pause_s=1800
    ),
    "volume pauses": GuardianSettings(
        daily_loss_limit_usd=Decimal(500),
        volume_times_mean=Thresholds(critical=Decimal("2.2")),
        volume_window_s=300,
        volume_pause_s=200,
    ),
    "volume halts": GuardianSettings(
        daily_loss_limit_usd=Decimal(500), volume_times_mean=Thresholds(catastrophe=Decimal(5))
    ),
    "flat before the close": GuardianSettings(
        daily_loss_limit_usd=Decimal(500),
        close_of_session_min=FallingThresholds(warning=Decimal(120), critical=Decimal(90)),
    ),
    "a fall from the peak halts": GuardianSettings(
        daily_loss_limit_usd=Decimal(500), session_drawdown_usd=Thresholds(catastrophe=Decimal(60))
    ),
}


@pytest.mark.parametrize("guardian", GUARDIANS.values(), ids=GUARDIANS)
@pytest.mark.parametrize("decision", [DecisionSettings(), EAGER], ids=["shipped", "eager"])
def test_what_is_passed_over_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, decision: DecisionSettings, guardian: GuardianSettings
) -> None:
    for seed in (3, 19):
        tape = _tape(seed)
        looked_at = _every_five_seconds(monkeypatch, tape, decision, guardian)
        assert _backtest(tape, decision, guardian, every_decision=True).run() == looked_at
        assert _backtest(tape, decision, guardian).run() == looked_at


def test_the_guardians_above_act() -> None:
    """Without that the test above would say little."""
    ledgers = {name: _backtest(_tape(19), EAGER, guardian).run() for name, guardian in GUARDIANS.items()}
    assert len({found.ledger.sha256 for found in ledgers.values()}) >= 5
    assert {name for name, found in ledgers.items() if found.halted} >= {"a small loss halts", "volume halts"}
    assert ledgers["volume pauses"].counts.refused["guardian_refused"] > 0
    assert ledgers["volume pauses"].ledger.fills > 0


def test_every_decision_can_be_kept_and_most_are_passed_over() -> None:
    tape = _tape(3)
    every = _backtest(tape, DecisionSettings(), GuardianSettings(), every_decision=True)
    every.run()
    assert [one.event_time_ns for one in every.decisions()] == [bar.end_ns for bar in tape.bars]
    quick = _backtest(tape, DecisionSettings(), GuardianSettings())
    quick.run()
    kept = {one.event_time_ns: one for one in quick.decisions()}
    assert 0 < len(kept) < len(tape.bars) / 5
    assert all(kept.get(one.event_time_ns, one) == one for one in every.decisions())


@st.composite
def _settings(draw: st.DrawFn) -> DecisionSettings:
    return DecisionSettings(
        strategies=tuple(draw(st.permutations(["battle_navale", "mtf_confluence", "smart_money"])))[
            : draw(st.integers(1, 3))
        ],
        strategies_agree_min=1,
        entry_timeframe=draw(st.sampled_from([Timeframe.M1, Timeframe.M5, Timeframe.M15])),
        entries_from=time(draw(st.integers(9, 10)), 35),
        confluence_min=draw(st.sampled_from([0.5, 0.55, 0.6, 0.7])),
        confluence_coverage_min=draw(st.sampled_from([0.0, 0.5, 0.65])),
        confidence_min=draw(st.sampled_from([0.0, 0.6, 0.65])),
        stop_ticks_max=draw(st.sampled_from([4, 8, 20])),
        risk_reward_min=draw(st.sampled_from([1.0, 1.5, 2.2])),
    )


@settings(max_examples=20, deadline=None)
@given(chosen=_settings(), seed=st.integers(1, 4), silent_minutes=st.sampled_from([0, 4, 20, 70, 100]))
def test_the_screen_says_what_the_decision_core_says(
    chosen: DecisionSettings, seed: int, silent_minutes: int
) -> None:
    """At every bar of a flat account, after a gap too; where it asks the core, the core may say anything."""
    tape = _tape(seed)
    begin_ns = new_york_ns("2026-03-10T10:41")
    end_ns = begin_ns + silent_minutes * Timeframe.M1.ns
    tape = replace(tape, bars=tuple(bar for bar in tape.bars if not begin_ns <= bar.start_ns < end_ns))
    every = Backtest(
        tape,
        decision=chosen,
        guardian=GuardianSettings(),
        voter=lambda *_: vote(approved=False),
        every_decision=True,
    )
    every.run()
    codes = screen(TapeFeatures((*tape.history, *tape.bars)), chosen, ES)[len(tape.history) :]
    for code, decision in zip(codes, every.decisions(), strict=True):
        if code != ASK:
            assert (decision.reason, decision.outcome) == GATES[code - 1]


def test_a_bar_that_integrity_blocks_is_asked_about() -> None:
    tape = _tape(3)
    place = next(i for i, bar in enumerate(tape.bars) if bar.end_ns == new_york_ns("2026-03-10T11:00"))
    broken = replace(tape.bars[place], low_ticks=0)
    bars = (*tape.bars[:place], broken, *tape.bars[place + 1 :])
    found = Backtest(
        replace(tape, bars=bars), decision=DecisionSettings(), guardian=GuardianSettings(), voter=_approve
    ).run()
    assert found.counts.refused["data_integrity"] == 1


def _walk(seed: int, count: int) -> list[Bar]:
    draw = seeded_random(seed)
    price, bars = 20_000, []
    for number in range(count):
        opened, price = price, price + draw.randint(-8, 8)
        bars.append(
            Bar(
                instrument="ESH6",
                timeframe=Timeframe.M5,
                start_ns=new_york_ns("2026-03-10T09:30") + number * Timeframe.M5.ns,
                open_ticks=opened,
                high_ticks=max(opened, price) + draw.randint(0, 4),
                low_ticks=min(opened, price) - draw.randint(0, 4),
                close_ticks=price,
                volume=draw.randint(0, 5000),
            )
        )
    return bars


@pytest.mark.parametrize("seed", range(3))
def test_a_tape_of_five_minute_bars_without_history_is_screened_from_its_first_bar(seed: int) -> None:
    bars = _walk(seed, 60)
    codes = screen(TapeFeatures(bars), DecisionSettings(), ES)
    reasons = {GATES[code - 1][0].value for code in codes if code != ASK}
    assert "no_strategy_signal" in reasons
