"""Whatever happens in whatever order, the guarantees of the state machine hold."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.supervision.events import (
    Call,
    DeleteChildCall,
    ExitReason,
    Fact,
    HoldChildCall,
    KillChild,
    ReleaseChildCall,
    RestartChildCall,
    StartChild,
    StartChildCall,
    StartCopyCall,
    StartTree,
    StopChild,
    StopTree,
    TerminateChildCall,
)
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.spec import ChildSpec, OnBudgetSpent, Restart

RESTARTS = st.sampled_from(["permanent", "permanent", "transient", "temporary"])
DELAYS = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.5]), min_size=1, max_size=20)

BACKOFFS = st.sampled_from([None, None, {"first_s": 0.5, "max_s": 2, "stable_after_s": 3, "jitter": 0.5}])

AnyCall = TerminateChildCall | RestartChildCall | DeleteChildCall | HoldChildCall | ReleaseChildCall
CALLS: dict[str, type[AnyCall]] = {
    "terminate": TerminateChildCall,
    "restart": RestartChildCall,
    "delete": DeleteChildCall,
    "hold": HoldChildCall,
    "release": ReleaseChildCall,
}
CALLED = {*CALLS, "add", "copy"}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Trees of up to three levels, their names in the order in which they are listed."""
    number = iter(range(10_000))

    def supervisor(depth: int) -> dict[str, Any]:
        name = f"s{next(number)}"
        children = []
        for _ in range(draw(st.integers(0 if depth else 1, 4))):
            if depth < 2 and draw(st.integers(0, 3)) == 0:
                children.append(supervisor(depth + 1))
            else:
                child = {
                    "id": f"c{next(number)}",
                    "restart": draw(RESTARTS),
                    "shutdown_s": draw(st.sampled_from([0, 0.2, 2])),
                    "start_within_s": draw(st.sampled_from([2, 5])),
                    "backoff": draw(BACKOFFS),
                    "give_up_on": draw(st.sampled_from([[], [], [], [], ["b*m"]])),
                }
                children.append(child)
        if len(children) == 1 and "children" not in children[0] and draw(st.booleans()):
            limit = draw(st.sampled_from([None, 1, 2]))
            kind: dict[str, Any] = {"strategy": "simple_one_for_one", "max_children": limit}
        else:
            kind = {
                "strategy": draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])),
                "auto_shutdown": draw(st.sampled_from(["never", "any_significant", "all_significant"])),
            }
        if kind.get("auto_shutdown", "never") != "never":
            for child in children:
                child["significant"] = child["restart"] != "permanent" and draw(st.booleans())
        if kind["strategy"] != "simple_one_for_one" and draw(st.booleans()):
            order = draw(st.permutations(children))
            for place, child in enumerate(order):
                before = [other["id"] for other in order[:place]]
                child["depends_on"] = draw(st.lists(st.sampled_from(before or [""]), max_size=len(before)))
                child["restart_with_dependants"] = draw(st.booleans())
        return {
            "id": name,
            **kind,
            "intensity": draw(st.integers(0, 4)),
            "period_s": draw(st.sampled_from([1, 5])),
            "restart": draw(RESTARTS) if depth else "permanent",
            "on_budget_spent": draw(st.sampled_from(["exit", "exit", "halt", "leave_down"])),
            "children": children,
        }

    return supervisor(0)


@st.composite
def happenings(draw: st.DrawFn) -> list[tuple[str, int, Any]]:
    """What befalls the children: deaths, starts that will fail or hang, and time that passes."""
    kinds = st.sampled_from(
        ["exit"] * 6
        + ["fail", "hang", "heal", "stubborn", "advance", "step", "step", "add", "add", "copy"]
        + ["terminate", "terminate", "restart", "restart", "delete", "hold", "release"]
    )
    return [
        (draw(kinds), draw(st.integers(0, 30)), draw(st.sampled_from(list(ExitReason))))
        for _ in range(draw(st.integers(0, 25)))
    ]


def befall(world: Any, kind: str, number: int, reason: ExitReason) -> None:
    names = [name for name, node in world.machine.nodes.items() if isinstance(node, ChildNode)]
    name = names[number % len(names)] if names else ""
    if kind == "exit" and name in world.living:
        world.exit(name, reason)
    elif kind == "fail":
        world.fail_next[name] = number % 4
    elif kind == "hang":
        world.hanging.add(name)
    elif kind == "heal":
        world.hanging.clear()
    elif kind == "stubborn":
        world.stubborn.add(name)
    elif kind in CALLED:
        world.post(call_on(world, kind, number, reason))
    elif kind == "advance":
        world.advance(number / 7)
    elif kind == "step":
        world.advance(0)


def call_on(world: Any, kind: str, number: int, reason: ExitReason) -> Call:
    """A call on some child and its supervisor; `reason` only makes it vary."""
    nodes = list(world.machine.nodes.values())
    node = nodes[number % len(nodes)]
    supervisor = node if isinstance(node, SupervisorNode) else node.parent
    world.calls = getattr(world, "calls", 0) + 1
    about = {"call_id": world.calls, "supervisor_id": supervisor.node_id}
    if kind == "copy":
        return StartCopyCall(**about)
    if kind == "add":
        restart = Restart.TEMPORARY if reason.orderly else Restart.PERMANENT
        name = node.node_id if number % 2 else f"a{number}"
        child = ChildSpec(id=name, run="somewhere:Something", restart=restart, start_within_s=5)
        return StartChildCall(**about, spec=child)
    called = supervisor.parent if node is supervisor and supervisor.parent is not None else supervisor
    return CALLS[kind](call_id=world.calls, supervisor_id=called.node_id, child_id=node.node_id)


def lived(world_of: Callable[..., Any], tree: dict[str, Any], delays: list[float], events: list[Any]) -> Any:
    """A world after all of `events`, not yet at rest. It fails by itself when a child would live twice."""
    count = iter(range(10_000_000))
    world = world_of(tree, delay_s=lambda: delays[next(count) % len(delays)])
    world.post(StartTree())
    for kind, number, reason in events:
        befall(world, kind, number, reason)
    return world


@settings(max_examples=200, deadline=None)
@given(tree=trees(), delays=DELAYS, events=happenings())
def test_left_alone_the_tree_comes_to_rest_with_everything_where_it_belongs(
    world_of: Callable[..., Any],
    is_at_rest: Callable[[SupervisorNode], bool],
    tree: dict[str, Any],
    delays: list[float],
    events: list[Any],
) -> None:
    world = lived(world_of, tree, delays, events)
    world.hanging.clear()
    world.fail_next.clear()
    world.settle()
    assert sorted(world.answers) == list(range(1, getattr(world, "calls", 0) + 1))
    root = world.machine.root
    if world.ended():
        assert world.living == {}
        return
    assert root.state is NodeState.UP
    for node in world.machine.nodes.values():
        assert (node.state is NodeState.HELD) == node.held
        if isinstance(node, SupervisorNode) and node.state is NodeState.UP:
            assert is_at_rest(node)
            assert node.spec.max_children is None or len(node.children) <= node.spec.max_children
        if isinstance(node, SupervisorNode) and node.state is NodeState.LEFT_DOWN:
            assert node.spec.on_budget_spent is OnBudgetSpent.LEAVE_DOWN
        if isinstance(node, ChildNode):
            assert (node.node_id in world.living) == (node.state is NodeState.UP)
            if node.state is NodeState.UP:
                assert world.living[node.node_id] == node.incarnation


@settings(max_examples=200, deadline=None)
@given(tree=trees(), delays=DELAYS, events=happenings())
def test_told_to_stop_it_stops_in_reverse_whatever_was_under_way(
    world_of: Callable[..., Any], tree: dict[str, Any], delays: list[float], events: list[Any]
) -> None:
    world = lived(world_of, tree, delays, events)
    world.post(StopTree())
    world.advance(0)
    own = [
        node.node_id
        for node in world.machine.root.children
        if node.state is not NodeState.STOPPING  # a call has begun to stop it
    ]
    done = len(world.effects)
    world.settle()
    assert world.ended()
    assert world.living == {}
    after = [
        effect
        for effect in world.effects[done:]
        if isinstance(effect, StartChild | StopChild | KillChild) and effect.child_id in own
    ]
    assert not [effect for effect in after if isinstance(effect, StartChild)]
    places = [own.index(effect.child_id) for effect in after]
    assert places == sorted(places, reverse=True)
    assert all(
        node.state in {NodeState.DOWN, NodeState.REMOVED, NodeState.LEFT_DOWN, NodeState.HELD}
        for node in world.machine.nodes.values()
    )


def places_below(node: Any, order: dict[str, int]) -> list[int]:
    """Where a child, or those of a supervisor, are in the order."""
    if isinstance(node, ChildNode):
        return [order[node.node_id]]
    return [place for child in node.children for place in places_below(child, order)]


@settings(max_examples=200, deadline=None)
@given(tree=trees(), delays=DELAYS)
def test_an_undisturbed_tree_starts_in_order_and_stops_in_exactly_the_reverse(
    world_of: Callable[..., Any], tree: dict[str, Any], delays: list[float]
) -> None:
    world = world_of(tree, delay_s=iter(delays * 1000).__next__)
    world.start()
    names = [name for name, node in world.machine.nodes.items() if isinstance(node, ChildNode)]
    if world.ended():  # a start of 1.5 s with a limit of 1 s
        return
    started = [report.node_id for report in world.reports if report.fact is Fact.CHILD_STARTED]
    assert started == names
    world.stop()
    order = {name: place for place, name in enumerate(names)}
    for node in world.machine.nodes.values():
        for name in node.spec.depends_on:
            before, after = (places_below(one, order) for one in (node.parent.children.get(name), node))
            assert not before or not after or max(before) < min(after)
    stopped = [report.node_id for report in world.reports if report.fact is Fact.CHILD_EXITED]
    assert stopped == names[::-1]
    assert not world.outcome.gave_up


@settings(max_examples=200, deadline=None)
@given(
    intensity=st.integers(0, 5),
    period_s=st.sampled_from([1, 3, 10]),
    gaps=st.lists(st.floats(0, 4), min_size=1, max_size=40),
)
def test_a_supervisor_gives_up_exactly_when_the_window_holds_one_restart_too_many(
    world_of: Callable[..., Any], intensity: int, period_s: float, gaps: list[float]
) -> None:
    world = world_of({"id": "root", "intensity": intensity, "period_s": period_s, "children": ["a"]})
    world.start()
    crashes_s: list[float] = []
    for gap_s in gaps:
        world.advance(gap_s)
        crashes_s.append(world.now_s)
        world.crash("a")
        in_window = sum(1 for crash_s in crashes_s if crash_s >= world.now_s - period_s)
        assert world.ended() == (in_window > intensity)
        if world.ended():
            return
