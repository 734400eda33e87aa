"""The state machine of the tree, against the words of OTP's supervisor documentation."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.events import (
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    ExitReason,
    Fact,
    HaltHandled,
    KillChild,
    StartChild,
    StartChildCall,
    StartTree,
    StopTree,
)
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.spec import ChildSpec

WorldOf = Callable[..., Any]


def flat(strategy: str = "one_for_one", *children: Any, **flags: Any) -> dict[str, Any]:
    flags = {"intensity": 3, "period_s": 5, **flags}
    return {"id": "root", "strategy": strategy, "children": list(children or "abc"), **flags}


def test_children_start_in_order_each_after_the_one_before_serves(world_of: WorldOf) -> None:
    world = world_of(flat())
    world.hanging = {"b"}
    world.post(StartTree())
    world.advance(1)
    assert world.said() == ["supervisor_start root", "start a"]
    assert world.living.keys() == {"a", "b"}
    world.post(ChildStarted(child_id="b", incarnation=1))
    world.settle()
    assert world.said() == ["start b", "start c"]
    assert world.state("root") is NodeState.UP


def test_children_stop_in_exactly_the_reverse_order(world_of: WorldOf) -> None:
    inner = {"id": "inner", "children": ["x", "y"]}
    world = world_of(flat("one_for_one", "a", inner, "b"))
    world.start()
    world.said()
    world.stop()
    assert world.said() == ["down b", "down y", "down x", "down inner", "down a", "down root"]
    assert world.ended()
    assert not world.outcome.gave_up


def test_a_supervisor_without_children_starts_and_stops(world_of: WorldOf) -> None:
    world = world_of({"id": "root", "children": []})
    world.start()
    assert world.state("root") is NodeState.UP
    world.stop()
    assert world.said() == ["supervisor_start root", "down root"]


def test_a_child_that_ignores_the_request_to_stop_is_killed_after_its_time(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", {"id": "a", "shutdown_s": 0.5}))
    world.stubborn = {"a"}
    world.start()
    world.post(StopTree())
    world.advance(0.4)
    assert world.living
    world.settle()
    assert world.now_s == pytest.approx(0.5)
    assert world.reports[-3].reason is ExitReason.KILLED


def test_no_time_to_stop_means_killed_at_once(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", {"id": "a", "shutdown_s": 0}))
    world.start()
    world.stop()
    assert KillChild(child_id="a", incarnation=1) in world.effects
    assert world.now_s == 0


def test_one_for_one_leaves_the_siblings_alone(world_of: WorldOf) -> None:
    world = world_of(flat())
    world.start()
    world.said()
    world.crash("b")
    assert world.said() == ["down b", "start b"]
    assert world.living == {"a": 1, "b": 2, "c": 1}


def test_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_all"))
    world.start()
    world.said()
    world.crash("b")
    assert world.said() == ["down b", "down c", "down a", "start a", "start b", "start c"]


def test_rest_for_one_takes_along_only_those_after_it(world_of: WorldOf) -> None:
    world = world_of(flat("rest_for_one", "a", "b", "c", "d"))
    world.start()
    world.said()
    world.crash("b")
    assert world.said() == ["down b", "down d", "down c", "start b", "start c", "start d"]
    assert world.living["a"] == 1


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize(
    ("restart", "reason", "restarted"),
    [
        ("permanent", "normal", True),
        ("permanent", "shutdown", True),
        ("permanent", "crash", True),
        ("transient", "normal", False),
        ("transient", "shutdown", False),
        ("transient", "crash", True),
        ("transient", "killed", True),
        ("temporary", "normal", False),
        ("temporary", "crash", False),
        ("temporary", "killed", False),
    ],
)
def test_the_restart_class_decides(
    world_of: WorldOf, strategy: str, restart: str, reason: str, *, restarted: bool
) -> None:
    world = world_of(flat(strategy, "a", {"id": "b", "restart": restart}, "c"))
    world.start()
    world.exit("b", ExitReason(reason))
    world.settle()
    assert ("b" in world.living) is restarted
    assert world.living["c"] == (2 if restarted and strategy != "one_for_one" else 1)
    assert world.state("b").value == ("up" if restarted else "removed" if restart == "temporary" else "down")


def test_a_temporary_child_taken_along_by_a_sibling_is_not_restarted_and_costs_nothing(
    world_of: WorldOf,
) -> None:
    world = world_of(flat("one_for_all", "a", {"id": "b", "restart": "temporary"}, "c", intensity=1))
    world.start()
    world.crash("a")
    assert world.state("b") is NodeState.REMOVED
    assert world.living == {"a": 2, "c": 2}


def test_a_transient_child_that_ended_comes_back_with_its_group(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_all", "a", {"id": "b", "restart": "transient"}))
    world.start()
    world.exit("b", ExitReason.NORMAL)
    world.settle()
    world.crash("a")
    assert world.living == {"a": 2, "b": 2}


def test_one_restart_more_than_the_budget_stops_the_tree_in_reverse(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=2))
    world.start()
    world.crash("b")
    world.crash("a")
    assert not world.ended()
    world.said()
    world.crash("b")
    assert world.said() == ["down b", "down c", "down a", "down root"]
    assert world.outcome.gave_up
    assert world.outcome.cause == "more than 2 restarts in 5 s, last b: boom"
    assert Fact.BUDGET_SPENT in [report.fact for report in world.reports]


def test_intensity_zero_means_the_first_crash_is_one_too_many(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=0))
    world.start()
    world.crash("a")
    assert world.outcome.gave_up


def test_a_group_restart_costs_one_however_many_children_it_takes_along(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_all", *"abcdefgh", intensity=2))
    world.start()
    world.crash("a")
    world.crash("h")
    assert not world.ended()


def test_the_window_slides(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=1, period_s=1))
    world.start()
    for _ in range(20):
        world.advance(1.05)
        world.crash("a")
    assert not world.ended()
    world.advance(0.95)
    world.crash("a")
    assert world.outcome.gave_up


def test_a_restart_exactly_one_period_ago_still_counts(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=1, period_s=2))
    world.start()
    world.crash("a")
    world.advance(2)
    world.crash("a")
    assert world.outcome.gave_up


def test_each_failed_attempt_to_restart_costs_one_more(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=3))
    world.start()
    world.fail_next = {"b": 2}
    world.crash("b")
    assert world.living["b"] == 4
    assert world.machine.root.restarts_in_window(world.now_s) == 3
    world.crash("a")
    assert world.outcome.gave_up


def test_others_are_served_between_two_attempts_to_restart(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=9))
    world.start()
    world.fail_next = {"b": 1}
    world.exit("b")
    world.exit("a")
    while world.state("b") is not NodeState.RESTARTING:
        world.step()
    world.post(StopTree())
    world.settle()
    assert world.ended()
    assert not world.outcome.gave_up


def test_a_retry_that_falls_into_the_shutdown_does_not_undo_it(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_all", "a", intensity=9))
    world.start()
    world.fail_next = {"a": 1}
    world.exit("a")
    while world.state("a") is not NodeState.RESTARTING:
        world.step()
    late = ChildSpec(id="late", run="somewhere:Something")
    world.post(StartChildCall(supervisor_id="root", spec=late), -2)  # both before the retry
    world.post(StopTree(), -1)
    world.settle()
    assert world.ended()


def test_a_failed_first_start_unwinds_in_reverse(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", "a", "b", "c", "d"))
    world.fail_next = {"c": 1}
    world.start()
    assert world.said() == [
        "supervisor_start root",
        "start a",
        "start b",
        "start_failed c",
        "down b",
        "down a",
        "down root",
    ]
    assert world.outcome.gave_up
    assert world.outcome.cause == "c did not start: no"


def test_one_for_all_that_fails_to_restart_starts_the_whole_group_again(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_all", intensity=4))
    world.start()
    world.said()
    world.fail_next = {"b": 1}
    world.crash("a")
    assert world.said() == [
        "down a", "down c", "down b", "start a", "start_failed b", "down a", "start a", "start b", "start c",
    ]  # fmt: skip


def test_rest_for_one_that_fails_to_restart_goes_on_from_the_child_that_failed(world_of: WorldOf) -> None:
    world = world_of(flat("rest_for_one", intensity=4))
    world.start()
    world.said()
    world.fail_next = {"b": 1}
    world.crash("a")
    assert world.said() == [
        "down a", "down c", "down b", "start a", "start_failed b", "start b", "start c",
    ]  # fmt: skip


def test_a_start_that_takes_too_long_is_killed_and_counts_as_failed(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", "a", {"id": "b", "start_within_s": 1}))
    world.start()
    world.hanging = {"b"}
    world.crash("b")
    assert world.now_s == pytest.approx(3)  # three attempts of one second
    assert world.outcome.gave_up
    assert "did not start within 1 s" in world.outcome.cause


def test_a_word_of_success_after_the_time_to_start_is_too_late(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", {"id": "a", "start_within_s": 1}))
    world.hanging = {"a"}
    world.post(StartTree())
    world.advance(0.5)
    world.living.clear()  # the kill will not be answered by this world
    world.advance(1)
    world.post(ChildStarted(child_id="a", incarnation=1))
    world.advance(0)
    assert world.state("a") is NodeState.STARTING
    world.post(ChildExited(child_id="a", incarnation=1, reason=ExitReason.KILLED, cause=""))
    world.settle()
    assert world.outcome.gave_up


def test_a_nested_supervisor_that_gives_up_is_restarted_with_a_fresh_budget(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 1, "period_s": 5, "children": ["x", "y"]}
    world = world_of(flat("one_for_one", "a", inner))
    world.start()
    world.crash("x")
    world.said()
    world.crash("x")
    assert world.said() == ["down x", "down y", "down inner", "supervisor_start inner", "start x", "start y"]
    world.crash("x")
    assert world.living == {"a": 1, "x": 4, "y": 2}


def test_budgets_multiply_up_to_the_root(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 1, "period_s": 5, "children": ["x"]}
    world = world_of(flat("one_for_one", inner, intensity=1))
    world.start()
    crashes = 0
    while not world.ended():
        world.crash("x")
        crashes += 1
    assert crashes == 4
    assert world.outcome.gave_up


def test_a_transient_supervisor_that_gives_up_stays_down(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 0, "restart": "transient", "children": ["x"]}
    world = world_of(flat("one_for_one", "a", inner))
    world.start()
    world.crash("x")
    assert world.states() == {"root": "up", "a": "up", "inner": "down", "x": "down"}


def test_a_supervisor_to_be_left_down_harms_no_sibling(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 1, "on_budget_spent": "leave_down", "children": ["x", "y"]}
    world = world_of(flat("one_for_all", "a", inner, "b"))
    world.start()
    world.said()
    world.crash("x")
    world.crash("x")
    assert world.said() == ["down x", "start x", "down x", "down y", "left_down inner"]
    assert world.living == {"a": 1, "b": 1}
    assert world.machine.root.restarts_in_window(world.now_s) == 0


def test_a_supervisor_to_be_left_down_that_cannot_start_does_not_stop_the_start(world_of: WorldOf) -> None:
    inner = {"id": "inner", "on_budget_spent": "leave_down", "children": ["x", "y"]}
    world = world_of(flat("one_for_one", "a", inner, "b"))
    world.fail_next = {"y": 1}
    world.start()
    assert world.states() == {
        "root": "up", "a": "up", "inner": "left_down", "x": "down", "y": "down", "b": "up",
    }  # fmt: skip


def test_halt_is_called_before_anything_is_stopped(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=0, on_budget_spent="halt"))
    world.answer_halt = False
    world.start()
    world.said()
    world.crash("b")
    assert world.said() == ["down b"]
    assert world.living == {"a": 1, "c": 1}
    world.exit("c")
    world.settle()
    assert world.living == {"a": 1}
    world.post(HaltHandled(supervisor_id="root"))
    world.settle()
    assert world.said() == ["down c", "down a", "down root"]
    assert world.outcome.gave_up


def test_a_start_that_fails_during_a_halt_is_not_tried_again(world_of: WorldOf) -> None:
    world = world_of(flat(intensity=1, on_budget_spent="halt"))
    world.answer_halt = False
    world.start()
    world.hanging = {"a"}
    world.exit("a")
    world.advance(1)
    world.exit("b")
    world.advance(1)
    incarnation = world.living.pop("a")
    world.post(ChildStartFailed(child_id="a", incarnation=incarnation, cause="no"))
    world.settle()
    assert world.state("a") is NodeState.DOWN
    assert world.living == {"c": 1}


def test_a_stop_during_a_halt_waits_for_the_hook(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 0, "on_budget_spent": "halt", "children": ["x", "y"]}
    world = world_of(flat("one_for_one", "a", inner))
    world.answer_halt = False
    world.start()
    world.crash("x")
    world.stop()
    assert not world.ended()
    world.post(HaltHandled(supervisor_id="inner"))
    world.settle()
    assert world.ended()
    assert not world.outcome.gave_up


def test_children_that_die_during_the_shutdown_neither_wedge_nor_restart(world_of: WorldOf) -> None:
    for restart in ("permanent", "transient", "temporary"):
        for reason in ExitReason:
            children = [{"id": name, "restart": restart, "shutdown_s": 1} for name in "abc"]
            world = world_of(flat("one_for_all", *children))
            world.stubborn = {"a", "b", "c"}
            world.start()
            world.post(StopTree())
            world.advance(0.1)
            world.exit("b", reason)
            world.settle()
            assert world.ended(), (restart, reason)
            assert world.living == {}


def test_a_group_restart_swallows_the_death_of_those_it_was_about_to_stop(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_all", "a", "b", {"id": "c", "shutdown_s": 1}, intensity=1))
    world.stubborn = {"c"}
    world.start()
    world.exit("a")
    world.advance(0.5)
    world.exit("b")
    world.settle()
    assert not world.ended()
    assert world.living == {"a": 2, "b": 2, "c": 2}


def test_a_crash_before_the_point_of_a_restart_moves_the_point_forward(world_of: WorldOf) -> None:
    world = world_of(flat("rest_for_one", "a", "b", {"id": "c", "shutdown_s": 1}))
    world.stubborn = {"c"}
    world.start()
    world.exit("b")
    world.advance(0.5)
    world.exit("a")
    world.settle()
    assert world.living == {"a": 2, "b": 2, "c": 2}


def test_a_start_made_pointless_by_an_earlier_sibling_is_cut_short(world_of: WorldOf) -> None:
    world = world_of(flat("rest_for_one", "a", "b", "c"))
    world.start()
    world.hanging = {"b"}
    world.exit("b")
    world.advance(1)
    assert world.state("b") is NodeState.STARTING
    world.hanging = set()
    world.exit("a")
    world.settle()
    assert world.now_s == pytest.approx(1)
    assert world.living == {"a": 2, "b": 3, "c": 2}


def test_a_crash_during_the_first_start_does_not_wait_for_its_end(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", "a", "b"))
    world.hanging = {"b"}
    world.post(StartTree())
    world.advance(1)
    world.exit("a")
    world.advance(1)
    assert world.living == {"a": 2, "b": 1}
    assert world.state("a") is NodeState.UP
    world.post(ChildStarted(child_id="b", incarnation=1))
    world.settle()
    assert world.state("root") is NodeState.UP


def test_a_supervisor_that_gives_up_while_starting_is_a_failed_start(world_of: WorldOf) -> None:
    inner = {"id": "inner", "intensity": 0, "children": ["x", "y"]}
    world = world_of(flat("one_for_one", "a", inner))
    world.hanging = {"y"}
    world.post(StartTree())
    world.advance(1)
    world.exit("x")
    world.settle()
    assert world.outcome.gave_up
    assert world.outcome.cause.startswith("inner did not start: more than 0 restarts")


def test_a_supervisor_stopped_in_the_middle_of_its_start_kills_what_is_starting(world_of: WorldOf) -> None:
    inner = {"id": "inner", "children": ["x", "y", "z"]}
    world = world_of(flat("one_for_one", "a", inner))
    world.hanging = {"y"}
    world.post(StartTree())
    world.advance(1)
    world.stop()
    assert world.now_s == pytest.approx(1)
    assert KillChild(child_id="y", incarnation=1) in world.effects
    assert StartChild(child_id="z", incarnation=1) not in world.effects
    assert not world.outcome.gave_up


def test_events_of_an_earlier_life_change_nothing(world_of: WorldOf) -> None:
    world = world_of(flat())
    world.start()
    world.crash("a")
    before = world.states()
    world.post(ChildExited(child_id="a", incarnation=1, reason=ExitReason.CRASH, cause="late"))
    world.post(ChildStarted(child_id="a", incarnation=1))
    world.settle()
    assert world.states() == before
    assert world.living["a"] == 2


def test_a_death_told_twice_counts_once(world_of: WorldOf) -> None:
    world = world_of(flat("one_for_one", {"id": "a", "restart": "transient"}))
    world.start()
    world.exit("a", ExitReason.NORMAL)
    world.settle()
    world.post(ChildExited(child_id="a", incarnation=1, reason=ExitReason.CRASH, cause="again"))
    world.settle()
    assert world.state("a") is NodeState.DOWN


def test_a_tree_that_was_never_started_is_down_when_told_to_stop(world_of: WorldOf) -> None:
    world = world_of(flat())
    world.stop()
    assert world.ended()
    world.start()
    assert world.living == {}


def test_a_thousand_crashes_cost_time_in_proportion(world_of: WorldOf) -> None:
    """No step looks at more than the node it is about: the number of effects is what grows."""
    names = [f"c{number}" for number in range(1000)]
    world = world_of(flat("one_for_one", *names, intensity=1000))
    world.start()
    for name in names:
        world.exit(name)
    world.settle()
    assert all(incarnation == 2 for incarnation in world.living.values())
    root = world.machine.root
    assert isinstance(root, SupervisorNode)
    assert all(isinstance(node, ChildNode) for node in root.children)
