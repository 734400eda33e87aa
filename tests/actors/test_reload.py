"""A running tree is made what an edited specification says; who is not touched notices nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.event_log import read_events
from mia_actors.supervision.reload import Change
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]


def lives(system: System) -> dict[str, tuple[str, int]]:
    return {child.id: (child.state, child.restarts) for child in system.tree().children}


def test_just_what_the_edit_says_is_done(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    diary = tmp_path / "diary"
    system = start_system(tree_of("a", {"id": "b", "settings": {"stop_takes_s": 0}}, "c", "d"), hosts=2)
    untouched = {name: system.ref(name).ask("who") for name in ("a", "d")}
    edited = tree_of("a", {"id": "b", "settings": {"diary": str(diary)}}, {"id": "d", "shutdown_s": 1}, "e")
    planned = system.plan_reload(edited)
    assert lives(system)["c"] == ("up", 0), "a plan changes nothing"
    plan = system.reload(edited)
    assert plan == planned
    assert plan.of(Change.ADDED) == ("e",)
    eventually(lambda: lives(system) == {"a": ("up", 0), "b": ("up", 1), "d": ("up", 0), "e": ("up", 0)})
    assert {name: system.ref(name).ask("who") for name in ("a", "d")} == untouched
    assert diary.read_text() == "start b\n"
    assert system.ref("e").ask("echo", 5) == 5
    with pytest.raises(ConfigError, match="no child 'c'"):
        system.ref("c").ask("who")
    told = eventually(lambda: [one for _, one in read_events(tmp_path) if one.event == "tree.reloaded"])
    assert told[0].cause == "added: e; removed: c; restarted: b; changed: d"


def test_a_limit_is_changed_without_a_restart(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of({"id": "a", "alive_within_s": 600}), hosts=1)
    _, pid = system.ref("a").ask("who")
    system.reload(tree_of({"id": "a", "alive_within_s": 0.5}))
    assert system.ref("a").ask("who") == (1, pid)
    os.kill(pid, signal.SIGSTOP)
    assert system.ref("a").ask("who", timeout_s=60)[0] == 2
    assert eventually(lambda: system.tree().children[0].last_exit == "hung")


@pytest.mark.parametrize(
    ("edited", "said"),
    [
        ({"id": "b", "run": "supervised_children:Nobody"}, "b: .*no class 'Nobody'"),
        ({"id": "b", "settings": {"dairy": "x"}}, "b: settings.dairy"),
    ],
)
def test_an_edit_that_cannot_work_changes_nothing(
    start_system: StartSystem, tree_of: TreeOf, edited: dict[str, Any], said: str
) -> None:
    system = start_system(tree_of("a"))
    before = lives(system)
    with pytest.raises(ConfigError, match=said):
        system.reload(tree_of({"id": "a", "settings": {"diary": "x"}}, edited))
    assert lives(system) == before


def test_whoever_takes_over_runs_the_edited_tree(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=2)
    system.reload(tree_of("a", "c"))
    eventually(lambda: lives(system) == {"a": ("up", 0), "c": ("up", 0)})
    eventually(lambda: system.tree().standby is not None)
    answers = {name: system.ref(name).ask("who") for name in ("a", "c")}
    epoch = system.tree().epoch
    os.kill(system.tree().supervisor.pid, signal.SIGKILL)
    eventually(lambda: system.tree().epoch > epoch)
    assert {name: system.ref(name).ask("who") for name in ("a", "c")} == answers
    assert set(lives(system)) == {"a", "c"}
    system.kill("c")
    assert system.ref("c").ask("who")[1] != answers["c"][1]
