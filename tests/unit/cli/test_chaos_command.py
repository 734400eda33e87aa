"""What `mia chaos` changes of the tree it disturbs, and where it cuts connections."""

from pathlib import Path

from mia_actors.cli.chaos_run import patient, trading_connections
from mia_actors.cli.config import SystemConfig, load_config
from mia_actors.supervision.spec import SupervisorSpec

SHIPPED = load_config(Path(__file__).parents[3] / "supervision.yaml")
MORE_KILLS_THAN_A_PERIOD_HOLDS = 500


def supervisors(tree: SupervisorSpec) -> list[SupervisorSpec]:
    below = [node for node in tree.children if isinstance(node, SupervisorSpec)]
    return [tree, *(one for node in below for one in supervisors(node))]


def test_no_budget_of_the_disturbed_tree_can_be_spent_by_chaos() -> None:
    changed = patient(SHIPPED)
    assert len(supervisors(changed.tree)) == len(supervisors(SHIPPED.tree)) == 5
    assert all(one.intensity > MORE_KILLS_THAN_A_PERIOD_HOLDS for one in supervisors(changed.tree))


def test_nothing_else_of_the_tree_is_changed() -> None:
    """With budgets, silences and the deadman put back the system is the shipped one, and one the file could hold."""
    shipped = {one.id: one.intensity for one in supervisors(SHIPPED.tree)}
    silences = {child.id: child.alive_within_s for _, child in SHIPPED.tree.child_specs()}

    def restored(node: SupervisorSpec) -> SupervisorSpec:
        children = tuple(
            restored(one)
            if isinstance(one, SupervisorSpec)
            else one.model_copy(update={"alive_within_s": silences[one.id]})
            for one in node.children
        )
        return node.model_copy(update={"children": children, "intensity": shipped[node.id]})

    changed = patient(SHIPPED)
    session = changed.session.model_copy(
        update={"gateway_restarts_max": SHIPPED.session.gateway_restarts_max}
    )
    assert changed.session.gateway_restarts_max > MORE_KILLS_THAN_A_PERIOD_HOLDS
    put_back = {"tree": restored(changed.tree), "session": session, "deadman": SHIPPED.deadman}
    assert changed.model_copy(update=put_back) == SHIPPED
    assert SystemConfig.model_validate_json(changed.model_dump_json()) == changed


def test_only_connections_that_a_child_keeps_open_are_cut() -> None:
    """The console's is opened by a command, when no guardian lives."""
    assert trading_connections(SHIPPED) == ["guardian", "trading"]
