"""Nodes that come and go, without any: who gets a process where, who waits, who fails."""

import pytest

from mia_actors.supervision.events import ChildStartFailed, StartChild, StartOverdue
from mia_actors.supervision.messages import HostIdentity
from mia_actors.supervision.news import HostBuried, HostFailed
from mia_actors.supervision.placement import NodeFacts
from mia_actors.supervision.processes import ProcessId
from tests.unit.supervision.cluster_stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


def box(number: int, *, alive: bool = True) -> NodeFacts:
    names = frozenset({"box"}) if alive else frozenset[str]()
    return NodeFacts(node_id=f"box-{number}", alive=alive, names=names)


def test_a_tree_that_names_no_node_never_looks_at_the_cluster(stage: Stage) -> None:
    stage.casting.start(StartChild(child_id="near", incarnation=1))
    assert (stage.looks, stage.fleet.made()) == (0, [("own", None)])


def test_first_processes_and_spares_are_made_on_their_nodes_as_those_come(stage: Stage) -> None:
    stage.casting.begin()
    assert stage.fleet.made() == [("own", None)] * 3, "one child and two spares"
    stage.start("far")
    stage.see(box(1))
    assert stage.fleet.made() == [("own", None)] * 3, "nobody tends the other node yet"
    stage.tends("box-1")
    assert stage.fleet.made()[3:] == [("box-1", None)] * 2, "who waits and one spare"
    stage.tends("box-1")
    assert len(stage.fleet.made()) == 5, "a second warden changes nothing"
    assert stage.looks == 1


def test_a_spare_is_promoted_on_its_own_node_only(stage: Stage) -> None:
    stage.start("far")
    stage.see(box(1))
    stage.casting.refill()
    stage.fleet.ready()
    stage.casting.hand_out()
    assert stage.fleet.parts == []
    stage.tends("box-1")
    stage.fleet.ready()
    stage.casting.hand_out()
    assert [child for child, host in stage.fleet.parts if host.startswith("box-1")] == ["far"]
    stage.start("cold", incarnation=2)
    assert stage.fleet.made()[-1] == ("box-1", "cold")


def test_a_name_of_the_drivers_own_node_needs_no_warden(stage: Stage) -> None:
    stage.start("home")
    stage.see()
    assert (stage.fleet.made(), stage.tended) == ([("own", None)], {})


def test_who_waits_for_a_node_is_said_once_and_its_time_stands_still(stage: Stage) -> None:
    overdue = StartOverdue(child_id="far", incarnation=1)
    stage.start("far")
    assert stage.said == [], "nobody has seen the nodes yet"
    stage.see()
    stage.see()
    assert [(one.event, one.node) for one in stage.said] == [("child.waits_for_node", "far")]
    assert stage.cluster.time_left(overdue) == 60.0
    stage.clock.sleep_s(1000.0)
    stage.see(box(1))
    stage.clock.sleep_s(10.0)
    assert stage.cluster.time_left(overdue) == 50.0
    stage.clock.sleep_s(51.0)
    assert stage.cluster.time_left(overdue) < 0
    for other in ("near", "gone"):
        assert stage.cluster.time_left(StartOverdue(child_id=other, incarnation=1)) == 0


def test_one_that_is_not_to_wait_fails_when_the_node_is_known_to_be_absent(stage: Stage) -> None:
    stage.start("picky")
    assert stage.posted == []
    stage.see()
    assert [(type(message), after_s) for message, after_s in stage.posted] == [(ChildStartFailed, 0.0)]
    assert stage.casting.lives_waiting() == ()
    stage.see()
    assert len(stage.posted) == 1


def test_what_was_on_a_lost_node_has_ended_and_goes_to_the_next_of_its_name(stage: Stage) -> None:
    stage.start("far")
    stage.see(box(1))
    stage.tends("box-1")
    first, spare = [name for name in stage.fleet.hosts if name.startswith("box-1")]
    stage.fleet.hosts[first].identity = HostIdentity(
        host_id=first, process=ProcessId(pid=1, start_time=1), node_id="box-1", child_id="far",
        incarnation=1, initialised=True, place="box",
    )  # fmt: skip
    stage.casting.hand_out()
    stage.see(box(1), box(2))
    assert stage.told == []
    stage.see(box(1, alive=False), box(2))
    assert stage.tended["box-1"].lost
    assert [(type(one), one.host_id) for one in stage.told if isinstance(one, HostBuried | HostFailed)] == [
        (HostBuried, first),
        (HostFailed, spare),
    ]
    assert "node box was lost" in stage.fleet.hosts[first].cause
    assert stage.said[-1].event == "node.lost"
    assert stage.sites.of("box") is None
    stage.tends("box-2")
    assert stage.sites.of("box") is stage.tended["box-2"]


def test_a_process_that_cannot_be_made_elsewhere_is_judged_when_its_nodes_fate_is_known(stage: Stage) -> None:
    stage.start("far")
    stage.see(box(1))
    stage.tends("box-1")
    host = next(host for host in stage.fleet.hosts.values() if host.place == "box")
    failed = HostFailed(host_id=host.host_id, cause="")
    assert stage.cluster.judges_later(failed)
    assert stage.posted == [(failed, 1.5)]
    assert not stage.cluster.judges_later(failed), "the second time its node still lives"
    forsaken = stage.cluster.forsaken(host)
    assert forsaken is not None
    assert forsaken.child_id == "far"
    stage.casting.start(forsaken)
    stage.see(box(1, alive=False))
    assert stage.cluster.forsaken(host) is None, "the node is lost: its life waits for another"


def test_wardens_leave_with_the_tree(stage: Stage) -> None:
    stage.start("far")
    stage.see(box(1))
    stage.sites.leave()
    assert stage.tended["box-1"].left
