"""Children that need others start after them, stop before them, and restart with them where it says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.events import (
    ChildExited,
    ChildStarted,
    Effect,
    ExitReason,
    HoldChildCall,
    StartChild,
    StartChildCall,
    StartTree,
    StopChild,
    TerminateChildCall,
)
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.tree_state import TreeState
from mia_actors.supervision.yaml_file import load_yaml

WorldOf = Callable[..., Any]
BACKOFF = {"first_s": 2, "factor": 1, "max_s": 2, "jitter": 0}


def child(name: str, *needs: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "depends_on": list(needs), **fields}


def chain(**of_feed: Any) -> list[dict[str, Any]]:
    """`features` needs `bars`, which needs `feed`; `store` is in between and needs nobody."""
    feed = child("feed", restart_with_dependants=True, **of_feed)
    return [child("features", "bars"), child("bars", "feed"), child("store"), feed]


def started(world_of: WorldOf, *children: Any, **fields: Any) -> Any:
    world = world_of({"id": "root", "intensity": 9, **fields, "children": list(children)})
    world.start()
    return world


def names(world: Any, word: str) -> list[str]:
    """Those of whom the trace says `word`, since the last look."""
    return [item.split()[1] for item in world.said() if item.split()[0] == word]


@pytest.mark.parametrize(
    ("children", "order"),
    [
        ([child("a"), child("b"), child("c")], "abc"),
        ([child("a", "c"), child("b"), child("c")], "bca"),
        ([child("a", "b", "c"), child("b", "d"), child("c", "d"), child("d")], "dbca"),
        ([child("a"), child("b", "d", "d"), child("c", "a"), child("d", "a")], "acdb"),
        ([child("s", "b", children=["x"]), child("b")], "bx"),
    ],
)
def test_each_starts_after_those_it_needs_otherwise_as_listed_and_stops_in_reverse(
    world_of: WorldOf, children: list[Any], order: str
) -> None:
    world = started(world_of, *children)
    assert "".join(names(world, "start")) == order
    world.stop()
    stopped = [name for name in names(world, "down") if name in order]
    assert "".join(stopped) == order[::-1]


def test_after_it_means_in_the_order_of_the_start(world_of: WorldOf) -> None:
    world = started(world_of, child("a", "c"), child("b"), child("c"), strategy="rest_for_one")
    world.said()
    world.crash("c")
    assert world.said() == ["down c", "down a", "start c", "start a"]


def test_without_being_told_so_nobody_is_restarted_with_it(world_of: WorldOf) -> None:
    world = started(world_of, child("a"), child("b", "a"))
    world.said()
    world.crash("a")
    assert world.said() == ["down a", "start a"]


def test_all_that_depend_on_it_stop_in_reverse_and_start_in_order_and_nobody_else(world_of: WorldOf) -> None:
    world = started(world_of, *chain(), intensity=1)
    world.said()
    world.crash("feed")
    assert world.said() == [
        "down feed", "down features", "down bars", "start feed", "start bars", "start features",
    ]  # fmt: skip
    assert world.living == {"feed": 2, "bars": 2, "features": 2, "store": 1}
    world.advance(6)
    world.crash("bars")
    assert world.living == {"feed": 2, "bars": 3, "features": 2, "store": 1}, "bars does not say so"


def test_dependants_that_are_down_are_left_so(world_of: WorldOf) -> None:
    world = started(world_of, *chain(), child("other", "feed"))
    world.ask(TerminateChildCall(supervisor_id="root", child_id="bars"))
    world.ask(HoldChildCall(supervisor_id="root", child_id="other"))
    world.crash("feed")
    assert world.living == {"store": 1, "feed": 2, "features": 2}


def test_a_sibling_is_restarted_while_they_are_being_stopped(world_of: WorldOf) -> None:
    world = started(world_of, *chain())
    world.stubborn.add("bars")
    world.exit("feed")
    world.exit("store")
    world.advance(0)
    assert world.state("bars") is NodeState.STOPPING
    assert world.living == {"bars": 1, "store": 2}
    world.advance(5)
    assert world.living == {"feed": 2, "bars": 2, "features": 2, "store": 2}


def test_two_such_restarts_at_once_forget_nobody(world_of: WorldOf) -> None:
    late = child("late", restart_with_dependants=True), child("last", "late")
    world = started(world_of, *chain(), *late)
    world.hanging.add("feed")
    world.exit("feed")
    world.advance(0)
    world.exit("late")
    world.advance(0)
    world.hanging.clear()
    world.settle()
    assert set(world.living) == {"feed", "bars", "features", "store", "late", "last"}
    assert world.living["features"] == world.living["last"] == 2


def test_one_that_dies_in_the_first_start_takes_its_dependants_along_and_the_rest_still_comes_up(
    world_of: WorldOf,
) -> None:
    first, second, third = child("a", restart_with_dependants=True), child("b", "a"), child("c")
    world = world_of({"id": "root", "intensity": 9, "children": [first, second, third]})
    world.hanging.add("c")
    world.post(StartTree())
    world.advance(0)
    assert world.said()[1:] == ["start a", "start b"]
    world.hanging.clear()
    world.exit("a")
    world.settle()
    assert world.living == {"a": 2, "b": 2, "c": 2}
    assert world.state("root") is NodeState.UP


def test_a_restart_that_fails_is_tried_again_for_all_of_them(world_of: WorldOf) -> None:
    world = started(world_of, *chain())
    world.fail_next["bars"] = 2
    world.crash("feed")
    assert set(world.living) == {"feed", "bars", "features", "store"}
    assert world.machine.root.restarts_in_window(world.now_s) == 3


def test_dependants_wait_for_the_backoff_and_go_on_without_one_that_is_terminated(world_of: WorldOf) -> None:
    world = started(world_of, *chain(backoff=BACKOFF))
    world.exit("feed")
    world.advance(1)
    assert world.living == {"store": 1}
    assert world.state("bars") is world.state("features") is NodeState.RESTARTING
    world.post(TerminateChildCall(call_id=101, supervisor_id="root", child_id="features"))
    world.advance(1.5)
    assert world.answers[101].outcome == "ok"
    assert world.living == {"store": 1, "feed": 2, "bars": 2}
    world.exit("feed")
    world.advance(1)
    world.post(TerminateChildCall(call_id=102, supervisor_id="root", child_id="feed"))
    world.advance(0)
    assert world.living == {"store": 1, "bars": 3}
    world.advance(50)
    assert world.living == {"store": 1, "bars": 3}


def test_whoever_takes_over_restarts_the_dependants_that_wait(world_of: WorldOf) -> None:
    world = started(world_of, *chain(backoff=BACKOFF))
    world.exit("feed")
    world.advance(1)
    written = TreeState.model_validate_json(world.machine.state(epoch=1).model_dump_json())
    machine = TreeMachine.resumed(world.machine.root.spec, written)
    (timer,) = machine.timers(now_s=1.0)
    effects: list[Effect] = list(machine.handle(timer.event, 2.0))
    for name, life in (("feed", 2), ("bars", 2), ("features", 2)):
        effects += machine.handle(ChildStarted(child_id=name, incarnation=life), 3.0)
    assert [one.child_id for one in effects if isinstance(one, StartChild)] == ["feed", "bars", "features"]
    crash = ChildExited(child_id="store", incarnation=1, reason=ExitReason.CRASH, cause="")
    touched = [one.child_id for one in machine.handle(crash, 4.0) if isinstance(one, StartChild | StopChild)]
    assert touched == ["store"]


def test_whoever_takes_over_lets_the_dependants_go_on_without_the_one_that_is_terminated(
    world_of: WorldOf,
) -> None:
    world = started(world_of, *chain(backoff=BACKOFF))
    world.exit("feed")
    world.advance(1)
    machine = TreeMachine.resumed(world.machine.root.spec, world.machine.state(epoch=1))
    effects = list(machine.handle(TerminateChildCall(supervisor_id="root", child_id="feed"), 1.5))
    effects += machine.handle(ChildStarted(child_id="bars", incarnation=2), 2.0)
    assert [one.child_id for one in effects if isinstance(one, StartChild)] == ["bars", "features"]


def test_a_child_that_is_added_may_depend_on_those_there_are(world_of: WorldOf) -> None:
    world = started(world_of, *chain())

    def add(name: str, *needs: str) -> str:
        spec = ChildSpec(id=name, run="somewhere:Something", depends_on=needs)
        return str(world.ask(StartChildCall(supervisor_id="root", spec=spec)).outcome)

    assert (add("report", "features"), add("lost", "nobody")) == ("ok", "invalid_spec")
    world.crash("feed")
    assert world.living["report"] == 2


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tree.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("needs_of_a", "needs_of_x", "said"),
    [
        ("[b, nobody]", "[]", "3: children[0].depends_on[1]: 'a' depends on 'nobody', which is no child of 'root'"),
        ("[]", "[a]", "7: children[2].children[0].depends_on[0]: 'x' depends on 'a', which is no child of 's'"),
        ("[b]", "[]", "3: children[0].depends_on: a -> b -> a is a cycle; allowed: dependencies that leave"),
        ("[a]", "[]", "3: children[0].depends_on: a -> a is a cycle"),
    ],
)  # fmt: skip
def test_unknown_names_and_cycles_are_refused_by_file_line_and_key(
    tmp_path: Path, needs_of_a: str, needs_of_x: str, said: str
) -> None:
    path = file_of(
        tmp_path,
        "id: root\n"
        "children:\n"
        f"  - {{id: a, run: 'm:C', depends_on: {needs_of_a}}}\n"
        "  - {id: b, run: 'm:C', depends_on: [a]}\n"
        "  - id: s\n"
        "    children:\n"
        f"      - {{id: x, run: 'm:C', depends_on: {needs_of_x}}}\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, SupervisorSpec)
    assert str(caught.value).startswith(f"{path}:{said}")


def test_a_template_depends_on_nobody() -> None:
    template = {"run": "m:C", **child("t", "u")}
    with pytest.raises(ValidationError, match="no child of 'root'"):
        SupervisorSpec.model_validate(
            {"id": "root", "strategy": "simple_one_for_one", "children": [template]}
        )
