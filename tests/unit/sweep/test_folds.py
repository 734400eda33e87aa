"""Folds cut a tape by trade dates, evenly and without a gap, and each stretch is what its selection loads."""

from datetime import date
from functools import cache
from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.sweep.days import TapeDay, days_of, front_days
from mia_actors.sweep.folds import stretches
from mia_actors.sweep.run import trade_dates
from tests.unit.cycle.situations import new_york_ns

WHOLE = TapeSelection(
    source="synthetic:3",
    from_ns=new_york_ns("2026-03-05T11:00"),  # a Thursday; the weekend is within
    to_ns=new_york_ns("2026-03-11T12:00"),
    history_days=1,
)


@cache
def _tape() -> Tape:
    return load_tape(WHOLE)


@pytest.mark.parametrize(("count", "lengths"), [(1, [5]), (2, [3, 2]), (3, [2, 2, 1]), (5, [1, 1, 1, 1, 1])])
def test_folds_share_the_trade_dates_evenly(count: int, lengths: list[int]) -> None:
    found = stretches(days_of(_tape()), count)
    assert [one.fold for one in found] == list(range(1, count + 1))
    assert [len(one.days) for one in found] == lengths
    assert tuple(day.day for one in found for day in one.days) == trade_dates(_tape())


def test_stretches_load_all_bars_of_the_tape_once_with_history_before_them() -> None:
    parts = [load_tape(one.selection(WHOLE)) for one in stretches(days_of(_tape()), 3)]
    assert [bar.start_ns for part in parts for bar in part.bars] == [bar.start_ns for bar in _tape().bars]
    assert [len(trade_dates(part)) for part in parts] == [2, 2, 1]
    assert date(2026, 3, 9) in trade_dates(parts[1])
    for part in parts:
        assert part.history[-1].end_ns <= part.bars[0].start_ns


def test_more_folds_than_trade_dates_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="trade dates in the part chosen: 5; allowed: up to as many"):
        stretches(days_of(_tape()), 6)


def _rows(day: str, contract: str, *volumes: int) -> list[str]:
    return [
        f"2013-10-{day}T14:{minute:02d}:00Z,{contract},1650,1651,1649,1650,{volume}"
        for minute, volume in enumerate(volumes)
    ]


@pytest.fixture
def rolling(tmp_path: Path) -> TapeSelection:
    """Five trade dates; the volume goes to the next contract on the third, and back for one day."""
    rows = [
        "ts,contract,open,high,low,close,volume",
        *_rows("07", "201312", 90, 90),
        *_rows("07", "201403", 10),
        *_rows("08", "201312", 90, 90),
        *_rows("09", "201312", 20),
        *_rows("09", "201403", 80, 80, 80),
        *_rows("10", "201312", 99),
        *_rows("10", "201403", 30),
        *_rows("11", "201403", 50),
    ]
    path = tmp_path / "rolling.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return TapeSelection(source=str(path), history_days=1)


def test_each_trade_date_has_its_front_contract_never_an_earlier_one_again(rolling: TapeSelection) -> None:
    days = front_days(rolling)
    assert [(one.day.day, one.contract) for one in days] == [
        (7, "201312"),
        (8, "201312"),
        (9, "201403"),
        (10, "201403"),
        (11, "201403"),
    ]
    third = days[2]
    assert (third.last_ns - third.first_ns) // 10**9 == 120


def test_a_fold_with_two_contracts_is_two_stretches(rolling: TapeSelection) -> None:
    found = stretches(front_days(rolling), 2)
    assert [(one.fold, one.days[0].contract, len(one.days)) for one in found] == [
        (1, "201312", 2),
        (1, "201403", 1),
        (2, "201403", 2),
    ]
    part = load_tape(found[1].selection(rolling))
    assert (part.contract.month, len(part.bars), len(part.history)) == ("201403", 3, 1)


def test_front_contracts_are_looked_for_within_the_times_chosen(rolling: TapeSelection) -> None:
    later = TapeSelection(source=rolling.source, from_ns=new_york_ns("2013-10-09T00:00"))
    assert _names(front_days(later)) == {"201403"}
    with pytest.raises(ConfigError, match="no bars in the part chosen"):
        front_days(TapeSelection(source=rolling.source, from_ns=new_york_ns("2014-10-09T00:00")))


@pytest.mark.parametrize("chosen", [{"source": "synthetic"}, {"date": date(2013, 10, 8)}])
def test_where_there_is_but_one_contract_all_of_them_is_refused(
    rolling: TapeSelection, chosen: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match=r"--contract all: .*leave it out"):
        front_days(TapeSelection(**({"source": rolling.source} | chosen)))  # type: ignore[arg-type]


def _names(days: tuple[TapeDay, ...]) -> set[str | None]:
    return {one.contract for one in days}
