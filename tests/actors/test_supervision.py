"""The tree over real processes: deaths, groups, budgets, shutdown."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError, PermanentError, TargetUnavailable
from mia_actors.supervision.event_log import read_events
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.snapshot import TreeSnapshot, read_tree
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]
CLOCK = SystemClock()


def states(system: System) -> dict[str, str]:
    return {child.id: child.state for child in system.tree().children}


def incarnations(system: System) -> dict[str, int]:
    return {child.id: child.incarnation for child in system.tree().children}


def pid_of(system: System, child_id: str) -> int:
    process = next(child.process for child in system.tree().children if child.id == child_id)
    assert process is not None
    return process.pid


def diary_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def all_gone(tree: TreeSnapshot) -> bool:
    return not any(view.process.alive() for view in tree.processes)


def test_a_killed_child_is_replaced_from_the_pool_and_the_pool_is_refilled(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=1)
    eventually(lambda: len(system.tree().spares) == 1)
    before = system.tree()
    spare = before.spares[0]
    system.kill("a")
    assert system.ref("a").ask("who") == (2, spare.pid)
    assert incarnations(system) == {"a": 2, "b": 1}
    assert not before.children[0].process.process.alive()  # type: ignore[union-attr]
    refilled = eventually(lambda: system.tree().spares)
    assert refilled[0].pid != spare.pid
    assert system.tree().restarts_total == 1
    logged = eventually(lambda: [event for _, event in read_events(tmp_path) if event.incarnation == 2])
    assert [event.event for event in logged] == ["child.started"]
    assert logged[0].pid == spare.pid
    phases = [name for name, _ in logged[0].phases]
    assert phases == ["decide", "promote", "import", "construct", "start"]
    exited = [event for _, event in read_events(tmp_path) if event.event == "child.exited"]
    assert [(event.node, event.reason, event.cause) for event in exited] == [
        ("a", "killed", "killed by hand")
    ]
    assert exited[0].detect_ms is not None
    assert 0 < exited[0].detect_ms < 5000


def test_without_spares_a_new_process_is_started(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of("a"), hosts=0)
    os.kill(pid_of(system, "a"), signal.SIGKILL)
    assert system.ref("a").ask("who")[0] == 2
    assert system.tree().spares == ()
    exited = eventually(
        lambda: [event for _, event in read_events(tmp_path) if event.event == "child.exited"]
    )
    assert exited[0].reason == "crash"
    assert exited[0].cause.startswith("process died")
    assert exited[0].detect_ms is None
    second = eventually(lambda: [event for _, event in read_events(tmp_path) if event.incarnation == 2])[0]
    assert [name for name, _ in second.phases][:3] == ["decide", "spawn", "promote"]


def test_a_cold_child_leaves_the_spare_to_others(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of({"id": "a", "standby": "cold"}), hosts=1)
    spare = eventually(lambda: system.tree().spares)[0]
    system.kill("a")
    assert system.ref("a").ask("who")[1] != spare.pid
    assert system.tree().spares == (spare,)


def test_the_tree_file_tells_all_without_ray(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    nested = {"id": "inner", "strategy": "rest_for_one", "intensity": 3, "children": ["b", "c"]}
    system = start_system(tree_of("a", nested), hosts=1)
    system.kill("b")
    assert system.ref("b").ask("who")[0] == 2
    tree = eventually(
        lambda: (
            (found := read_tree(tmp_path))
            and found.root.state == "up"
            and found.restarts_total == 2
            and found
        )
    )
    assert [child.id for child in tree.children] == ["a", "b", "c"]
    assert tree.root.children[1].restarts_in_window == 1
    assert tree.children[1].last_exit == "killed"
    assert tree.children[1].process.pid == system.ref("b").ask("who")[1]
    assert all(view.process.alive() for view in tree.processes)
    assert ProcessId.of(tree.supervisor.pid) == tree.supervisor.process


def test_a_group_restart_stops_in_reverse_and_starts_in_order(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    diary = tmp_path / "diary"
    tree = tree_of("a", "b", "c", "d", strategy="rest_for_one", settings={"diary": str(diary)})
    system = start_system(tree, hosts=0)
    assert diary_of(diary) == ["start a", "start b", "start c", "start d"]
    diary.unlink()
    system.kill("b")
    eventually(lambda: len(diary_of(diary)) == 5)
    assert diary_of(diary) == ["stop d", "stop c", "start b", "start c", "start d"]
    assert incarnations(system) == {"a": 1, "b": 2, "c": 2, "d": 2}


def test_stop_goes_in_reverse_and_kills_only_what_takes_too_long(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path
) -> None:
    diary = tmp_path / "diary"
    slow = {"id": "slow", "shutdown_s": 0.3, "settings": {"stop_takes_s": 60}}
    system = start_system(tree_of("a", slow, "b", settings={"diary": str(diary)}))
    tree = system.tree()
    begun_s = CLOCK.monotonic_s()
    system.stop(20.0)
    assert CLOCK.monotonic_s() - begun_s < 10
    assert diary_of(diary)[3:] == ["stop b", "stop a"]
    assert all_gone(tree)
    assert system.failed is None
    ends = [(event.node, event.reason) for _, event in read_events(tmp_path) if event.event == "child.exited"]
    assert ends == [("b", "shutdown"), ("slow", "killed"), ("a", "shutdown")]
    assert read_tree(tmp_path).outcome == "stopped"  # type: ignore[union-attr]


def test_a_spent_budget_calls_the_halt_hook_stops_everything_and_is_seen_by_the_driver(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    halt_file = tmp_path / "halted"
    system = start_system(
        tree_of("a", "b", intensity=1, period_s=60, on_budget_spent="halt"),
        session={"halt_file": str(halt_file)},
        halt_hook="supervised_children:write_reason",
    )
    tree = system.tree()
    for incarnation in (1, 2):
        assert system.ref("a").ask("who")[0] == incarnation
        system.kill("a")
    failed = eventually(lambda: system.failed)
    assert failed == "gave up: more than 1 restarts in 60 s, last a: killed by hand"
    assert halt_file.read_text() in failed
    assert not any(view.process.alive() for view in tree.processes if view != tree.supervisor)
    assert system.tree().halt_requested == halt_file.read_text()
    with pytest.raises(TargetUnavailable):
        system.ref("a").ask("who")
    events = [event.event for _, event in read_events(tmp_path)]
    spent = events.index("supervision.budget_spent")
    assert events[spent:] == [
        "supervision.budget_spent",
        "supervision.halt_requested",
        "child.exited",
        "supervisor.stopped",
        "supervision.tree_gave_up",
    ]


def test_a_halt_hook_that_fails_is_logged_and_stops_nothing_from_stopping(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    tree = tree_of("a", intensity=0, on_budget_spent="halt")
    system = start_system(tree, halt_hook="supervised_children:raise_instead")
    system.kill("a")
    assert eventually(lambda: system.failed)
    assert "supervision.halt_hook_failed" in [event.event for _, event in read_events(tmp_path)]


def test_a_subtree_left_down_harms_nobody_and_does_not_keep_callers_waiting(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    reporting = {"id": "reporting", "intensity": 0, "on_budget_spent": "leave_down", "children": ["x", "y"]}
    system = start_system(tree_of("a", reporting))
    system.kill("x")
    eventually(lambda: states(system) == {"a": "up", "x": "down", "y": "down"})
    begun_s = CLOCK.monotonic_s()
    with pytest.raises(TargetUnavailable, match="nothing will start it"):
        system.ref("y").ask("who", timeout_s=30)
    assert CLOCK.monotonic_s() - begun_s < 5
    assert system.ref("a").ask("who")[0] == 1
    assert system.failed is None


def test_an_orderly_end_of_a_transient_child_is_not_followed_by_a_restart(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of({"id": "a", "restart": "transient"}, "b"))
    pid = pid_of(system, "a")
    system.ref("a").ask("finish_soon")
    eventually(lambda: states(system) == {"a": "down", "b": "up"})
    assert ProcessId.of(pid) is None
    assert system.tree().children[0].last_exit == "normal"


def test_a_first_start_that_fails_unwinds_and_says_why(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    diary, flag = tmp_path / "diary", tmp_path / "flag"
    flag.touch()
    failing = {"id": "c", "settings": {"fail_while": str(flag)}}
    system = start_system(tree_of("a", "b", failing, "d", settings={"diary": str(diary)}), up=False)
    with pytest.raises(PermanentError, match="c did not start: RuntimeError: told to fail"):
        system.wait_up(60)
    assert diary_of(diary) == ["start a", "start b", "failed c", "stop b", "stop a"]
    failed = eventually(
        lambda: [one for _, one in read_events(tmp_path) if one.event == "child.start_failed"]
    )
    assert "told to fail" in failed[0].traceback


def test_a_restart_that_fails_is_tried_again_within_the_budget(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    flag = tmp_path / "flag"
    system = start_system(tree_of({"id": "a", "settings": {"fail_while": str(flag)}}, intensity=100), hosts=2)
    flag.touch()
    system.kill("a")
    eventually(lambda: incarnations(system)["a"] >= 3)
    flag.unlink()
    assert system.ref("a").ask("who")[0] >= 3
    assert system.failed is None


@pytest.mark.parametrize(("where", "line"), [("construct", "__init__"), ("start", "start")])
def test_a_start_that_hangs_is_killed_when_its_time_is_up_and_tells_where_it_hung(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually, where: str, line: str
) -> None:
    hanging = {"id": "b", "start_within_s": 0.5, "settings": {f"{where}_takes_s": 60}}
    system = start_system(tree_of("a", hanging), up=False)
    with pytest.raises(PermanentError, match=r"b did not start: did not start within 0\.5 s"):
        system.wait_up(60)
    failed = eventually(
        lambda: [one for _, one in read_events(tmp_path) if one.event == "child.start_failed"]
    )
    assert 'supervised_children.py", line' in failed[0].traceback
    assert f"in {line}" in failed[0].traceback


@pytest.mark.parametrize("where", ["construct", "start"])
def test_a_start_in_which_the_process_exits_has_failed(
    start_system: StartSystem, tree_of: TreeOf, where: str
) -> None:
    system = start_system(tree_of("a", {"id": "b", "settings": {"exit_in": where}}), up=False)
    with pytest.raises(PermanentError, match="b did not start: process died"):
        system.wait_up(60)


def test_a_child_that_is_not_armed_in_time_is_started_anew(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    late = {"id": "late", "armed_within_s": 0.5, "settings": {"arms_after_s": None}}
    soon = {"id": "soon", "armed_within_s": 30, "settings": {"arms_after_s": 0.1}}
    system = start_system(tree_of(late, soon, intensity=1000))
    eventually(lambda: incarnations(system)["late"] >= 2)
    eventually(lambda: [child.armed for child in system.tree().children] == [False, True])
    assert incarnations(system)["soon"] == 1
    exited = eventually(lambda: [one for _, one in read_events(tmp_path) if one.event == "child.exited"])
    assert {(one.node, one.cause) for one in exited} == {("late", "was not armed within 0.5 s")}
    armed = [one for _, one in read_events(tmp_path) if one.event == "child.armed"]
    assert [one.node for one in armed] == ["soon"]
    assert armed[0].armed_ms is not None
    assert armed[0].armed_ms >= 100


def test_a_tree_that_is_not_up_in_time_says_what_it_waits_for(
    start_system: StartSystem, tree_of: TreeOf
) -> None:
    slow = {"id": "slow", "settings": {"start_takes_s": 60}, "shutdown_s": 0}
    system = start_system(tree_of("a", slow), up=False)
    system.ref("a").ask("who")
    with pytest.raises(TargetUnavailable, match="slow is not"):
        system.wait_up(0.5)


def test_when_nobody_can_take_over_everything_is_ended(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", "b"), hosts=1)
    eventually(lambda: system.tree().spares and system.tree().standby)
    tree = system.tree()
    (tmp_path / "supervisor_state.jsonl").write_text("no longer what it was\n")
    os.kill(tree.supervisor.pid, signal.SIGKILL)
    assert "nobody took over" in eventually(lambda: system.failed, 60)
    assert all_gone(tree)
    with pytest.raises(TargetUnavailable):
        system.ref("a").ask("who", timeout_s=5)
    system.stop()


def test_no_named_actor_is_left_behind(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of("a"), hosts=2)
    namespace = system.tree().namespace
    system.stop()

    def named() -> list[str]:
        return [
            one["name"]
            for one in ray.util.list_named_actors(all_namespaces=True)
            if one["namespace"] == namespace
        ]

    eventually(lambda: not named())


def test_a_stop_in_the_middle_of_the_start_leaves_nothing(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    system = start_system(tree_of(*"abcd"), hosts=2, up=False)
    eventually(lambda: "up" in states(system).values())
    system.stop(30)
    assert system.failed is None
    assert system.tree().outcome == "stopped"
    assert all_gone(system.tree())


def test_progress_is_told_until_the_tree_is_up(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    seen: list[TreeSnapshot] = []
    start_system(tree_of("a", "b"), on_progress=seen.append)
    eventually(lambda: seen and seen[-1].root.state == "up")
    assert [tree.version for tree in seen] == sorted({tree.version for tree in seen})


@pytest.mark.parametrize(
    ("child", "pool", "options", "said"),
    [
        ({"id": "a", "run": "no_such:Thing"}, {}, {}, "a: module 'no_such' cannot be imported"),
        ({"id": "a", "settings": {"dairy": "x"}}, {}, {}, "a: settings.dairy: Extra inputs"),
        ("a", {"preload": ["no_such_module"]}, {}, "there is no module 'no_such_module'"),
        ("a", {}, {"halt_hook": "supervised_children:nothing"}, "cannot be loaded"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    ray_runtime: object,
    tree_of: TreeOf,
    tmp_path: Path,
    child: Any,
    pool: dict[str, Any],
    options: dict[str, Any],
    said: str,
) -> None:
    with pytest.raises(ConfigError, match=said):
        System.start(
            tree_of(child), PoolSpec.model_validate(pool), None, tmp_path, namespace="refused", **options
        )


def test_a_restart_leaves_its_window_in_the_tree_file_too(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", period_s=2))
    system.kill("a")
    assert system.ref("a").ask("who")[0] == 2
    assert system.tree().root.restarts_in_window == 1
    eventually(lambda: (tree := read_tree(tmp_path)) and tree.root.restarts_in_window == 0)
    eventually(lambda: (now := system.tree()).hosts_coming == 0 and now.standby is not None)
    version = system.tree().version
    CLOCK.sleep_s(1.5)
    assert system.tree().version <= version + 1, "an idle tree is not written again and again"
