"""An edited specification in a running tree: what is planned, and that just that is done."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.supervision.events import (
    CallOutcome,
    ChildExited,
    ExitReason,
    Fact,
    HoldChildCall,
    ReloadCall,
    StartChildCall,
    TerminateChildCall,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.reload import Change, plan_reload, why_not
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.virtual_world import VirtualWorld

WorldOf = Callable[..., VirtualWorld]


def tree(*children: Any, name: str = "root", **fields: Any) -> SupervisorSpec:
    def completed(node: Any) -> dict[str, Any]:
        node = {"id": node} if isinstance(node, str) else node
        if "children" in node:
            return {**node, "children": [completed(child) for child in node["children"]]}
        return {"run": "m:C", **node}

    limits = {"intensity": 3, "period_s": 100}
    return SupervisorSpec.model_validate(
        {"id": name, **limits, **fields, "children": [completed(child) for child in children]}
    )


def up(spec: SupervisorSpec) -> VirtualWorld:
    world = VirtualWorld(spec)
    world.start()
    world.said()
    return world


def reload(world: VirtualWorld, spec: SupervisorSpec) -> CallOutcome:
    """Until nothing is under way any more."""
    answer = world.ask(ReloadCall(tree=spec))
    world.settle()
    return answer.outcome


def lives(world: VirtualWorld) -> dict[str, int]:
    """How many each child has had; the number of a new one's first life may be higher than 1."""
    return {
        name: node.incarnation - node.lives_before
        for name, node in world.machine.nodes.items()
        if isinstance(node, ChildNode)
    }


def changes(old: SupervisorSpec, new: SupervisorSpec) -> dict[str, str]:
    return {one.node_id: one.change.value for one in plan_reload(old, new).nodes}


# --- the plan ---


def test_the_plan_tells_added_removed_restarted_changed_and_untouched_apart() -> None:
    old = tree("a", {"id": "b", "settings": {"x": 1}}, {"id": "c", "shutdown_s": 1}, "d")
    new = tree("a", {"id": "b", "settings": {"x": 2}}, {"id": "c", "shutdown_s": 2}, "e")
    assert changes(old, new) == {
        "root": "untouched",
        "a": "untouched",
        "b": "restarted",
        "c": "changed",
        "e": "added",
        "d": "removed",
    }
    assert {one.node_id: one.keys for one in plan_reload(old, new).nodes if one.keys} == {
        "b": ("settings",),
        "c": ("shutdown_s",),
    }


def test_limits_of_a_supervisor_change_in_place_and_nobody_below_it_is_touched() -> None:
    old = tree({"id": "s", "children": ["a"]}, intensity=3)
    new = tree({"id": "s", "intensity": 9, "strategy": "one_for_all", "children": ["a"]}, intensity=5)
    assert changes(old, new) == {"root": "changed", "s": "changed", "a": "untouched"}


def test_a_new_order_touches_nobody_but_is_told() -> None:
    planned = plan_reload(tree("a", "b"), tree("b", "a"))
    assert [(one.node_id, one.change, one.keys) for one in planned.nodes[1:]] == [
        ("b", Change.CHANGED, ("order",)),
        ("a", Change.CHANGED, ("order",)),
    ]


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (tree("a", name="other"), "cannot become 'other'"),
        (tree({"id": "s", "children": []}, "b"), "'b' moves from 's' to 'root'"),
        (tree("b", strategy="simple_one_for_one"), "simple_one_for_one while it runs"),
    ],
)
def test_what_cannot_be_done_while_it_runs_is_refused(new: SupervisorSpec, said: str) -> None:
    old = tree({"id": "s", "children": ["b"]})
    assert said in str(why_not(old, new))
    world = up(old)
    assert reload(world, new) is CallOutcome.INVALID_SPEC
    assert world.machine.spec == old
    assert world.said() == []


# --- carried out ---


def test_who_goes_or_changes_stops_in_reverse_then_who_is_new_or_changed_starts_in_order() -> None:
    world = up(tree("a", {"id": "b", "settings": {"x": 1}}, "c", {"id": "d", "settings": {"x": 1}}))
    new = tree("e", "a", {"id": "b", "settings": {"x": 2}}, {"id": "d", "settings": {"x": 2}})
    assert reload(world, new) is CallOutcome.OK
    assert world.said() == ["down d", "down c", "down b", "start e", "start b", "start d"]
    assert lives(world) == {"e": 1, "a": 1, "b": 2, "d": 2}
    assert world.machine.spec == new


def test_one_that_depends_on_a_new_one_starts_after_it() -> None:
    world = up(tree({"id": "a", "settings": {"x": 1}}))
    reload(world, tree({"id": "a", "settings": {"x": 2}, "depends_on": ["b"]}, "b"))
    assert world.said() == ["down a", "start b", "start a"]


def test_a_child_changed_in_place_is_held_to_the_new_limits_without_a_restart() -> None:
    world = up(tree({"id": "a", "restart": "permanent"}, intensity=0))
    reload(world, tree({"id": "a", "restart": "transient"}, intensity=0))
    assert lives(world) == {"a": 1}
    world.exit("a", ExitReason.NORMAL)
    world.settle()
    assert world.state("a") is NodeState.DOWN
    assert not world.ended()


def test_a_reload_spends_nothing_of_the_budget() -> None:
    world = up(tree({"id": "a", "settings": {"x": 0}}, intensity=0))
    for number in range(1, 5):
        reload(world, tree({"id": "a", "settings": {"x": number}}, intensity=0))
    assert lives(world) == {"a": 5}
    assert not world.ended()


def test_a_smaller_budget_counts_restarts_that_were(world_of: WorldOf) -> None:
    del world_of
    world = up(tree("a", intensity=3))
    world.crash("a")
    world.crash("a")
    reload(world, tree("a", intensity=1))
    world.crash("a")
    assert world.ended()


def test_one_that_is_held_stays_so_and_one_that_is_down_stays_down() -> None:
    old = tree({"id": "a", "settings": {"x": 1}}, {"id": "b", "settings": {"x": 1}}, "c")
    world = up(old)
    world.ask(HoldChildCall(supervisor_id="root", child_id="a"))
    world.ask(TerminateChildCall(supervisor_id="root", child_id="b"))
    reload(world, tree({"id": "a", "settings": {"x": 2}}, {"id": "b", "settings": {"x": 2}}, "c"))
    assert world.states() == {"root": "up", "a": "held", "b": "down", "c": "up"}


def test_one_that_a_call_added_stays_after_all_others() -> None:
    world = up(tree("a"))
    world.ask(StartChildCall(supervisor_id="root", spec=ChildSpec(id="z", run="m:C")))
    reload(world, tree("a", "b"))
    root = world.machine.root
    assert [node.node_id for node in root.children] == ["a", "b", "z"]
    assert reload(world, tree("a", "b", "z")) is CallOutcome.INVALID_SPEC


def test_it_waits_until_nothing_else_is_under_way() -> None:
    world = up(tree("a", "b", strategy="one_for_all"))
    world.exit("a")
    world.post(ReloadCall(call_id=7, tree=tree("a", "b", "c", strategy="one_for_all")))
    world.settle()
    assert world.answers[7].outcome is CallOutcome.OK
    assert lives(world) == {"a": 2, "b": 2, "c": 1}


def test_a_new_child_that_does_not_start_is_tried_again_within_the_budget() -> None:
    world = up(tree("a"))
    world.fail_next["b"] = 2
    reload(world, tree("a", "b"))
    assert lives(world) == {"a": 1, "b": 3}
    assert world.state("b") is NodeState.UP


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_a_crash_in_the_middle_of_it_leaves_nobody_behind(strategy: str) -> None:
    slow = {"settings": {"x": 1}, "shutdown_s": 5}
    world = up(tree("a", {"id": "b", **slow}, "c", "d", {"id": "e", **slow}, strategy=strategy))
    world.stubborn = {"e", "b"}
    new = tree(
        "a", {"id": "b", "settings": {"x": 2}}, "c", {"id": "e", "settings": {"x": 2}}, strategy=strategy
    )
    world.post(ReloadCall(call_id=1, tree=new))
    world.advance(1)
    world.exit("c")
    world.settle()
    assert set(world.states().values()) == {"up"}
    assert world.machine.spec == new
    assert set(lives(world)) == {"a", "b", "c", "e"}


def test_a_supervisor_that_ends_in_the_middle_of_it_begins_as_the_new_one() -> None:
    inner = {"id": "s", "intensity": 0, "children": ["a", {"id": "b", "settings": {"x": 1}, "shutdown_s": 5}]}
    world = up(tree(inner))
    world.stubborn = {"b"}
    new = tree({"id": "s", "intensity": 0, "children": ["a", "c"]})
    world.post(ReloadCall(call_id=1, tree=new))
    world.advance(1)
    world.exit("a")
    world.settle()
    assert set(lives(world)) == {"a", "c"}
    assert set(world.states().values()) == {"up"}


def test_the_log_has_what_was_done() -> None:
    world = up(tree("a", "b"))
    reload(world, tree("a", "c"))
    told = [one.cause for one in world.reports if one.fact is Fact.TREE_RELOADED]
    assert told == ["added: c; removed: b"]


# --- a supervisor that takes over ---


def test_whoever_takes_over_goes_on_with_the_new_tree() -> None:
    world = up(tree("a", "b"))
    new = tree("a", {"id": "c", "settings": {"x": 2}})
    reload(world, new)
    state = world.machine.state(epoch=1)
    machine = TreeMachine.resumed(tree("a", "b"), state.model_validate_json(state.model_dump_json()))
    assert machine.spec == new
    assert set(machine.nodes) == {"root", "a", "c"}
    assert state.reload is None
    child = machine.nodes["c"]
    assert isinstance(child, ChildNode)
    assert child.incarnation == world.living["c"]
    ended = ChildExited(child_id="c", incarnation=child.incarnation, reason=ExitReason.CRASH, cause="")
    assert machine.handle(ended, 1.0)
    assert machine.nodes["c"].state is NodeState.STARTING


def test_whoever_takes_over_in_the_middle_of_it_is_told_what_is_to_become_of_the_tree() -> None:
    world = up(tree("a", {"id": "b", "shutdown_s": 5}))
    world.stubborn = {"b"}
    new = tree("a", "c")
    world.post(ReloadCall(call_id=1, tree=new))
    world.advance(1)
    state = world.machine.state(epoch=1)
    assert state.reload == new
    machine = TreeMachine.resumed(tree("a", {"id": "b", "shutdown_s": 5}), state)
    effects = machine.handle(ReloadCall(call_id=-1, tree=new), 2.0)
    assert "StopChild" in {type(effect).__name__ for effect in effects}


def test_a_tree_that_was_never_reloaded_writes_no_specification_down() -> None:
    assert up(tree("a")).machine.state(epoch=1).spec is None


# --- any tree into any other ---

NAMES = ["a", "b", "c", "d", "e"]


@st.composite
def specs(draw: st.DrawFn) -> SupervisorSpec:
    """Two levels; each name has one place only, so that nobody moves."""

    def child(name: str) -> dict[str, Any]:
        return {
            "id": name,
            "settings": {"x": draw(st.integers(0, 1))},
            "shutdown_s": draw(st.sampled_from([0, 5])),
        }

    def level(names: list[str]) -> list[dict[str, Any]]:
        chosen = draw(st.lists(st.sampled_from(names), unique=True))
        return [child(name) for name in chosen]

    strategies = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
    inner = [
        {
            "id": name,
            "strategy": draw(strategies),
            "intensity": 3,
            "children": level([f"{name}{x}" for x in NAMES]),
        }
        for name in draw(st.lists(st.sampled_from(["s", "t"]), unique=True))
    ]
    children = draw(st.permutations([*level(NAMES), *inner]))
    return tree(*children, strategy=draw(strategies))


@given(specs(), specs(), st.integers(0, 3))
def test_any_tree_becomes_any_other_and_who_is_untouched_keeps_his_life(
    old: SupervisorSpec, new: SupervisorSpec, stubborn: int
) -> None:
    world = up(old)
    world.stubborn = set(list(lives(world))[:stubborn])
    plan = plan_reload(old, new)
    assert reload(world, new) is CallOutcome.OK
    assert world.machine.spec == new
    assert set(world.states().values()) == {"up"}
    assert set(world.machine.nodes) == {one.node_id for one in plan.nodes if one.change is not Change.REMOVED}
    kept = {*plan.of(Change.UNTOUCHED), *plan.of(Change.CHANGED)}
    assert {name: life for name, life in lives(world).items() if name in kept} == dict.fromkeys(
        (name for name in lives(world) if name in kept), 1
    )
    for node in world.machine.nodes.values():
        if isinstance(node, SupervisorNode):
            listed = {spec.id: place for place, spec in enumerate(node.spec.children)}
            places = [listed[child.node_id] for child in node.children]
            assert places == sorted(places)
    world.stop()
    assert world.ended()
