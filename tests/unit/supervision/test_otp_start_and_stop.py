"""Cases of OTP's supervisor_SUITE by name: starting, declining, failing and stopping."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from mia_actors.supervision.events import (
    CallOutcome,
    ExitReason,
    Fact,
    KillChild,
    RestartChildCall,
    StartChildCall,
    StartCopyCall,
    StopTree,
)
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec, check_child_specs

WorldOf = Callable[..., Any]
DYNAMIC = "simple_one_for_one"


def flat(*children: Any, strategy: str = "one_for_one", **flags: Any) -> dict[str, Any]:
    return {"id": "root", "strategy": strategy, "intensity": 3, "children": list(children), **flags}


def child(name: str, **fields: Any) -> ChildSpec:
    return ChildSpec(id=name, run="somewhere:Something", **fields)


def started(world: Any) -> Any:
    world.start()
    world.said()
    return world


def copies(world: Any, number: int) -> None:
    for _ in range(number):
        world.ask(StartCopyCall(supervisor_id="root"))


def counts(world: Any) -> tuple[int, int]:
    found = world.machine.count_children("root")
    return found.specs, found.active


def test_sup_start_normal(world_of: WorldOf) -> None:
    world = started(world_of(flat()))
    assert world.state("root") is NodeState.UP
    world.stop()
    assert world.said() == ["down root"]
    assert world.outcome.gave_up is False


def test_sup_start_ignore_child(world_of: WorldOf) -> None:
    world = world_of(flat("a", "b"))
    world.declining = {"a"}
    world.start()
    assert world.states() == {"root": "up", "a": "down", "b": "up"}
    assert counts(world) == (2, 1)


def test_sup_start_ignore_temporary_child(world_of: WorldOf) -> None:
    world = world_of(flat({"id": "a", "restart": "temporary"}, "b"))
    world.declining = {"a"}
    world.start()
    assert counts(world) == (1, 1)


def test_sup_start_ignore_temporary_child_start_child(world_of: WorldOf) -> None:
    world = started(world_of(flat("b")))
    world.declining = {"a"}
    answer = world.ask(StartChildCall(supervisor_id="root", spec=child("a", restart="temporary")))
    assert answer.outcome is CallOutcome.OK
    assert counts(world) == (1, 1)


@pytest.mark.parametrize("restart", ["temporary", "permanent"])
def test_sup_start_ignore_child_start_child_simple(world_of: WorldOf, restart: str) -> None:
    """sup_start_ignore_temporary_ and _permanent_child_start_child_simple: nothing is kept."""
    world = started(world_of(flat({"id": "t", "restart": restart}, strategy=DYNAMIC)))
    world.declining = {"t.1"}
    assert world.ask(StartCopyCall(supervisor_id="root")).outcome is CallOutcome.OK
    copies(world, 1)
    assert [entry.child_id for entry in world.machine.which_children("root")] == ["t.2"]
    world.stop()
    assert world.said()[-2:] == ["down t.2", "down root"]


def test_sup_start_error_return() -> None:
    """What is not a supervisor is refused before anything starts."""
    with pytest.raises(ValidationError):
        SupervisorSpec.model_validate({"id": "root", "children": "invalid"})


def test_sup_start_fail(world_of: WorldOf) -> None:
    world = world_of(flat("a"))
    world.fail_next = {"a": 1}
    world.start()
    assert world.outcome.gave_up
    assert world.outcome.cause == "a did not start: no"


def test_sup_start_child_returns_error(world_of: WorldOf) -> None:
    world = started(world_of(flat()))
    world.fail_next = {"a": 1}
    answer = world.ask(StartChildCall(supervisor_id="root", spec=child("a")))
    assert (answer.outcome, answer.cause) == (CallOutcome.START_FAILED, "no")
    assert world.machine.which_children("root") == ()
    assert world.machine.root.restarts_in_window(world.now_s) == 0


def test_sup_start_restart_child_returns_error(world_of: WorldOf) -> None:
    world = started(world_of(flat({"id": "a", "restart": "transient"})))
    world.exit("a", ExitReason.NORMAL)
    world.settle()
    world.fail_next = {"a": 1}
    answer = world.ask(RestartChildCall(supervisor_id="root", child_id="a"))
    assert answer.outcome is CallOutcome.START_FAILED
    assert world.state("a") is NodeState.DOWN
    assert world.ask(RestartChildCall(supervisor_id="root", child_id="a")).outcome is CallOutcome.OK


def test_sup_start_child_returns_error_simple(world_of: WorldOf) -> None:
    world = started(world_of(flat("t", strategy=DYNAMIC)))
    world.fail_next = {"t.1": 1}
    assert world.ask(StartCopyCall(supervisor_id="root")).outcome is CallOutcome.START_FAILED
    assert world.machine.which_children("root") == ()


def test_sup_start_map(world_of: WorldOf) -> None:
    """The defaults of a specification can be read from the running tree."""
    world = started(world_of(flat("a")))
    (entry,) = world.machine.which_children("root")
    assert (entry.spec.restart, entry.spec.shutdown_s, entry.spec.significant) == ("permanent", 5, False)


def test_sup_start_map_simple(world_of: WorldOf) -> None:
    """All copies show the template's specification under their own names."""
    world = started(world_of(flat({"id": "t", "shutdown_s": 0.25}, strategy=DYNAMIC)))
    copies(world, 3)
    found = world.machine.which_children("root")
    assert [(entry.child_id, entry.spec.shutdown_s) for entry in found] == [
        ("t.1", 0.25), ("t.2", 0.25), ("t.3", 0.25),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("faulty", "said"),
    [
        ({"run": "a:B"}, "id: Field required"),
        ({"id": "a"}, "run: Field required"),
        ({"id": "a", "run": "a:B", "colour": "red"}, "colour: Extra inputs"),  # OTP would ignore it
        ("no specification", "Input should be a valid"),
    ],
)
def test_sup_start_map_faulty_specs(faulty: object, said: str) -> None:
    assert said in str(check_child_specs([faulty]))


def test_sup_stop_infinity(world_of: WorldOf) -> None:
    """A child with all the time in the world is waited for."""
    world = started(world_of(flat({"id": "a", "shutdown_s": None}, "b")))
    world.stubborn = {"a"}
    world.post(StopTree())
    world.advance(100_000)
    assert world.living.keys() == {"a"}
    world.exit("a", ExitReason.SHUTDOWN)
    world.settle()
    assert world.ended()
    assert not [effect for effect in world.effects if isinstance(effect, KillChild)]


@pytest.mark.parametrize("strategy", ["one_for_one", DYNAMIC])
def test_sup_stop_timeout_and_dynamic(world_of: WorldOf, strategy: str) -> None:
    """The busy one is killed when its time is up, the polite one ends by itself."""
    names = ["a", "b"] if strategy == "one_for_one" else ["t.1", "t.2"]
    listed = ["a", "b"] if strategy == "one_for_one" else ["t"]
    world = world_of(flat(*[{"id": name, "shutdown_s": 1} for name in listed], strategy=strategy))
    world.start()
    if strategy == DYNAMIC:
        copies(world, 2)
    world.stubborn = {names[0]}
    world.stop()
    ends = {one.node_id: one.reason for one in world.reports if one.fact is Fact.CHILD_EXITED}
    assert ends == {names[0]: "killed", names[1]: "shutdown"}
    assert world.now_s == pytest.approx(1)


def test_sup_stop_brutal_kill_dynamic(world_of: WorldOf) -> None:
    """sup_stop_brutal_kill is test_no_time_to_stop_means_killed_at_once; here ten at once."""
    world = started(world_of(flat({"id": "t", "shutdown_s": 0}, strategy=DYNAMIC)))
    copies(world, 10)
    world.stop()
    killed = {effect.child_id for effect in world.effects if isinstance(effect, KillChild)}
    assert killed == {f"t.{number}" for number in range(1, 11)}
    assert world.now_s == 0


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("reason", list(ExitReason))
def test_sup_stop_race_and_non_shutdown_exit_dynamic(
    world_of: WorldOf, restart: str, reason: ExitReason
) -> None:
    """Copies that die by themselves while they are stopped disturb nothing and are not restarted."""
    world = started(world_of(flat({"id": "t", "restart": restart, "shutdown_s": 1}, strategy=DYNAMIC)))
    copies(world, 3)
    world.stubborn = {"t.1", "t.2", "t.3"}
    world.post(StopTree())
    world.advance(0.5)
    for name in list(world.living):
        world.exit(name, reason)
    world.settle()
    assert world.ended()
    assert world.now_s == pytest.approx(0.5)


def test_sup_stop_manual_and_manual_timeout(world_of: WorldOf) -> None:
    """Nobody has to wait for the stop, nor may a second one disturb it."""
    world = started(world_of(flat({"id": "a", "shutdown_s": 2}, {"id": "b", "shutdown_s": 0})))
    world.stubborn = {"a"}
    world.post(StopTree())
    world.advance(1)
    assert not world.ended()
    world.stop()
    assert world.now_s == pytest.approx(2)
    assert world.said() == ["down b", "down a", "down root"]
    assert not world.outcome.gave_up


def test_child_unlink(world_of: WorldOf) -> None:
    """A child that will not die of its own cannot hang the supervisor that terminates it."""
    world = started(world_of(flat({"id": "a", "shutdown_s": 0.5}, "b")))
    world.stubborn = {"a"}
    world.stop()
    assert world.ended()
    assert world.now_s == pytest.approx(0.5)
