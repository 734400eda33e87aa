"""What a guardian keeps between two lives, and that no restart and no order of arrival changes a verdict."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.errors import ConfigError
from mia_actors.core.facts import OrderSeen
from mia_actors.core.orders import Fill, Side
from mia_actors.core.units import ES
from mia_actors.guardian.account_book import AccountBook
from mia_actors.guardian.core import GuardianCore
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import Memory, memory_fact, remembered
from mia_actors.guardian.watch import Watch
from tests.unit.guardian.account import ENTRY, INSTRUMENT, FakeDesk, bar, fill, round_trips
from tests.unit.guardian.judging import HALT, TOLD, at, core_with, judged, seen, thresholds, words

DAY_S = 86_400
EVERY_LIMIT: dict[str, Any] = {
    "weekly_loss_usd": thresholds("300", "600", "900"),
    "session_drawdown_usd": thresholds("50", "100", "200"),
    "peak_drawdown_usd": thresholds("60", "150", "250"),
    "peak_drawdown_percent": thresholds("1", "2", "3"),
    "consecutive_losses_max": 3,
}


def after_restart(core: GuardianCore, second: float) -> Memory:
    """What the next life reads: the memory of this one, through its text."""
    memory = core.memory(at(second))
    return Memory() if memory is None else remembered(memory.text)


trades = st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 20)), min_size=1, max_size=15)


@settings(deadline=None)
@given(trades=trades, cut=st.integers(0, 30), mark=st.integers(-30, 30), data=st.data())
def test_a_restart_in_the_middle_of_weeks_gives_the_same_verdicts(
    trades: list[tuple[int, int]], cut: int, mark: int, data: st.DataObject
) -> None:
    """The broker tells the new life only the executions of its own day, in any order, some of them again."""
    fills: list[Fill] = []
    second = 0.0
    for index, (gain, later_days) in enumerate(trades):
        second += later_days * DAY_S + 60
        number = 2 * index + 1
        fills += [
            fill(number, Side.BUY, ENTRY, at_s=second - 30),
            fill(number + 1, Side.SELL, ENTRY + gain, at_s=second),
        ]
    cut = min(cut, len(fills))
    cut_s = (fills[cut - 1].event_time_ns - at(0)) / 1e9 if cut else 0
    lived = core_with(**EVERY_LIMIT)
    lived.add_fills(fills[:cut])
    judged(lived, cut_s + 5)
    restarted = core_with(memory=after_restart(lived, cut_s + 5), **EVERY_LIMIT)
    listed = [one for one in fills[:cut] if one.event_time_ns > at(cut_s - DAY_S / 3)]
    restarted.add_fills(data.draw(st.permutations(listed)))
    for each in (lived, restarted):
        each.add_fills(fills[cut:])
    end_s = second + 5
    assert judged(lived, end_s, ENTRY + mark) == judged(restarted, end_s, ENTRY + mark)
    assert lived.profit_usd() == restarted.profit_usd()


def test_a_loss_and_a_peak_the_broker_does_not_tell_any_more_are_remembered() -> None:
    limits = {
        "weekly_loss_usd": thresholds("300", None, "600"),
        "peak_drawdown_usd": thresholds("800", None, None),
    }
    monday = core_with(**limits)
    monday.add_fills(round_trips([40, -64]))  # 500 USD up, then 300 below the start
    judged(monday, 10)
    tuesday = core_with(memory=after_restart(monday, 10), **limits)
    assessment = judged(tuesday, DAY_S)
    assert words(assessment, "weekly_loss") == (TOLD,)
    assert words(assessment, "peak_drawdown") == (TOLD,)
    assert assessment.day_pnl_usd == 0


def test_a_position_over_the_week_end_keeps_its_entry_and_a_flat_week_is_folded() -> None:
    book = AccountBook(ES, Memory())
    book.add([*round_trips([10, -4]), fill(50, Side.BUY, ENTRY, at_s=100)])
    later = book.fold_before(date(2013, 10, 14))
    assert [one.exec_id for one in later.fills] == ["e00050"]
    assert (later.carried_usd, later.carried_peak_usd) == (Decimal(75), Decimal(125))
    restored = AccountBook(ES, later)
    restored.add(round_trips([10, -4]))  # heard again: folded already
    assert restored.position_contracts == 1
    assert restored.realized_usd == book.realized_usd


def test_a_correction_replaces_its_execution_whenever_it_comes() -> None:
    wrong, right = (
        replace(fill(1, Side.BUY, ENTRY, quantity=quantity), exec_id=f"0000e0d5.01.0{number}")
        for quantity, number in ((2, 1), (1, 2))
    )
    for order in ([wrong, right], [right, wrong], [wrong, right, wrong]):
        core = core_with()
        for one in order:
            core.add_fills([one])
        assert core.position_contracts == 1


def test_orders_of_the_last_minute_survive_a_restart() -> None:
    core = core_with()
    for number in range(120):
        core.take(OrderSeen(arrival_ns=at(0), order_ref=f"t{number}", perm_id=number))
    seen(core, 1)
    restarted = core_with(memory=after_restart(core, 1))
    assert words(seen(restarted, 30), "orders_per_minute") == (HALT,)


@pytest.mark.parametrize("text", ["", "{}x", '{"version":2}', '{"carried_usd":"NaN"}', '{"fills":[{}]}'])
def test_a_damaged_memory_is_refused_and_never_taken_for_an_empty_one(text: str) -> None:
    with pytest.raises(ConfigError, match="memory"):
        remembered(text)
    assert remembered(None) == Memory()


@pytest.fixture
def make_watch(tmp_path: Path) -> Callable[[Latch], Watch]:
    def make(latch: Latch) -> Watch:
        settings = GuardianSettings()
        core = GuardianCore(
            settings, ES, Decimal(10_000), memory=remembered(latch.fact(memory_fact("paper")))
        )
        return Watch(
            settings=settings,
            core=core,
            latch=latch,
            desk=FakeDesk(),
            instrument=INSTRUMENT,
            session_id="s1",
            scope="paper",
            now_ns=lambda: 0,
        )

    return make


def test_the_memory_is_on_disk_before_the_verdict_and_is_not_written_again_without_news(
    tmp_path: Path, make_watch: Callable[[Latch], Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Latch.open(tmp_path)) as latch:
        written: list[str] = []
        note = latch.note_fact

        def noting(name: str, value: str, *, once: bool = False) -> None:
            assert watch.assessment is None or len(written) > 0
            written.append(name)
            note(name, value, once=once)

        monkeypatch.setattr(latch, "note_fact", noting)
        watch = make_watch(latch)
        watch.add_fills(round_trips([-4]))
        for number in range(2, 5):
            watch.on_bar(bar(5 * number))
        assert written == [memory_fact("paper")]
        assert make_watch(latch).on_bar(bar(20)).day_pnl_usd == Decimal(-50)
        watch.add_fills([fill(90, Side.BUY, ENTRY, commission_usd=Decimal("NaN"))])
        assert watch.on_bar(bar(95)).failed
        assert len(written) == 1
