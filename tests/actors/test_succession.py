"""Supervisors die too: somebody else takes over, and the children that serve notice nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mia_actors.supervision.event_log import read_events
from mia_actors.supervision.events import CallOutcome, TerminateChildCall
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.snapshot import TreeSnapshot
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]


def with_standby(system: System, eventually: Eventually) -> TreeSnapshot:
    tree: TreeSnapshot = eventually(lambda: (found := system.tree()) and found.standby and found)
    return tree


def taken_over(system: System, epoch: int, eventually: Eventually) -> TreeSnapshot:
    tree: TreeSnapshot = eventually(lambda: (found := system.tree()).epoch > epoch and found)
    return tree


def test_the_one_that_stands_by_takes_over_and_the_children_serve_on(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=1)
    before = with_standby(system, eventually)
    who = {name: system.ref(name).ask("who") for name in ("a", "b")}
    os.kill(before.supervisor.pid, signal.SIGKILL)
    after = taken_over(system, before.epoch, eventually)
    assert after.supervisor.pid == before.standby.pid  # type: ignore[union-attr]
    assert {name: system.ref(name).ask("who") for name in ("a", "b")} == who
    assert system.failed is None
    system.kill("a")
    assert system.ref("a").ask("who")[0] == 2
    assert system.ref("b").ask("who") == who["b"]
    assert with_standby(system, eventually).standby.pid != before.supervisor.pid  # type: ignore[union-attr]
    assert "supervisor.taken_over" in [event.event for _, event in read_events(tmp_path)]


def test_one_takes_over_after_the_other(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a"), hosts=1)
    first = system.ref("a").ask("who")
    for _ in range(3):
        tree = with_standby(system, eventually)
        os.kill(tree.supervisor.pid, signal.SIGKILL)
        taken_over(system, tree.epoch, eventually)
    assert system.ref("a").ask("who") == first


def test_when_both_die_at_once_a_new_one_adopts_the_children(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=1)
    tree = with_standby(system, eventually)
    first = system.ref("a").ask("who")
    for view in (tree.standby, tree.supervisor):
        os.kill(view.pid, signal.SIGKILL)  # type: ignore[union-attr]
    taken_over(system, tree.epoch, eventually)
    assert system.ref("a").ask("who") == first
    system.kill("b")
    assert system.ref("b").ask("who")[0] == 2


def test_a_child_that_died_with_its_supervisor_is_restarted_by_the_next_one(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=1)
    tree = with_standby(system, eventually)
    untouched = system.ref("b").ask("who")
    for pid in (tree.supervisor.pid, tree.children[0].process.pid):  # type: ignore[union-attr]
        os.kill(pid, signal.SIGKILL)
    assert system.ref("a").ask("who")[0] == 2
    assert system.ref("b").ask("who") == untouched


def test_a_child_being_started_when_its_supervisor_dies_is_started_anew(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of({"id": "a", "settings": {"start_takes_s": 1.0}}), hosts=2)
    tree = with_standby(system, eventually)
    system.kill("a")
    eventually(lambda: system.tree().children[0].state == "starting")
    half_made = system.tree().children[0].process
    os.kill(tree.supervisor.pid, signal.SIGKILL)
    taken_over(system, tree.epoch, eventually)
    assert system.ref("a").ask("who")[0] == 3
    if half_made is not None:
        assert not half_made.process.alive()


def test_what_a_person_stopped_stays_stopped_after_a_takeover(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=1)
    tree = with_standby(system, eventually)
    answer = system.administer(TerminateChildCall(supervisor_id="root", child_id="a"))
    assert answer.outcome is CallOutcome.OK
    os.kill(tree.supervisor.pid, signal.SIGKILL)
    after = taken_over(system, tree.epoch, eventually)
    assert [(child.id, child.state) for child in after.children] == [("a", "down"), ("b", "up")]


@pytest.mark.parametrize("number", [signal.SIGSTOP])
def test_a_supervisor_that_hangs_is_killed_and_succeeded(
    number: signal.Signals, start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a"), hosts=1)
    tree = with_standby(system, eventually)
    first = system.ref("a").ask("who")
    eventually(lambda: system.tree().version > 0)
    hung = ProcessId.of(tree.supervisor.pid)
    os.kill(tree.supervisor.pid, number)
    assert hung is not None
    eventually(lambda: not hung.alive())
    taken_over(system, tree.epoch, eventually)
    assert system.ref("a").ask("who") == first
