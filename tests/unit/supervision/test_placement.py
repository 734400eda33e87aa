"""Names of nodes: what they mean in a cluster, how many spares they have, and which are refused."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.placement import NodeFacts, Placement
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.reload import Change, plan_reload
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.yaml_file import load_yaml, validate_pool


def node(number: int, *names: str, alive: bool = True) -> NodeFacts:
    return NodeFacts(node_id=f"node-{number}", alive=alive, names=frozenset(names))


def test_a_name_is_a_resource_of_the_node_or_the_value_of_its_label() -> None:
    row = {
        "NodeID": "f0",
        "Alive": True,
        "Resources": {"box": 1.0, "gone": 0.0, "CPU": 2.0},
        "Labels": {"mia-node": "named", "other": "no"},
    }
    facts = NodeFacts.of(row)
    assert {"box", "named"} <= facts.names
    assert not facts.names & {"gone", "no"}
    assert not NodeFacts.of({"NodeID": "f1", "Alive": False, "Resources": {}}).names


def test_a_name_means_the_same_node_as_long_as_that_lives() -> None:
    placement = Placement()
    assert placement.look([node(0)], ["box"]) == ()
    assert placement.node_of("box") is None
    placement.look([node(0), node(2, "box")], ["box"])
    placement.look([node(0), node(1, "box"), node(2, "box")], ["box"])
    assert placement.node_of("box") == "node-2"
    died = placement.look([node(0, "box", alive=False), node(1, "box"), node(2, "box", alive=False)], ["box"])
    assert (died, placement.node_of("box")) == (("node-0", "node-2"), "node-1")
    assert placement.look([node(1, "box"), node(2, alive=False)], ["box"]) == (), "told once"


def test_a_node_that_is_not_listed_is_not_known_to_be_dead() -> None:
    placement = Placement()
    placement.look([node(1, "box")], ["box"])
    assert placement.look([], ["box", "other"]) == ()
    assert not placement.is_dead("node-1")
    assert placement.node_of("box") == "node-1"


def test_who_is_on_a_node_already_decides_what_its_name_means() -> None:
    placement = Placement()
    placement.keep("box", "node-2")
    placement.look([node(1, "box"), node(2, "box")], ["box"])
    assert placement.node_of("box") == "node-2"


def test_every_node_has_a_pool_of_its_own_size() -> None:
    pool = PoolSpec(hosts=2, nodes={"box": 1, "spareless": 0, "idle": 3})
    assert [pool.size_on(place) for place in (None, "box", "spareless", "unnamed")] == [2, 1, 0, 0]
    assert pool.idle_nodes([None, "box"]) == ("idle",)


def tree(**child: object) -> SupervisorSpec:
    return SupervisorSpec.model_validate({"id": "root", "children": [{"id": "a", "run": "m:A", **child}]})


def test_a_child_that_moves_to_another_node_is_restarted() -> None:
    plan = plan_reload(tree(node="box"), tree(node="other"))
    assert (plan.of(Change.RESTARTED), plan.nodes[1].keys) == (("a",), ("node",))
    assert plan_reload(tree(node="box"), tree(node="box", node_absent="fail")).of(Change.CHANGED) == ("a",)


class Document(BaseModel):
    pool: PoolSpec
    tree: SupervisorSpec


def check(path: Path) -> None:
    document = load_yaml(path, Document)
    validate_pool(document, document.value.pool, document.value.tree, key="pool")


GOOD = """\
pool:
  nodes: {box: 1}
tree:
  id: root
  children:
    - id: a
      run: m:A
      node: box
      node_absent: fail
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("node: box", "node: 'node:10.0.0.1'", "8: tree.children[0].node: 'node:10.0.0.1' is not allowed; all"),
        ("node: box", "node: CPU", "8: tree.children[0].node: 'CPU' is a resource Ray itself gives to nodes; all"),
        ("node: box", "node: 7", "8: tree.children[0].node: 7 is of the wrong type; allowed: text"),
        ("node: box", "node: null", "9: tree.children[0].node_absent: 'a' has node_absent: fail and no node; all"),
        ("absent: fail", "absent: hope", "9: tree.children[0].node_absent: 'hope' is not allowed; allowed: wait"),
        ("{box: 1}", "{box: -1}", "2: pool.nodes.box: -1 is out of range; allowed: at least 0"),
        ("{box: 1}", "{box: 65}", "2: pool.nodes.box: 65 is out of range; allowed: at most 64"),
        ("{box: 1}", "{a/b: 1}", "2: pool.nodes.a/b: 'a/b' is not allowed; allowed: text like"),
        ("{box: 1}", "{memory: 1}", "2: pool.nodes.memory: 'memory' is a resource Ray itself gives to nodes; all"),
        ("{box: 1}", "{bix: 1}", "2: pool.nodes.bix: no child runs on node 'bix'; allowed: box"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_node_is_named_by_line_and_key(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "system.yaml"
    path.write_text(GOOD, encoding="utf-8")
    check(path)
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        check(path)
    assert str(raised.value).startswith(f"{path}:{said}")
