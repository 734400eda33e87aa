"""A supervisor of copies has no more of them than it may have."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from mia_actors.supervision.events import ExitReason, StartCopyCall, TerminateChildCall
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import SupervisorSpec

WorldOf = Callable[..., Any]


def started(world_of: WorldOf, **template: Any) -> Any:
    tree = {"id": "root", "strategy": "simple_one_for_one", "intensity": 9, "max_children": 2}
    world = world_of({**tree, "children": [{"id": "t", **template}]})
    world.start()
    return world


def copy(world: Any) -> tuple[str, str]:
    answer = world.ask(StartCopyCall(supervisor_id="root"))
    return str(answer.outcome), str(answer.child_id)


def test_one_copy_too_many_is_refused_and_uses_up_no_name(world_of: WorldOf) -> None:
    world = started(world_of)
    assert [copy(world) for _ in range(3)] == [("ok", "t.1"), ("ok", "t.2"), ("max_children", "")]
    assert set(world.living) == {"t.1", "t.2"}
    world.ask(TerminateChildCall(supervisor_id="root", child_id="t.1"))
    assert [copy(world), copy(world)] == [("ok", "t.3"), ("max_children", "")]


def test_a_copy_that_ended_for_good_or_did_not_start_makes_room(world_of: WorldOf) -> None:
    world = started(world_of, restart="temporary")
    copy(world)
    world.fail_next["t.2"] = 1
    assert copy(world)[0] == "start_failed"
    assert copy(world) == ("ok", "t.3")
    world.exit("t.1", ExitReason.CRASH)
    world.settle()
    assert copy(world) == ("ok", "t.4")


def test_a_copy_that_is_being_stopped_or_waits_for_its_restart_counts(world_of: WorldOf) -> None:
    world = started(world_of, backoff={"first_s": 9})
    copy(world)
    copy(world)
    world.stubborn.add("t.2")
    world.exit("t.1")
    world.post(TerminateChildCall(call_id=101, supervisor_id="root", child_id="t.2"))
    world.post(StartCopyCall(call_id=102, supervisor_id="root"))
    world.advance(0)
    assert (world.state("t.1"), world.state("t.2")) == (NodeState.RESTARTING, NodeState.STOPPING)
    assert world.answers[102].outcome == "max_children"


def test_other_supervisors_have_no_such_limit() -> None:
    with pytest.raises(ValidationError, match="has max_children"):
        SupervisorSpec.model_validate({"id": "root", "max_children": 3, "children": []})
