"""What a supervisor writes down, and what its successor makes of it."""

from pathlib import Path

import pytest

from mia_actors.core.errors import PermanentError
from mia_actors.supervision.events import (
    ChildExited,
    ChildStarted,
    DeleteChildCall,
    Event,
    ExitReason,
    StartChild,
    StartChildCall,
    StartTree,
    StopTree,
    TerminateChildCall,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import ChildNode, NodeState
from mia_actors.supervision.spec import ChildSpec, Restart, SupervisorSpec
from mia_actors.supervision.tree_state import StateFile, TreeState

SPEC = SupervisorSpec(
    id="root",
    intensity=2,
    period_s=10,
    children=(
        ChildSpec(id="a", run="m:A"),
        ChildSpec(id="b", run="m:B", restart=Restart.TRANSIENT),
        SupervisorSpec(id="below", children=(ChildSpec(id="c", run="m:C"),)),
    ),
)


def fed(machine: TreeMachine, *events: Event, now_s: float = 0.0) -> TreeMachine:
    """One event after the other; every child that is to start comes up before the next one."""
    for event in events:
        waiting: list[Event] = [event]
        while waiting:
            waiting += [
                ChildStarted(child_id=effect.child_id, incarnation=effect.incarnation)
                for effect in machine.handle(waiting.pop(), now_s)
                if isinstance(effect, StartChild)
            ]
    return machine


def exited(child_id: str, incarnation: int, reason: ExitReason = ExitReason.CRASH) -> ChildExited:
    return ChildExited(child_id=child_id, incarnation=incarnation, reason=reason, cause="test")


def states(machine: TreeMachine) -> dict[str, NodeState]:
    return {node.node_id: node.state for node in machine.nodes.values()}


def resumed(machine: TreeMachine, tmp_path: Path) -> TreeMachine:
    """By way of the file."""
    StateFile(tmp_path).write(machine.state(epoch=1))
    state = StateFile(tmp_path).read()
    assert state is not None
    return TreeMachine.resumed(SPEC, state)


def test_a_tree_at_rest_is_up_again_with_its_lives(tmp_path: Path) -> None:
    machine = fed(TreeMachine(SPEC), StartTree(), exited("a", 1))
    after = resumed(machine, tmp_path)
    assert set(states(after).values()) == {NodeState.UP}
    found = after.nodes["a"]
    assert isinstance(found, ChildNode)
    assert found.incarnation == 2


def test_no_life_is_given_out_twice_even_if_it_never_came_up(tmp_path: Path) -> None:
    machine = fed(TreeMachine(SPEC), StartTree())
    machine.handle(exited("a", 1), 0.0)  # life 2 is given out; then the supervisor dies
    after = resumed(machine, tmp_path)
    starts = [
        effect
        for effect in after.handle(exited("a", 2, ExitReason.KILLED), 0.0)
        if isinstance(effect, StartChild)
    ]
    assert [(start.child_id, start.incarnation) for start in starts] == [("a", 3)]


def test_what_ended_for_good_or_was_terminated_stays_down(tmp_path: Path) -> None:
    machine = fed(TreeMachine(SPEC), StartTree(), exited("b", 1, ExitReason.NORMAL))
    machine.handle(TerminateChildCall(call_id=1, supervisor_id="root", child_id="a"), 0.0)
    machine.handle(exited("a", 1, ExitReason.SHUTDOWN), 0.0)
    after = states(resumed(machine, tmp_path))
    assert (after["a"], after["b"], after["c"]) == (NodeState.DOWN, NodeState.DOWN, NodeState.UP)


def test_a_child_added_by_a_call_is_still_there(tmp_path: Path) -> None:
    added = StartChildCall(call_id=1, supervisor_id="root", spec=ChildSpec(id="d", run="m:D"))
    machine = fed(TreeMachine(SPEC), StartTree(), added)
    assert states(resumed(machine, tmp_path))["d"] is NodeState.UP


@pytest.mark.parametrize("gone", ["b", "below"])
def test_one_that_a_call_added_under_the_name_of_a_listed_one_that_is_gone_is_still_the_one(
    tmp_path: Path, gone: str
) -> None:
    machine = fed(
        TreeMachine(SPEC),
        StartTree(),
        TerminateChildCall(call_id=1, supervisor_id="root", child_id=gone),
        exited({"b": "b", "below": "c"}[gone], 1, ExitReason.SHUTDOWN),
        DeleteChildCall(call_id=2, supervisor_id="root", child_id=gone),
        StartChildCall(call_id=3, supervisor_id="root", spec=ChildSpec(id=gone, run="m:Other")),
    )
    after = resumed(machine, tmp_path)
    found = after.nodes[gone]
    assert isinstance(found, ChildNode)
    assert (found.spec.run, found.state, found.added) == ("m:Other", NodeState.UP, True)
    assert states(after) == states(machine)


def test_the_budget_is_not_renewed_by_a_takeover(tmp_path: Path) -> None:
    machine = fed(TreeMachine(SPEC), StartTree(), exited("a", 1), exited("a", 2))
    after = resumed(machine, tmp_path)
    after.handle(exited("a", 3), 1.0)
    assert after.root.state is NodeState.STOPPING


def test_a_tree_that_was_being_stopped_says_so_and_one_that_is_down_too() -> None:
    machine = fed(TreeMachine(SPEC), StartTree(), StopTree())
    assert machine.state(epoch=1).stopping
    for child_id in ("c", "b", "a"):
        machine.handle(exited(child_id, 1, ExitReason.SHUTDOWN), 0.0)
    assert machine.state(epoch=1).ended


def test_a_damaged_file_is_told_by_name_a_cut_line_never_was_and_a_missing_file_is_none(
    tmp_path: Path,
) -> None:
    assert StateFile(tmp_path).read() is None
    StateFile(tmp_path).write(TreeState(epoch=3))
    assert StateFile(tmp_path).read() == TreeState(epoch=3)
    with (tmp_path / "supervisor_state.jsonl").open("a") as file:
        file.write('{"epoch": 4, "stop')
    assert StateFile(tmp_path).read() == TreeState(epoch=3)
    with (tmp_path / "supervisor_state.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(PermanentError, match=r"supervisor_state\.jsonl: damaged"):
        StateFile(tmp_path).read()


def test_a_long_file_begins_anew_and_tells_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mia_actors.supervision.tree_state.LENGTH_MAX", 1000)
    file = StateFile(tmp_path)
    for epoch in range(1, 50):
        file.write(TreeState(epoch=epoch))
        assert StateFile(tmp_path).read() == TreeState(epoch=epoch)
    assert (tmp_path / "supervisor_state.jsonl").stat().st_size <= 1000
