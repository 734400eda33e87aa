"""`mia tree` shows what is held or refused, and with -v what children died of; `mia events` what they had in hand."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mia_actors.cli import look_commands
from mia_actors.cli.app import app, results
from mia_actors.supervision.event_log import EventLog, LoggedEvent
from mia_actors.supervision.snapshot import (
    ChildView,
    ProcessView,
    SupervisorView,
    TreeSnapshot,
    write_tree,
)


@pytest.fixture(autouse=True)
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = ChildView(
        id="reader",
        run="m:C",
        state="held",
        incarnation=3,
        restarts=2,
        process=None,
        last_exit="shutdown",
        last_cause="",
        deaths={"hung": 1, "crash": 2},
        last_causes=("disk full", "no [answer]", "boom"),
        quarantined=("read 0123456789abcdef",),
    )
    root = SupervisorView(
        id="root",
        strategy="one_for_all",
        state="up",
        intensity=1,
        period_s=5,
        restarts_in_window=0,
        cause="",
        children=(child,),
    )
    process = ProcessView(host_id="h", pid=1, start_time=2, node_id="n")
    snapshot = TreeSnapshot(
        version=1,
        time_ns=1,
        boot_id="b",
        namespace="n",
        supervisor=process,
        root=root,
        spares=(),
        hosts_coming=0,
        epoch=1,
        standby=None,
    )
    write_tree(tmp_path, snapshot)
    monkeypatch.setattr(look_commands, "newest_session", lambda *_: (None, tmp_path))
    monkeypatch.setattr(results, "width", 200)


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["tree", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_held_child_is_told_as_such_and_deaths_only_when_asked_for() -> None:
    assert "reader  held  incarnation 3" in shown()
    assert "died" not in shown()
    assert "died 3 times: crash 2, hung 1; last: disk full | no [answer] | boom" in shown("-v")


def test_json_has_the_tally() -> None:
    (child,) = json.loads(shown("--json"))["root"]["children"]
    assert child["deaths"] == {"hung": 1, "crash": 2}
    assert child["last_causes"][-1] == "boom"


def test_inputs_in_quarantine_are_told_unasked() -> None:
    assert "refuses read 0123456789abcdef after too many deaths" in shown()


def test_events_tell_what_a_process_had_in_hand(tmp_path: Path) -> None:
    with closing(EventLog(tmp_path)) as log:
        ended = LoggedEvent(time_ns=0, node="a", incarnation=2, event="child.exited", reason="crash")
        log.append([replace(ended, in_hand="on_bar [5m]; loop the watch"), ended])
    lines = CliRunner().invoke(app, ["events"]).output.splitlines()
    assert [line.partition("#2")[2].strip() for line in lines] == [
        "crash (in hand: on_bar [5m]; loop the watch)",
        "crash",
    ]
