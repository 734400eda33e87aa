"""Cases of OTP's supervisor_SUITE by name: calls, specifications, listing and counting."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from mia_actors.supervision.events import (
    DeleteChildCall,
    ExitReason,
    RestartChildCall,
    StartChildCall,
    StartCopyCall,
    TerminateChildCall,
)
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import AutoShutdown, ChildSpec, SupervisorSpec, check_child_specs

WorldOf = Callable[..., Any]
RUN: dict[str, Any] = {"run": "somewhere:Something"}
DYNAMIC = "simple_one_for_one"


class Admin:
    """Calls on the root and what came of them, in OTP's words."""

    def __init__(self, world: Any) -> None:
        self.world = world
        world.start()
        world.said()

    def start(self, name: str, **fields: Any) -> str:
        spec = ChildSpec(id=name, **RUN, **fields)
        return str(self.world.ask(StartChildCall(supervisor_id="root", spec=spec)).outcome)

    def copy(self, **settings: Any) -> str:
        call = StartCopyCall(supervisor_id="root", settings=settings)
        return str(self.world.ask(call).child_id)

    def terminate(self, name: str) -> str:
        return str(self.world.ask(TerminateChildCall(supervisor_id="root", child_id=name)).outcome)

    def restart(self, name: str) -> str:
        return str(self.world.ask(RestartChildCall(supervisor_id="root", child_id=name)).outcome)

    def delete(self, name: str) -> str:
        return str(self.world.ask(DeleteChildCall(supervisor_id="root", child_id=name)).outcome)

    def which(self) -> list[tuple[str, str]]:
        return [(one.child_id, one.state.value) for one in self.world.machine.which_children("root")]

    def counts(self) -> tuple[int, int, int, int]:
        found = self.world.machine.count_children("root")
        return found.specs, found.active, found.supervisors, found.workers


def admin(world_of: WorldOf, *children: Any, strategy: str = "one_for_one", **flags: Any) -> Admin:
    tree = {"id": "root", "strategy": strategy, "intensity": 3, **flags, "children": list(children)}
    return Admin(world_of(tree))


def test_child_adm(world_of: WorldOf) -> None:
    """The whole life of a child, with every refusal on the way."""
    root = admin(world_of)
    assert root.start("a") == "ok"
    assert root.start("a") == "already_started"
    assert root.terminate("nobody") == "not_found"
    assert (root.terminate("a"), root.terminate("a")) == ("ok", "ok")
    assert root.which() == [("a", "down")]
    assert root.counts() == (1, 0, 0, 1)
    assert root.start("a") == "already_present"
    assert (root.restart("a"), root.restart("a")) == ("ok", "running")
    assert root.delete("a") == "running"
    assert root.terminate("a") == "ok"
    assert (root.delete("a"), root.delete("a"), root.restart("a")) == ("ok", "not_found", "not_found")
    assert root.which() == []
    assert root.start("a") == "ok"
    root.world.stop()
    assert root.terminate("a") == "not_running"


def test_child_adm_simple(world_of: WorldOf) -> None:
    """Copies end by their own names; they cannot be restarted or deleted."""
    root = admin(world_of, "t", strategy=DYNAMIC)
    assert (root.copy(), root.copy()) == ("t.1", "t.2")
    assert root.counts() == (1, 2, 0, 2)
    assert (root.terminate("t.1"), root.which()) == ("ok", [("t.2", "up")])
    assert root.terminate("t.1") == "ok"  # it is dead already
    assert (root.terminate("t.3"), root.terminate("other.2")) == ("not_found", "simple_one_for_one")
    assert root.terminate("t") == root.restart("t.2") == root.delete("t.2") == "simple_one_for_one"
    assert root.start("another") == "simple_one_for_one"
    assert root.counts() == (1, 1, 0, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", 3), ("run", "no class"), ("restart", "prmanent"), ("shutdown_s", -10),
        ("shutdown_s", "brutal"), ("significant", "maybe"), ("start_within_s", 0), ("settings", []),
    ],
)  # fmt: skip
def test_child_specs(field: str, value: object) -> None:
    """Every wrong field is named."""
    said = check_child_specs([{"id": "a", **RUN, field: value}])
    assert said is not None
    assert field in said


def test_child_specs_duplicates_and_templates() -> None:
    a, b = {"id": "a", **RUN}, {"id": "b", **RUN}
    assert check_child_specs([a, b]) is None
    assert "used twice" in str(check_child_specs([a, b, a]))
    for children in ([], [a, b], [{"id": "s", "children": []}]):
        with pytest.raises(ValidationError, match="as its template"):
            SupervisorSpec.model_validate({"id": "root", "strategy": DYNAMIC, "children": children})


@pytest.mark.parametrize("auto_shutdown", list(AutoShutdown))
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("significant", [True, False])
def test_child_specs_map(
    world_of: WorldOf, auto_shutdown: AutoShutdown, restart: str, *, significant: bool
) -> None:
    """A significant child is one that may end, of a supervisor that may end with it."""
    spec = {"id": "a", **RUN, "restart": restart, "significant": significant}
    allowed = not significant or (restart != "permanent" and auto_shutdown != "never")
    assert (check_child_specs([spec], auto_shutdown) is None) == allowed
    if restart != "permanent":
        root = admin(world_of, auto_shutdown=auto_shutdown)
        outcome = root.start("a", restart=restart, significant=significant)
        assert outcome == ("ok" if allowed else "invalid_spec")


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("strategy", "invalid"), ("intensity", -1), ("period_s", 0), ("period_s", -2),
        ("auto_shutdown", "sometimes"), ("unknown", 1),
    ],
)  # fmt: skip
def test_sup_flags(flag: str, value: object) -> None:
    with pytest.raises(ValidationError, match=flag):
        SupervisorSpec.model_validate({"id": "root", "children": [], flag: value})


def test_significant_simple() -> None:
    with pytest.raises(ValidationError, match="is simple_one_for_one and has auto_shutdown"):
        SupervisorSpec.model_validate(
            {
                "id": "root", "strategy": DYNAMIC, "auto_shutdown": "any_significant",
                "children": [{"id": "t", **RUN, "restart": "transient", "significant": True}],
            }
        )  # fmt: skip


def test_which_children(world_of: WorldOf) -> None:
    root = admin(world_of, "b", {"id": "inner", "children": ["x"]})
    root.start("a")
    root.terminate("b")
    assert root.which() == [("b", "down"), ("inner", "up"), ("a", "up")]
    root.delete("b")
    assert root.which() == [("inner", "up"), ("a", "up")]
    kinds = {one.child_id: one.is_supervisor for one in root.world.machine.which_children("root")}
    assert kinds == {"inner": True, "a": False}


def test_which_children_simple_one_for_one(world_of: WorldOf) -> None:
    root = admin(world_of, "t", strategy=DYNAMIC)
    assert root.which() == []
    assert [root.copy(number=number) for number in range(2)] == ["t.1", "t.2"]
    settings = [dict(one.spec.settings) for one in root.world.machine.which_children("root")]
    assert settings == [{"number": 0}, {"number": 1}]


def test_count_children(world_of: WorldOf) -> None:
    root = admin(world_of, {"id": "t", "restart": "temporary"}, strategy=DYNAMIC)
    for thousands in (1, 2):
        for _ in range(1000):
            root.copy()
        assert root.counts() == (1, 1000 * thousands, 0, 1000 * thousands)
        assert len(root.which()) == 1000 * thousands
    for name in list(root.world.living):
        root.world.exit(name, ExitReason.KILLED)
    root.world.settle()
    assert root.counts() == (1, 0, 0, 0)


def test_count_children_supervisor(world_of: WorldOf) -> None:
    inner = [{"id": f"s{number}", "children": [f"x{number}", f"y{number}"]} for number in range(3)]
    root = admin(world_of, "a", *inner)
    assert root.counts() == (4, 4, 3, 1)
    root.terminate("s1")
    assert root.counts() == (4, 3, 3, 1)


@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("reason", list(ExitReason))
def test_do_not_save_child_specs_for_temporary_children(
    world_of: WorldOf, restart: str, strategy: str, reason: ExitReason
) -> None:
    """A temporary child that ended is unknown and may be started anew; the others are known."""
    root = admin(world_of, strategy=strategy)
    root.start("a", restart=restart)
    root.world.exit("a", reason)
    root.world.settle()
    lives_on = restart == "permanent" or (restart == "transient" and not reason.orderly)
    known = "already_started" if lives_on else "already_present"
    assert root.start("a", restart=restart) == ("ok" if restart == "temporary" else known)
    assert root.terminate("a") == "ok"
    assert root.start("a", restart=restart) == ("ok" if restart == "temporary" else "already_present")


def test_simple_one_for_one_corruption(world_of: WorldOf) -> None:
    """With do_not_save_start_parameters_for_temporary_children: of copies that ended nothing is kept."""
    root = admin(world_of, {"id": "t", "restart": "temporary"}, strategy=DYNAMIC)
    for _ in range(50):
        root.world.exit(root.copy(secret="x"))
        root.world.settle()
    assert list(root.world.machine.nodes) == ["root"]
    assert root.which() == []


def test_already_started_outside_supervisor(world_of: WorldOf) -> None:
    """A name that another supervisor's child has is refused; that child is neither adopted nor harmed."""
    root = admin(world_of, "a", {"id": "inner", "children": ["x"]})
    assert root.start("x") == "invalid_spec"
    assert root.world.living == {"a": 1, "x": 1}
    assert root.which() == [("a", "up"), ("inner", "up")]


def test_a_new_child_of_an_old_name_is_not_taken_for_the_old_one(world_of: WorldOf) -> None:
    root = admin(world_of, "a")
    for _ in range(3):
        assert (root.terminate("a"), root.delete("a"), root.start("a")) == ("ok", "ok", "ok")
    assert root.world.living == {"a": 4}
    assert root.world.state("a") is NodeState.UP
