"""Folds cut a tape by trade dates, evenly and without a gap, and each is what its selection loads."""

from datetime import date
from functools import cache
from itertools import pairwise

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.sweep.folds import folds_of
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
    folds = folds_of(_tape(), count)
    assert [len(fold.days) for fold in folds] == lengths
    assert tuple(day for fold in folds for day in fold.days) == trade_dates(_tape())


def test_folds_are_all_of_the_tape_and_each_its_own_days() -> None:
    tape, folds = _tape(), folds_of(_tape(), 3)
    assert (folds[0].from_ns, folds[-1].to_ns) == (tape.bars[0].start_ns, tape.bars[-1].end_ns)
    for one, following in pairwise(folds):
        assert one.to_ns == following.from_ns
    for fold in folds:
        inside = [bar for bar in tape.bars if fold.from_ns <= bar.start_ns < fold.to_ns]
        assert tuple(sorted({trade_date(bar.start_ns) for bar in inside})) == fold.days
    assert date(2026, 3, 9) in folds[1].days


def test_the_selection_of_a_fold_loads_its_bars_with_history_before_them() -> None:
    whole = _tape()
    for fold in folds_of(whole, 3):
        part = load_tape(fold.selection(WHOLE, whole))
        starts = [bar.start_ns for bar in whole.bars if fold.from_ns <= bar.start_ns < fold.to_ns]
        assert [bar.start_ns for bar in part.bars] == starts
        assert part.history
        assert part.history[-1].end_ns <= fold.from_ns


def test_more_folds_than_trade_dates_are_refused_with_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="has 5 trade dates; allowed: 1 to 5"):
        folds_of(_tape(), 6)
