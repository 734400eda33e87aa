import csv
import io
from dataclasses import replace
from datetime import time
from decimal import Decimal
from functools import cache

import pytest

from mia_actors.core.calendar import new_york
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.core.market import Bar
from mia_actors.core.orders import GUARDIAN_PREFIX, Purpose, Side
from mia_actors.cycle.backtest import Backtest, BacktestResult, Voter
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.cycle.situations import new_york_ns, vote

SEEDS = (3, 7, 19, 48)
"""Sessions of 10 March 2026 with one to four trades each when the ensemble approves of everything.

They begin within a five-minute bar.
"""
PATIENT = DecisionSettings(holding_minutes_max=1440)
MINUTE_NS = 60 * NS_PER_S


def _load(seed: int) -> Tape:
    return load_tape(
        TapeSelection(
            source=f"synthetic:{seed}",
            from_ns=new_york_ns("2026-03-10T09:02"),
            to_ns=new_york_ns("2026-03-10T17:00"),
            history_days=2,
        )
    )


_tape = cache(_load)


def _approve(vector: EnsembleVector, _: int) -> EnsembleVote:
    del vector
    return vote()


def _backtest(
    tape: Tape,
    *,
    decision: DecisionSettings | None = None,
    guardian: GuardianSettings | None = None,
    voter: Voter = _approve,
) -> Backtest:
    return Backtest(
        tape, decision=decision or DecisionSettings(), guardian=guardian or GuardianSettings(), voter=voter
    )


@cache
def _default(seed: int) -> BacktestResult:
    return _backtest(_tape(seed)).run()


@cache
def _patient(seed: int) -> BacktestResult:
    return _backtest(_tape(seed), decision=PATIENT).run()


def _rows(found: BacktestResult, kind: str) -> list[dict[str, str]]:
    return [row for row in csv.DictReader(io.StringIO(found.ledger.text)) if row["kind"] == kind]


def _turned(bar: Bar, pivot: int) -> Bar:
    return replace(
        bar,
        open_ticks=pivot - bar.open_ticks,
        high_ticks=pivot - bar.low_ticks,
        low_ticks=pivot - bar.high_ticks,
        close_ticks=pivot - bar.close_ticks,
    )


def _without_ties(bar: Bar) -> Bar:
    """A bar that ends where it began, midway between its ends, is walked low first: no mirror image does."""
    tied = bar.open_ticks == bar.close_ticks and bar.high_ticks + bar.low_ticks == 2 * bar.open_ticks
    return replace(bar, high_ticks=bar.high_ticks + 1) if tied else bar


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_tape_gives_the_same_bytes(seed: int) -> None:
    """Loaded twice, run twice, by two backtests."""
    one, other = _default(seed), _backtest(_load(seed)).run()
    assert one.ledger.text.encode() == other.ledger.text.encode()
    assert one.ledger.sha256 == other.ledger.sha256
    assert one == other
    assert one.ledger.fills >= 2


def test_other_tapes_give_other_ledgers() -> None:
    assert len({_default(seed).ledger.sha256 for seed in SEEDS}) == len(SEEDS)


def test_asking_for_the_result_on_the_way_changes_nothing() -> None:
    tape = _tape(19)
    asked = _backtest(tape)
    for number in range(len(tape.bars)):
        asked.step()
        if number % 25 == 0:
            assert asked.result().bars == number + 1
    assert asked.result() == _default(19)


@pytest.mark.parametrize("cut", [60, 200, 333])
def test_nothing_depends_on_bars_to_come(cut: int) -> None:
    """What a shorter tape filled, the longer one filled as well, at the same time and price."""
    tape = _tape(19)
    whole, part = _default(19), _backtest(replace(tape, bars=tape.bars[:cut])).run()
    end_ns = tape.bars[cut - 1].end_ns
    assert part.fills == tuple(fill for fill in whole.fills if fill.event_time_ns <= end_ns)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_entry_goes_out_with_its_stop_and_target(seed: int) -> None:
    orders = _rows(_default(seed), "order")
    entries = [row for row in orders if row["order_ref"].endswith(f".{Purpose.ENTRY}")]
    assert entries
    assert {int(row["event_time"][14:16]) % 5 for row in entries} == {0}
    for entry in entries:
        group = {
            row["order_ref"].rsplit(".", 1)[1]: row
            for row in orders
            if row["event_time"] == entry["event_time"]
        }
        assert set(group) == {"entry", "stop", "target"}
        stop, goal = group["stop"], group["target"]
        sign = Side(entry["side"]).sign
        assert Side(stop["side"]) is Side(goal["side"]) is Side(entry["side"]).opposite
        assert stop["quantity"] == goal["quantity"] == entry["quantity"]
        assert (Decimal(goal["limit_price"]) - Decimal(stop["stop_price"])) * sign > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_positions_are_opened_in_trading_hours_and_closed_before_the_session_ends(seed: int) -> None:
    """However long they may be held: entries from 09:35 to 15:45, flat from 15:55, a bar for the exit to fill."""
    found = _patient(seed)
    assert found.final_position == 0
    for trade in found.trades:
        assert time(9, 35) <= new_york(trade.opened_at_ns).time() < time(15, 46)
        assert new_york(trade.closed_at_ns).time() <= time(15, 56)
        assert trade.closed_at_ns > trade.opened_at_ns


def test_some_session_is_ended_by_the_clock() -> None:
    """Without one the test above would say little."""
    closes = [new_york(trade.closed_at_ns).time() for seed in SEEDS for trade in _patient(seed).trades]
    assert any(time(15, 55) <= moment <= time(15, 56) for moment in closes)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "ensemble_unavailable"), (vote(approved=False, p_good=0.3), "ensemble_rejected")],
)
def test_without_the_ensemble_s_approval_nothing_is_ordered(answer: EnsembleVote | None, reason: str) -> None:
    found = _backtest(_tape(19), voter=lambda *_: answer).run()
    assert (found.ledger.orders, found.ledger.fills, found.trades) == (0, 0, ())
    assert found.counts.refused[reason] > 0
    assert found.counts.approved == 0
    assert found.counts.cycles == len(_tape(19).bars)


def test_a_loss_halts_for_the_rest_of_the_session_and_leaves_nothing_open() -> None:
    """The first of four trades of seed 19 loses a little."""
    strict = _backtest(_tape(19), guardian=GuardianSettings(daily_loss_limit_usd=Decimal(25))).run()
    assert strict.halted
    assert strict.final_position == 0
    assert (len(strict.trades), len(_default(19).trades)) == (1, 4)
    assert strict.counts.refused["guardian_refused"] > 0
    offsets = [row for row in _rows(strict, "order") if row["order_ref"].startswith(GUARDIAN_PREFIX + ".")]
    assert [(row["side"], row["state"]) for row in offsets] == [("BUY", "filled")]


def test_a_profit_above_the_loss_limit_does_not_halt() -> None:
    """Seed 3 gains more than the 200 USD it may lose, and trades on."""
    found = _default(3)
    assert found.trades[0].net_usd > GuardianSettings().daily_loss_limit_usd
    assert not found.halted
    assert len(found.trades) == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_tape_gives_mirrored_trades(seed: int) -> None:
    """From the bars to the account: every long becomes a short at the mirrored price with the same result."""
    tape = _tape(seed)
    tape = replace(
        tape,
        history=tuple(_without_ties(bar) for bar in tape.history),
        bars=tuple(_without_ties(bar) for bar in tape.bars),
    )
    pivot = 2 * tape.bars[0].open_ticks
    turned = replace(
        tape,
        history=tuple(_turned(bar, pivot) for bar in tape.history),
        bars=tuple(_turned(bar, pivot) for bar in tape.bars),
    )
    here, there = _backtest(tape).run(), _backtest(turned).run()
    assert here.trades
    assert len(there.trades) == len(here.trades)
    for one, other in zip(here.trades, there.trades, strict=True):
        assert other.side is one.side.opposite
        assert (other.opened_at_ns, other.closed_at_ns) == (one.opened_at_ns, one.closed_at_ns)
        assert other.entry_price_ticks == pivot - one.entry_price_ticks
        assert other.net_usd == one.net_usd
    assert here.counts == there.counts
