"""Calls on a tree of real processes."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.events import (
    CallOutcome,
    DeleteChildCall,
    RestartChildCall,
    StartChildCall,
    StartCopyCall,
    TerminateChildCall,
)
from mia_actors.supervision.spec import ChildSpec
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]


def named(name: str, **settings: Any) -> ChildSpec:
    return ChildSpec(id=name, run="supervised_children:Diarist", settings=settings)


def test_children_are_added_ended_and_brought_back_by_calls(
    start_system: StartSystem, tree_of: TreeOf
) -> None:
    system = start_system(tree_of("a"))
    about: Any = {"supervisor_id": "root", "child_id": "b"}
    assert system.administer(StartChildCall(supervisor_id="root", spec=named("b"))).outcome == "ok"
    assert system.ref("b").ask("echo", 7) == 7
    process = next(child.process for child in system.tree().children if child.id == "b")
    assert process is not None
    assert system.administer(TerminateChildCall(**about)).outcome == "ok"
    assert not process.process.alive()
    counts = system.count_children("root")
    assert counts is not None
    assert (counts.specs, counts.active) == (2, 1)
    assert system.administer(RestartChildCall(**about)).outcome == "ok"
    assert system.administer(DeleteChildCall(**about)).outcome == "running"
    assert system.administer(TerminateChildCall(**about)).outcome == "ok"
    assert system.administer(DeleteChildCall(**about)).outcome == "ok"
    entries = system.which_children("root")
    assert entries is not None
    assert [entry.child_id for entry in entries] == ["a"]
    with pytest.raises(ConfigError):
        system.administer(StartChildCall(supervisor_id="root", spec=named("c", no_such_setting=1)))


def test_copies_of_a_template_live_and_die_alone(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    copied = {"id": "copied", "strategy": "simple_one_for_one", "children": ["t"]}
    system = start_system(tree_of("a", copied))
    made = [system.administer(StartCopyCall(supervisor_id="copied")).child_id for _ in range(2)]
    assert made == ["t.1", "t.2"]
    system.kill("t.1")
    lives = {"a": 1, "t.1": 2, "t.2": 1}
    eventually(lambda: {child.id: child.incarnation for child in system.tree().children} == lives)
    answer = system.administer(TerminateChildCall(supervisor_id="copied", child_id="t.2"))
    assert answer.outcome is CallOutcome.OK
    assert [child.id for child in system.tree().children] == ["a", "t.1"]


def test_a_child_that_declines_has_no_process_and_harms_nobody(
    start_system: StartSystem, tree_of: TreeOf
) -> None:
    system = start_system(tree_of({"id": "a", "settings": {"declines": True}}, "b"))
    assert {child.id: child.state for child in system.tree().children} == {"a": "down", "b": "up"}
    assert system.tree().children[0].process is None


def test_a_significant_child_that_finishes_ends_the_tree(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    worker = {"id": "a", "restart": "transient", "significant": True}
    system = start_system(tree_of(worker, "b", auto_shutdown="any_significant"))
    system.ref("a").ask("finish_soon")
    eventually(lambda: system.tree().outcome == "stopped")
