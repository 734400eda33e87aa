"""What real processes had in hand when they died, and inputs that nobody serves any more."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.errors import InputQuarantined
from mia_actors.supervision import in_hand
from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.supervision.host import LOG_FOLDER
from mia_actors.supervision.inputs import input_of, load_input, quarantine_path
from mia_actors.supervision.messages import packed
from mia_actors.supervision.snapshot import ChildView
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]

READER = {"id": "reader", "run": "supervised_children:Reader", "quarantine": {"after": 3}}
WAYS = ("exit", "segfault", "violate")


def name_of(text: str) -> str:
    return input_of("read", packed((text,)))


def told(tmp_path: Path, event: str) -> list[LoggedEvent]:
    return [one for _, one in read_events(tmp_path) if one.event == event]


def told_in_hand(tmp_path: Path, child_id: str) -> str:
    return in_hand.told(in_hand.read_in_hand(in_hand.in_hand_path(tmp_path / LOG_FOLDER, child_id, 1)))


def view(system: System) -> ChildView:
    return system.tree().children[0]


def test_an_input_that_kills_its_reader_three_times_is_kept_and_refused_and_all_others_are_served(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of(READER, "b", intensity=20, period_s=60), hosts=2)
    reader = system.ref("reader")
    for number, way in enumerate(WAYS, 1):
        with pytest.raises(InputQuarantined, match=name_of(way)) as caught:
            reader.ask("read", way)
        assert type(caught.value) is InputQuarantined
        assert reader.ask("who")[0] == 3 * number + 1
        kept = load_input(quarantine_path(tmp_path, "reader", name_of(way)))
        assert (kept.method, kept.args) == ("read", (way,))
    assert reader.ask("read", "a letter") == "a letter"
    assert reader.ask("who")[0] == 10
    assert view(system).quarantined == tuple(name_of(way) for way in WAYS)
    quarantined = eventually(lambda: len(found := told(tmp_path, "child.input_quarantined")) == 3 and found)
    assert [one.cause for one in quarantined] == [f"{name_of(way)} was in hand in 3 deaths" for way in WAYS]
    ends = [*told(tmp_path, "child.exited"), *told(tmp_path, "child.start_failed")]
    assert sorted(one.in_hand for one in ends) == sorted(name_of(way) for way in WAYS for _ in range(3))
    assert {one.reason for one in ends} == {"crash"}
    assert [path.name for path in (tmp_path / "inputs").iterdir()] == ["reader-10"]


def test_a_successor_of_the_supervisor_goes_on_counting_and_refusing(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of({**READER, "quarantine": {"after": 2}}, intensity=20), hosts=2)
    reader = system.ref("reader")
    with pytest.raises(InputQuarantined):
        reader.ask("read", "exit")
    answer = reader.ask_soon("read", "segfault")
    eventually(lambda: reader.ask("who")[0] == 4)
    os.kill(system.tree().supervisor.pid, signal.SIGKILL)
    eventually(lambda: system.tree().epoch == 2)
    with pytest.raises(InputQuarantined):
        reader.ask("read", "segfault")
    assert reader.ask("who")[0] == 5, "one more death was enough"
    for method in (answer.result, lambda: reader.ask("read", "exit")):
        with pytest.raises(InputQuarantined):
            method()
    assert view(system).quarantined == (name_of("exit"), name_of("segfault"))


def test_a_process_that_is_killed_by_hand_is_no_evidence(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of({**READER, "quarantine": {"after": 1}}))
    answer = system.ref("reader").ask_soon("sleep", 3.0)
    held = eventually(lambda: told_in_hand(tmp_path, "reader"))
    assert held.startswith("sleep ")
    system.kill("reader")
    assert answer.result() == 2
    assert view(system).quarantined == ()
    assert [one.in_hand for one in eventually(lambda: told(tmp_path, "child.exited"))] == [held]


def test_the_event_log_names_what_a_killed_process_had_in_hand(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    sleeper = {"id": "a", "run": "supervised_children:Sleeper"}
    a = start_system(tree_of(sleeper)).ref("a")
    a.ask("loop_once")
    eventually(lambda: told_in_hand(tmp_path, "a") == "loop the loop")
    pid = a.ask("who")[1]
    a.ask_soon("sleep", 30.0, repeatable=False)
    eventually(lambda: "sleep" in told_in_hand(tmp_path, "a"))
    os.kill(pid, signal.SIGKILL)
    ended = eventually(lambda: told(tmp_path, "child.exited"))
    assert sorted(ended[0].in_hand.split("; ")) == ["loop the loop", "sleep"]
    assert not (tmp_path / "inputs").exists()
