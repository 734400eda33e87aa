"""Markets that a backtest meets sooner or later: handled or refused with a reason, never filled in silently."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from mia_actors.core.calendar import new_york
from mia_actors.core.decisions import Decision, Outcome, Reason
from mia_actors.core.market import Bar
from mia_actors.cycle.backtest import Backtest
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.cycle.situations import new_york_ns, vote

EAGER = DecisionSettings(
    strategies_agree_min=1,
    confluence_min=0.5,
    confluence_coverage_min=0.0,
    confidence_min=0.0,
    stop_ticks_max=80,
)
MINUTE_NS = 60 * 10**9


def _tape(day: str = "2026-03-10", history_days: int = 2) -> Tape:
    return load_tape(
        TapeSelection(
            source="synthetic:19",
            from_ns=new_york_ns(f"{day}T08:00"),
            to_ns=new_york_ns(f"{day}T17:00"),
            history_days=history_days,
        )
    )


def _changed(tape: Tape, change: Callable[[Bar], Bar | None], *, history: bool = True) -> Tape:
    kept = tuple(bar for bar in map(change, tape.bars) if bar is not None)
    before = tape.history
    if history:
        before = tuple(bar for bar in map(change, tape.history) if bar is not None)
    return replace(tape, bars=kept, history=before)


def _decisions(tape: Tape, *, approved: bool = True) -> tuple[Decision, ...]:
    """Of every bar; what is passed over otherwise gives the same ledger, which is asserted on the way."""
    chosen = {"decision": EAGER, "guardian": GuardianSettings(), "voter": lambda *_: vote(approved=approved)}
    every = Backtest(tape, every_decision=True, **chosen)  # type: ignore[arg-type]
    assert every.run() == Backtest(tape, **chosen).run()  # type: ignore[arg-type]
    return every.decisions()


def _entries(decisions: tuple[Decision, ...]) -> list[Decision]:
    return [one for one in decisions if one.outcome is Outcome.ENTERED]


def _reasons(decisions: tuple[Decision, ...]) -> Counter[str]:
    return Counter(one.reason.value for one in decisions if one.reason)


def test_the_market_trades_when_nothing_is_wrong_with_it() -> None:
    """Otherwise the tests below would show nothing."""
    assert _entries(_decisions(_tape()))


def test_constant_prices_call_nothing() -> None:
    def flat(bar: Bar) -> Bar:
        return replace(bar, open_ticks=20_000, high_ticks=20_000, low_ticks=20_000, close_ticks=20_000)

    found = _decisions(_changed(_tape(), flat))
    assert not _entries(found)
    assert _reasons(found)["no_strategy_signal"] > 50


def test_without_any_volume_the_readings_are_unavailable() -> None:
    found = _decisions(_changed(_tape(), lambda bar: replace(bar, volume=0)))
    assert not _entries(found)
    asked = [one for one in found if one.readings]
    assert len(asked) > 50
    assert not any(reading.available for one in asked for reading in one.readings)


def test_some_bars_without_volume_are_bars_like_others() -> None:
    found = _decisions(
        _changed(_tape(), lambda bar: replace(bar, volume=0) if bar.start_ns % 7 == 0 else bar)
    )
    assert len(found) == len(_tape().bars)


def test_without_history_nothing_is_entered_before_the_readings_are_there() -> None:
    """Twenty five-minute bars at the least, and the timeframes above need longer."""
    tape = _tape(history_days=0)
    found = _decisions(tape)
    first_ns = tape.bars[0].start_ns
    assert all(one.event_time_ns - first_ns >= 20 * 5 * MINUTE_NS for one in _entries(found))
    early = [one for one in found if one.readings and one.event_time_ns - first_ns < 100 * MINUTE_NS]
    assert early
    assert not any(reading.available for one in early for reading in one.readings)


@pytest.mark.parametrize("minutes", [7, 45])
def test_a_bar_that_a_gap_closes_late_decides_nothing(minutes: int) -> None:
    """The five-minute bar of 10:40 is closed by what comes after the gap."""
    begin_ns = new_york_ns("2026-03-10T10:43")
    end_ns = begin_ns + minutes * MINUTE_NS
    tape = _changed(_tape(), lambda bar: None if begin_ns <= bar.start_ns < end_ns else bar)
    found = _decisions(tape, approved=False)
    after = next(one for one in found if one.bar.start_ns >= end_ns)
    assert after.reason is Reason.FEATURES_UNAVAILABLE
    assert {one.event_time_ns for one in found} == {bar.end_ns for bar in tape.bars}


def test_an_extreme_move_is_noted_and_its_stop_is_too_wide() -> None:
    from_ns = new_york_ns("2026-03-10T11:00")

    def fallen(bar: Bar) -> Bar:
        by = 2000 if bar.start_ns >= from_ns else 0
        return replace(
            bar,
            open_ticks=bar.open_ticks - (0 if bar.start_ns == from_ns else by),
            high_ticks=bar.high_ticks - (0 if bar.start_ns == from_ns else by),
            low_ticks=bar.low_ticks - by,
            close_ticks=bar.close_ticks - by,
        )

    found = _decisions(_changed(_tape(), fallen))
    jump = next(one for one in found if one.bar.start_ns == from_ns)
    assert any("close moved" in note for note in jump.notes)
    soon = [one for one in found if from_ns <= one.bar.start_ns < from_ns + 90 * MINUTE_NS]
    assert not _entries(tuple(soon))


def test_a_half_day_is_flat_before_its_close() -> None:
    """The Friday after Thanksgiving ends at 13:00 for the regular session, 13:15 for ES."""
    found = _decisions(_tape("2026-11-27"))
    hours = [new_york(one.event_time_ns).time().isoformat("minutes") for one in _entries(found)]
    assert all(hour < "12:45" for hour in hours), hours
    late = [one for one in found if new_york(one.event_time_ns).hour >= 13]
    assert late
    assert {one.outcome for one in late} <= {Outcome.NO_SIGNAL, Outcome.EXITED}


def test_a_rolled_contract_begins_with_readings_of_its_own() -> None:
    """The expiry before is another price: not a bar of it is in the window of the new one."""
    tape = _tape()
    old = tuple(
        replace(
            bar,
            instrument="ESZ5",
            open_ticks=bar.open_ticks + 400,
            high_ticks=bar.high_ticks + 400,
            low_ticks=bar.low_ticks + 400,
            close_ticks=bar.close_ticks + 400,
        )
        for bar in tape.history
    )
    with pytest.raises(ValueError, match="the bars of a tape are of one instrument"):
        _decisions(replace(tape, history=old))
