"""What drills showed: kept, bounded, and never better than it was."""

from pathlib import Path

import pytest

from mia_actors.cli.drill_record import DRILLS_FILE, KEPT, Drill, DrillCase, last_drill, read_drills, record
from mia_actors.core.clock import NS_PER_S

DAY_NS = 86_400 * NS_PER_S


def drill(number: int, *, ok: bool = True) -> Drill:
    case = DrillCase(
        case="trader_killed",
        ok=ok,
        halted_after_s=13.1,
        time_to_flat_s=13.5 if ok else None,
        allowed_s=15,
        outcome="FLAT" if ok else "NOT FLAT: position +1, 0 working orders; offset sent",
    )
    return Drill(at_ns=number * DAY_NS, ok=ok, cases=(case,))


def test_the_last_drill_is_shown_with_its_age_and_result(tmp_path: Path) -> None:
    assert last_drill(tmp_path, 5 * DAY_NS) is None
    record(tmp_path, drill(1, ok=False))
    record(tmp_path, drill(2))
    assert last_drill(tmp_path, 5 * DAY_NS) == {
        "at": "1970-01-03T00:00:00Z",
        "age_days": 3.0,
        "ok": True,
        "time_to_flat_s": {"trader_killed": 13.5},
    }
    record(tmp_path, drill(3, ok=False))
    found = last_drill(tmp_path, 5 * DAY_NS)
    assert found is not None
    assert (found["ok"], found["time_to_flat_s"]) == (False, {"trader_killed": None})


def test_only_so_many_are_kept_the_newest_ones(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        record(tmp_path, drill(number))
    assert [kept.at_ns // DAY_NS for kept in read_drills(tmp_path)] == list(range(3, KEPT + 3))


@pytest.mark.parametrize("text", ["", "[]", '{"drills": [{"ok": true}]}', "\x00"])
def test_a_damaged_record_shows_nothing_and_is_replaced_by_the_next_drill(tmp_path: Path, text: str) -> None:
    (tmp_path / DRILLS_FILE).write_text(text)
    assert last_drill(tmp_path, 1) is None
    record(tmp_path, drill(1))
    assert len(read_drills(tmp_path)) == 1
