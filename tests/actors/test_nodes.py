"""Children on a second node of the cluster: they die, hang and come back there, and go with the node."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.supervision.found_hosts import WARDEN_MARK
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.supervision.snapshot import ChildView, ProcessView
from mia_actors.supervision.system import System
from mia_actors.supervision.warden import WardenIdentity
from tests.actors.second_node import SecondNode

Eventually = Callable[..., Any]
TreeOf = Callable[..., Any]
StartSystem = Callable[..., System]
POOL = PoolSpec(hosts=1, nodes={"box": 1})
NODE_DIES_WITHIN_S = 60.0
"""Ray asks five times in vain before it says that a node is dead."""


class Boxes:
    """Nodes that are called box, of which one lives whenever a test begins."""

    def __init__(self, gcs_address: str) -> None:
        self._gcs_address = gcs_address
        self.made: list[SecondNode] = []

    def make(self) -> SecondNode:
        self.made.append(SecondNode(self._gcs_address, "box"))
        return self.made[-1]

    def living(self) -> SecondNode:
        return self.made[-1] if self.made and self.made[-1].alive() else self.make()


@pytest.fixture(scope="module")
def boxes(ray_runtime: RayRuntime) -> Iterator[Boxes]:
    boxes = Boxes(ray_runtime.address)
    yield boxes
    for node in boxes.made:
        node.stop()


@pytest.fixture
def box(boxes: Boxes) -> SecondNode:
    return boxes.living()


def own_node() -> str:
    return str(ray.get_runtime_context().get_node_id())


def child(system: System, name: str) -> ChildView:
    return next(one for one in system.tree().children if one.id == name)


def process_of(system: System, name: str) -> ProcessView:
    found = child(system, name).process
    assert found is not None
    return found


def box_spares(system: System) -> list[ProcessView]:
    return [spare for spare in system.tree().spares if spare.node_id != own_node()]


def logged(folder: Path, event: str, node: str) -> list[LoggedEvent]:
    return [one for _, one in read_events(folder) if (one.event, one.node) == (event, node)]


def is_of(system: System, actor: dict[str, str]) -> bool:
    return actor["namespace"] == system.tree().namespace


def warden_of(system: System) -> ProcessId:
    actors = ray.util.list_named_actors(all_namespaces=True)
    name = next(one["name"] for one in actors if is_of(system, one) and WARDEN_MARK in one["name"])
    warden: Any = ray.get_actor(name, namespace=system.tree().namespace)
    identity: WardenIdentity = ray.get(warden.identity.remote())
    return identity.process


@pytest.mark.usefixtures("box")
def test_a_killed_child_comes_back_from_the_pool_of_its_own_node(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    system = start_system(tree_of("a", {"id": "far", "node": "box"}), pool=POOL)
    assert process_of(system, "a").node_id == own_node()
    first = process_of(system, "far")
    assert first.node_id != own_node()
    spare = eventually(lambda: box_spares(system))[0]
    os.kill(first.pid, signal.SIGKILL)
    assert system.ref("far").ask("who") == (2, spare.pid)
    assert not first.process.alive()
    assert process_of(system, "far").node_id == first.node_id
    eventually(lambda: [one for one in box_spares(system) if one.pid != spare.pid])
    assert system.ref("a").ask("who")[0] == 1
    assert eventually(lambda: logged(tmp_path, "child.exited", "far"))[0].cause.startswith("process died")
    system.kill("far")
    assert system.ref("far").ask("who")[0] == 3


@pytest.mark.usefixtures("box")
def test_a_hung_child_is_killed_there_and_its_stacks_are_read_there(
    start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    hung = {"run": "supervised_children:Sleeper", "node": "box", "progress_within_s": 1.0}
    stopped = {"run": "supervised_children:Sleeper", "node": "box", "alive_within_s": 1.0}
    system = start_system(tree_of({"id": "hung", **hung}, {"id": "stopped", **stopped}), pool=POOL)
    processes = {name: process_of(system, name).process for name in ("hung", "stopped")}
    os.kill(processes["stopped"].pid, signal.SIGSTOP)
    system.ref("hung").ask_soon("deadlock", repeatable=False)
    for name, cause in (("hung", "deadlock has made no progress"), ("stopped", "no sign of life")):
        eventually(lambda name=name: system.ref(name).ask("who")[0] == 2)
        assert not processes[name].alive()
        ended = eventually(lambda name=name: logged(tmp_path, "child.exited", name))[0]
        assert (ended.reason, cause in ended.cause) == ("hung", True)
    ended = logged(tmp_path, "child.exited", "hung")[0]
    assert "in deadlock" in ended.traceback
    assert ended.in_hand == "deadlock"


@pytest.mark.usefixtures("box")
def test_a_supervisor_that_takes_over_adopts_the_children_of_the_other_node(
    start_system: StartSystem, tree_of: TreeOf, eventually: Eventually
) -> None:
    far = {"id": "far", "node": "box", "run": "supervised_children:Sleeper", "alive_within_s": 1.0}
    system = start_system(tree_of("a", far), pool=POOL)
    before = eventually(lambda: (found := system.tree()).standby and box_spares(system) and found)
    first = system.ref("far").ask("who")
    os.kill(before.supervisor.pid, signal.SIGKILL)
    eventually(lambda: system.tree().epoch > before.epoch)
    assert system.ref("far").ask("who") == first
    spare = box_spares(system)[0]
    os.kill(first[1], signal.SIGSTOP)
    assert eventually(lambda: (who := system.ref("far").ask("who")) != first and who) == (2, spare.pid)


def test_a_lost_node_takes_its_children_along_and_the_next_of_its_name_brings_them_back(
    start_system: StartSystem,
    tree_of: TreeOf,
    tmp_path: Path,
    eventually: Eventually,
    box: SecondNode,
    boxes: Boxes,
) -> None:
    far = {"id": "far", "node": "box", "start_within_s": 10.0}
    frozen = {"id": "frozen", "node": "box", "alive_within_s": None, "restart": "temporary"}
    system = start_system(tree_of("a", far, frozen), pool=POOL)
    first, near = process_of(system, "far"), system.ref("a").ask("who")
    cannot_end_itself = process_of(system, "frozen")
    os.kill(cannot_end_itself.pid, signal.SIGSTOP)
    box.kill()
    eventually(lambda: logged(tmp_path, "node.lost", "box"), NODE_DIES_WITHIN_S)
    ended = eventually(lambda: logged(tmp_path, "child.exited", "far"))[0]
    assert ended.cause.startswith("node box was lost: Ray has confirmed the death of ")
    assert eventually(lambda: logged(tmp_path, "child.waits_for_node", "far"))[0].incarnation == 2
    assert (child(system, "far").state, box_spares(system)) == ("starting", [])
    assert not [view for view in (first, cannot_end_itself) if view.process.alive()]
    boxes.make()
    assert system.ref("far").ask("who", timeout_s=60)[0] == 2
    assert process_of(system, "far").node_id not in {own_node(), first.node_id}
    eventually(lambda: box_spares(system))
    assert system.ref("a").ask("who") == near


@pytest.mark.usefixtures("box")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_warden_that_dies_or_hangs_is_replaced_and_its_children_serve_on(
    number: signal.Signals, start_system: StartSystem, tree_of: TreeOf, tmp_path: Path, eventually: Eventually
) -> None:
    far = {"id": "far", "node": "box", "run": "supervised_children:Sleeper", "alive_within_s": 1.0}
    system = start_system(tree_of(far), pool=POOL)
    first, spare = system.ref("far").ask("who"), eventually(lambda: box_spares(system))[0]
    warden = warden_of(system)
    os.kill(warden.pid, number)
    eventually(lambda: len(logged(tmp_path, "node.ready", "box")) == 2, 30)
    assert not warden.alive()
    os.kill(first[1], signal.SIGSTOP)
    assert eventually(lambda: (who := system.ref("far").ask("who")) != first and who) == (2, spare.pid)
    assert eventually(lambda: logged(tmp_path, "child.exited", "far"))[0].reason == "hung"
    system.stop()
    assert not [one for one in ray.util.list_named_actors(all_namespaces=True) if is_of(system, one)]
