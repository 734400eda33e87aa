"""Cases of OTP's supervisor_SUITE by name: who is restarted, when it is given up, and in which order."""

from collections.abc import Callable
from typing import Any

import pytest

from mia_actors.supervision.events import (
    Call,
    DeleteChildCall,
    ExitReason,
    Fact,
    RestartChildCall,
    StartChildCall,
    StartCopyCall,
    StopTree,
    TerminateChildCall,
)
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import ChildSpec, Restart

WorldOf = Callable[..., Any]
DYNAMIC = "simple_one_for_one"
A_LOT = 1000


def started(world_of: WorldOf, *children: Any, strategy: str, copies: int = 0, **flags: Any) -> Any:
    tree = {"id": "root", "strategy": strategy, "intensity": 1, "period_s": 3600, **flags}
    world = world_of({**tree, "children": list(children)})
    world.start()
    for _ in range(copies):
        world.ask(StartCopyCall(supervisor_id="root"))
    world.said()
    return world


def ask_now(world: Any, call: Call) -> str:
    """Between two attempts to restart: nothing else happens before the answer."""
    before = len(world.answers)
    world.post(call, -1)
    world.step()
    assert len(world.answers) == before + 1
    return str(list(world.answers.values())[-1].outcome)


def until_restarting(world: Any, name: str) -> None:
    while world.state(name) is not NodeState.RESTARTING:
        world.step()


def about(call: type, name: str, number: int) -> Any:
    return call(call_id=number, supervisor_id="root", child_id=name)


def test_multiple_restarts(world_of: WorldOf) -> None:
    world = started(world_of, "a", strategy="one_for_one", period_s=1)
    for _ in range(10):
        world.advance(2.1)
        world.crash("a")
    assert not world.ended()


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one", DYNAMIC])
def test_the_four_strategies(world_of: WorldOf, strategy: str) -> None:
    """one_for_one, one_for_all, rest_for_one, simple_one_for_one: whom a crash takes along; the budget."""
    dynamic = strategy == DYNAMIC
    names = ["t.1", "t.2", "t.3"] if dynamic else ["a", "b", "c"]
    listed = ["t"] if dynamic else names
    world = started(world_of, *listed, strategy=strategy, copies=3 if dynamic else 0)
    world.crash(names[1])
    lives = [world.living[name] for name in names]
    assert lives == {"one_for_all": [2, 2, 2], "rest_for_one": [1, 2, 2]}.get(strategy, [1, 2, 1])
    world.crash(names[1])
    assert world.outcome.gave_up


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one", DYNAMIC])
def test_the_four_escalations(world_of: WorldOf, strategy: str) -> None:
    """*_escalation: a child that fails to restart burns the budget; the supervisor ends with the others."""
    dynamic = strategy == DYNAMIC
    world = started(
        world_of, *(["t"] if dynamic else ["a", "b"]), strategy=strategy, intensity=4, copies=2 * dynamic
    )
    first, second = ("t.1", "t.2") if dynamic else ("a", "b")
    world.fail_next = {first: A_LOT}
    world.crash(first)
    assert world.outcome.gave_up
    assert world.living == {}
    assert world.fail_next[first] == A_LOT - 4
    assert f"down {second}" in world.said()


@pytest.mark.parametrize(
    ("strategy", "lives"),
    [("one_for_all", {"a": 3, "b": 3}), ("rest_for_one", {"a": 2, "b": 3})],
)
def test_other_child_fails_restart(world_of: WorldOf, strategy: str, lives: dict[str, int]) -> None:
    """one_for_all_ and rest_for_one_: the retry is of the whole group, or begins at the failed child."""
    world = started(world_of, "a", "b", strategy=strategy, intensity=2)
    world.fail_next = {"b": 1}
    world.crash("a")
    assert world.living == lives


def test_simple_one_for_one_shutdown(world_of: WorldOf) -> None:
    """However many copies are slow, they share one time."""
    world = started(world_of, {"id": "t", "shutdown_s": 3}, strategy=DYNAMIC, copies=100)
    world.stubborn = set(world.living)
    world.stop()
    assert world.now_s == pytest.approx(3)


def test_simple_one_for_one_restart_ignore(world_of: WorldOf) -> None:
    """A copy that declines to be restarted is dropped."""
    world = started(world_of, "t", strategy=DYNAMIC, copies=2)
    world.declining = {"t.1"}
    world.crash("t.1")
    assert [entry.child_id for entry in world.machine.which_children("root")] == ["t.2"]
    world.stop()
    assert world.said()[-2:] == ["down t.2", "down root"]


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("reason", list(ExitReason))
def test_terminations(world_of: WorldOf, restart: str, reason: ExitReason) -> None:
    """permanent_, transient_ and temporary_ by _normal, _shutdown and _abnormal; what is left of each."""
    world = started(world_of, "a", {"id": "b", "restart": restart}, strategy="one_for_one")
    world.exit("b", reason)
    world.settle()
    comes_back = restart == "permanent" or (restart == "transient" and not reason.orderly)
    counts = world.machine.count_children("root")
    assert counts.active == (2 if comes_back else 1)
    assert counts.specs == (1 if restart == "temporary" else 2)
    if restart == "transient" and not comes_back:
        assert world.ask(about(RestartChildCall, "b", 0)).outcome == "ok"
    if restart == "temporary":
        spec = ChildSpec(id="b", run="somewhere:Something", restart=Restart(restart))
        assert world.ask(StartChildCall(supervisor_id="root", spec=spec)).outcome == "ok"


def test_faulty_application_shutdown(world_of: WorldOf) -> None:
    """Why the deepest child did not start is said at the top."""
    inner = {"id": "inner", "children": [{"id": "deep", "children": ["x"]}]}
    world = world_of({"id": "root", "children": ["a", inner]})
    world.fail_next = {"x": 1}
    world.start()
    assert world.outcome.cause == "inner did not start: deep did not start: x did not start: no"


def test_tree(world_of: WorldOf) -> None:
    """Two levels and copies: what a crash, an escalation and a group restart bring back, and what not."""
    inner = {
        "id": "inner",
        "strategy": "one_for_all",
        "intensity": 1,
        "period_s": 3600,
        "children": ["x", "y"],
    }
    copied = {"id": "copied", "strategy": DYNAMIC, "intensity": 0, "children": ["t"]}
    world = started(world_of, "a", inner, copied, strategy="one_for_one", intensity=9)
    world.ask(StartCopyCall(supervisor_id="copied"))
    world.crash("a")
    assert world.living == {"a": 2, "x": 1, "y": 1, "t.1": 1}
    world.ask(TerminateChildCall(supervisor_id="inner", child_id="y"))
    world.crash("x")
    assert world.living == {"a": 2, "x": 2, "y": 2, "t.1": 1}  # terminated by hand, back with its group
    world.crash("x")
    assert world.living == {"a": 2, "x": 3, "y": 3, "t.1": 1}  # the subtree anew
    world.crash("t.1")
    assert world.living == {"a": 2, "x": 3, "y": 3}  # copies are not made again
    assert world.state("copied") is NodeState.UP


def test_temporary_bystander(world_of: WorldOf) -> None:
    for strategy in ("one_for_all", "rest_for_one"):
        world = started(world_of, "a", {"id": "b", "restart": "temporary"}, strategy=strategy)
        world.crash("a")
        assert world.living == {"a": 2}
        assert world.machine.root.restarts_in_window(world.now_s) == 1


def test_simple_global_supervisor(world_of: WorldOf) -> None:
    """Whichever way a child ends, its name leads to a new life, and never to two."""
    inner = {"id": "inner", "children": ["a"]}
    world = started(world_of, inner, strategy="one_for_one", intensity=9)
    world.crash("a")
    world.exit("a", ExitReason.NORMAL)
    world.settle()
    assert world.state("inner") is NodeState.UP
    for _ in range(2):
        world.ask(TerminateChildCall(supervisor_id="root", child_id="inner"))
        assert world.living == {}
        world.ask(RestartChildCall(supervisor_id="root", child_id="inner"))
    assert world.living == {"a": 5}


@pytest.mark.parametrize("strategy", ["one_for_one", "rest_for_one"])
def test_hanging_restart_loop_and_rest_for_one(world_of: WorldOf, strategy: str) -> None:
    """While a child fails to restart again and again its supervisor answers, and can be shut down."""
    world = started(world_of, "a", "b", "c", strategy=strategy, intensity=A_LOT)
    world.fail_next = {"b": A_LOT}
    world.exit("b")
    until_restarting(world, "b")
    spec = ChildSpec(id="b", run="somewhere:Something")
    assert ask_now(world, StartChildCall(call_id=1, supervisor_id="root", spec=spec)) == "already_present"
    assert ask_now(world, about(RestartChildCall, "b", 2)) == "restarting"
    assert ask_now(world, about(DeleteChildCall, "b", 3)) == "restarting"
    counts = world.machine.count_children("root")
    others = 1 if strategy == "one_for_one" else 0  # those after it wait for it
    assert (counts.active, counts.workers) == (1 + others, 3)
    assert world.machine.which_children("root")[1].state is NodeState.RESTARTING
    assert ask_now(world, about(TerminateChildCall, "b", 4)) == "ok"  # count_restarting_children too
    world.settle()
    assert world.living.keys() == ({"a", "c"} if others else {"a"})
    assert ask_now(world, about(DeleteChildCall, "b", 5)) == "ok"
    world.stop()
    assert world.ended()


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one", DYNAMIC])
def test_hanging_restart_loop_simple(world_of: WorldOf, strategy: str) -> None:
    """A tree in a restart loop stops when it is told to."""
    dynamic = strategy == DYNAMIC
    name = "t.1" if dynamic else "a"
    world = started(
        world_of, *(["t"] if dynamic else ["a", "b"]), strategy=strategy, intensity=A_LOT, copies=2 * dynamic
    )
    world.fail_next = {name: A_LOT}
    world.exit(name)
    until_restarting(world, name)
    assert world.machine.count_children("root").workers == 2
    world.post(StopTree(), -1)
    world.settle()
    assert world.ended()
    assert not world.outcome.gave_up
    assert Fact.BUDGET_SPENT not in {report.fact for report in world.reports}


def test_order_of_children(world_of: WorldOf) -> None:
    """The order is that of the list, whatever the names."""
    names = ["m", "z", "a", "k", "b"]
    world = started(world_of, *names, strategy="rest_for_one")
    world.crash("a")
    assert world.said() == ["down a", "down b", "down k", "start a", "start k", "start b"]
    world.stop()
    assert world.said() == ["down b", "down k", "down a", "down z", "down m", "down root"]


def test_scale_start_stop_many_children(world_of: WorldOf) -> None:
    """Thousands of supervisors that are up at once, and down at once, each inside the other's turn."""
    empty = [{"id": f"s{number}", "children": []} for number in range(3000)]
    world = started(world_of, *empty, strategy="one_for_all")
    assert world.machine.count_children("root").active == 3000
    world.stop()
    assert world.ended()
