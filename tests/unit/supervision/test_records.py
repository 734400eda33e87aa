"""The event log and the tree file: written once, read by anybody."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mia_actors.supervision.event_journal import EventJournal
from mia_actors.supervision.event_log import EVENTS_FILE, EventLog, LoggedEvent, read_events
from mia_actors.supervision.recorder import Recorder
from mia_actors.supervision.snapshot import (
    TREE_FILE,
    ChildView,
    ProcessView,
    SupervisorView,
    TreeSnapshot,
    read_tree,
    write_tree,
)

EXITED = LoggedEvent(
    time_ns=5,
    node="a",
    incarnation=2,
    event="child.exited",
    reason="crash",
    cause="boom",
    traceback="t",
    pid=7,
    in_hand="read 0123456789abcdef; loop the watch",
)
STARTED = LoggedEvent(
    time_ns=6,
    node="a",
    incarnation=3,
    event="child.started",
    pid=8,
    decide_ms=0.5,
    promote_ms=3.0,
    import_ms=0.0,
    start_ms=1.0,
)


def tree(version: int) -> TreeSnapshot:
    process = ProcessView(host_id="h", pid=1, start_time=2, node_id="n")
    child = ChildView(
        id="a",
        run="m:C",
        state="up",
        incarnation=3,
        restarts=2,
        process=process,
        last_exit="crash",
        last_cause="boom",
    )
    inner = SupervisorView(
        id="inner",
        strategy="one_for_one",
        state="up",
        intensity=1,
        period_s=5,
        restarts_in_window=1,
        cause="",
        children=(child,),
    )
    root = SupervisorView(
        id="root",
        strategy="one_for_all",
        state="up",
        intensity=1,
        period_s=5,
        restarts_in_window=0,
        cause="",
        children=(inner,),
    )
    return TreeSnapshot(
        version=version,
        time_ns=1,
        boot_id="b",
        namespace="n",
        supervisor=process,
        root=root,
        spares=(),
        hosts_coming=1,
        epoch=1,
        standby=None,
    )


def test_events_are_read_back_as_they_were_written_and_from_where_one_left_off(tmp_path: Path) -> None:
    assert read_events(tmp_path) == ()
    log = EventLog(tmp_path)
    log.append([EXITED, STARTED])
    assert read_events(tmp_path) == ((1, EXITED), (2, STARTED))
    assert read_events(tmp_path, after=1) == ((2, STARTED),)
    assert read_events(tmp_path, limit=1) == ((1, EXITED),)
    log.close()
    again = EventLog(tmp_path)
    again.append([EXITED])
    again.close()
    assert [number for number, _ in read_events(tmp_path)] == [1, 2, 3]


def test_a_log_of_an_earlier_session_lacks_some_columns_and_is_read_all_the_same(tmp_path: Path) -> None:
    log = EventLog(tmp_path)
    log.append([EXITED, STARTED])
    log.close()
    with closing(sqlite3.connect(tmp_path / EVENTS_FILE)) as connection, connection:
        connection.execute("ALTER TABLE events DROP COLUMN in_hand")
    assert read_events(tmp_path) == ((1, replace(EXITED, in_hand="")), (2, STARTED))


def test_a_tree_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_tree(tmp_path) is None
    write_tree(tmp_path, tree(1))
    found = read_tree(tmp_path)
    assert found == tree(1)
    assert [child.id for child in found.children] == ["a"]
    assert found.restarts_total == 2
    assert len(found.processes) == 2
    assert [path.name for path in tmp_path.iterdir()] == [TREE_FILE]


def test_a_tree_file_of_another_version_is_no_tree(tmp_path: Path) -> None:
    (tmp_path / TREE_FILE).write_text('{"version": 1}')
    assert read_tree(tmp_path) is None


def test_a_recorder_that_was_closed_has_written_everything(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new")
    for version in range(1, 50):
        recorder.put(tree(version))
        recorder.put(EXITED)
    recorder.close()
    assert read_tree(tmp_path / "new") == tree(49)
    assert len(read_events(tmp_path / "new")) == 49


def test_events_of_a_recorder_that_was_killed_are_written_by_the_next_one(tmp_path: Path) -> None:
    EventLog(tmp_path).close()
    journal = EventJournal(tmp_path)
    for event in (EXITED, STARTED):
        journal.append(event)
    with (tmp_path / "supervision_events.jsonl").open("ab") as file:
        file.write(b'{"number": 3, "time_')
    recorder = Recorder(tmp_path)
    recorder.put(EXITED)
    recorder.close()
    assert read_events(tmp_path) == ((1, EXITED), (2, STARTED), (3, EXITED))
    Recorder(tmp_path).close()
    assert len(read_events(tmp_path)) == 3, "nothing is written twice"


def test_an_event_is_in_the_journal_before_the_recorder_has_written_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.put(STARTED)
    journal = EventJournal(tmp_path)
    assert list(journal.events()) == [(1, STARTED)]
    journal.close()
    recorder.close()
