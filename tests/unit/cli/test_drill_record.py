"""What drills showed: kept, bounded, and never better than it was."""

import json
from pathlib import Path

import pytest
import typer

from mia_actors.cli.app import ExitCode
from mia_actors.cli.drill_record import DRILLS_FILE, KEPT, Drill, DrillCase, last_drill, read_drills, record
from mia_actors.cli.look_commands import status
from mia_actors.cli.state import open_state
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


def test_the_status_shows_a_drill_even_where_no_session_was_ever_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_state(tmp_path)
    with pytest.raises(typer.Exit) as empty:
        status(config=Path(), state=tmp_path, as_json=True)
    assert empty.value.exit_code == ExitCode.USAGE
    record(tmp_path, drill(2))
    with pytest.raises(typer.Exit) as shown:
        status(config=Path(), state=tmp_path, as_json=True)
    assert shown.value.exit_code == ExitCode.DONE
    document = json.loads(capsys.readouterr().out)
    assert (document["session_id"], document["last_drill"]["ok"]) == (None, True)


@pytest.mark.parametrize("text", ["", "[]", '{"drills": [{"ok": true}]}', "\x00"])
def test_a_damaged_record_shows_nothing_and_is_replaced_by_the_next_drill(tmp_path: Path, text: str) -> None:
    (tmp_path / DRILLS_FILE).write_text(text)
    assert last_drill(tmp_path, 1) is None
    record(tmp_path, drill(1))
    assert len(read_drills(tmp_path)) == 1
