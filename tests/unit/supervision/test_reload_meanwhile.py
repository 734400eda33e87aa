"""A reload to which everything happens: deaths, starts that fail, takeovers, other reloads."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mia_actors.supervision.events import ExitReason, ReloadCall
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.reload import plan_reload, why_not
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.virtual_world import VirtualWorld

INNER = {"s": ["sa", "sb", "sc"], "t": ["ta", "tb", "tc"]}
OUTER = ["a", "b", "c", "d"]
NAMES = [*OUTER, *INNER["s"], *INNER["t"]]
STRATEGIES = st.sampled_from(["one_for_one", "one_for_one", "one_for_all", "rest_for_one"])
DELAYS = st.lists(st.sampled_from([0.0, 0.0, 0.1, 1.5]), min_size=1, max_size=20)
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["exit", "exit", "fail", "step", "step", "advance", "take over", "reload"]),
        st.integers(0, 30),
    ),
    max_size=15,
)


@st.composite
def trees(draw: st.DrawFn) -> SupervisorSpec:
    """Two levels of names that have one place each, so that any two have much in common and nobody moves."""

    def level(names: list[str]) -> list[dict[str, Any]]:
        chosen = draw(st.lists(st.sampled_from(names), unique=True))
        return [
            {
                "id": name,
                "run": "m:C",
                "settings": {"x": draw(st.integers(0, 1))},
                "shutdown_s": draw(st.sampled_from([0, 2])),
                "backoff": draw(st.sampled_from([None, {"first_s": 0.5, "max_s": 2}])),
                "depends_on": draw(st.lists(st.sampled_from(chosen[:place]), max_size=2)) if place else [],
                "restart_with_dependants": draw(st.booleans()),
            }
            for place, name in enumerate(chosen)
        ]

    inner = [
        {"id": name, "strategy": draw(STRATEGIES), "intensity": 50, "children": level(INNER[name])}
        for name in draw(st.lists(st.sampled_from(sorted(INNER)), unique=True))
    ]
    children = draw(st.permutations([*level(OUTER), *inner]))
    return SupervisorSpec.model_validate(
        {"id": "root", "intensity": 50, "strategy": draw(STRATEGIES), "children": children}
    )


@given(old=trees(), between=trees(), new=trees(), delays=DELAYS, happenings=HAPPENINGS)
def test_whatever_happens_meanwhile_the_tree_ends_as_the_last_reload_wants_it(
    old: SupervisorSpec,
    between: SupervisorSpec,
    new: SupervisorSpec,
    delays: list[float],
    happenings: list[tuple[str, int]],
) -> None:
    world = VirtualWorld(old, iter(delays * 10_000).__next__)
    world.start()
    world.post(ReloadCall(call_id=1_000_000, tree=new))
    world.step()
    for turn, (kind, number) in enumerate(happenings):
        befall(world, kind, number, ReloadCall(call_id=2_000_000 + turn, tree=between))
    world.fail_next.clear()
    world.settle()
    assert why_not(world.machine.spec, new) is None
    world.ask(ReloadCall(tree=new))
    assert not world.ended()
    assert plan_reload(world.machine.spec, new).changes_nothing
    assert {node.state for node in world.machine.nodes.values()} == {NodeState.UP}
    assert world.living == {
        name: node.incarnation for name, node in world.machine.nodes.items() if isinstance(node, ChildNode)
    }
    for node in world.machine.nodes.values():
        if isinstance(node, SupervisorNode):
            assert not node.coming_up
            assert node.awaited is None


def befall(world: VirtualWorld, kind: str, number: int, other: ReloadCall) -> None:
    names = sorted(world.living)
    if kind == "exit" and names:
        world.exit(names[number % len(names)], ExitReason.CRASH)
    elif kind == "fail":
        world.fail_next[NAMES[number % len(NAMES)]] = number % 3
    elif kind == "step":
        world.advance(0)
    elif kind == "advance":
        world.advance(number / 7)
    elif kind == "take over":
        world.take_over()
    elif kind == "reload":
        world.post(other)
