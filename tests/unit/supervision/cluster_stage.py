"""The parts of a supervisor that deal with nodes, over hosts and sites that are nothing but entries."""

from typing import Any

from mia_actors.core.clock import VirtualClock
from mia_actors.supervision.casting import Casting
from mia_actors.supervision.cluster import Cluster
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import StartChild
from mia_actors.supervision.fleet import Fleet, Host
from mia_actors.supervision.inbox import Launch, Message
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.messages import Assignment, HostIdentity
from mia_actors.supervision.news import News, NodesSeen, SiteReady
from mia_actors.supervision.placement import NodeFacts
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.sites import Sites
from mia_actors.supervision.spec import SupervisorSpec

OWN = NodeFacts(node_id="own", alive=True, names=frozenset({"home"}))
TREE = {
    "id": "root",
    "children": [
        {"id": "near", "run": "m:A"},
        {"id": "far", "run": "m:A", "node": "box"},
        {"id": "cold", "run": "m:A", "node": "box", "standby": "cold"},
        {"id": "picky", "run": "m:A", "node": "box", "node_absent": "fail"},
        {"id": "home", "run": "m:A", "node": "home"},
    ],
}


class FakeSite:
    """Remembers what it was told."""

    keeper = None
    pulses = None

    def __init__(self, node_id: str) -> None:
        self.node_id = node_id
        self.lost = False
        self.left = False
        self.watched: list[str] = []

    def lose(self) -> None:
        self.lost = True

    def leave(self) -> None:
        self.left = True

    def reports(self, host_id: str) -> None: ...

    def watch(self, host_id: str, _process: ProcessId) -> None:
        self.watched.append(host_id)

    def bury(self, burial: Any) -> None: ...

    def expect(self, host_id: str, limits: Any) -> None: ...

    def forget(self, host_id: str) -> None: ...

    def lives(self, _process: ProcessId, /) -> bool:
        return not self.lost

    def send(self, process: ProcessId, signal_number: int) -> bool:
        raise NotImplementedError


class FakeFleet(Fleet):
    """Makes hosts that are nothing but entries."""

    def __init__(self, sites: Sites, told: list[News]) -> None:
        self.hosts = {}
        self.sites = sites
        self._tell = told.append
        self.parts: list[tuple[str, str]] = []

    def create(self, place: str | None, *, reserved_for: str | None = None) -> None:
        site = self.sites.of(place)
        if site is not None:
            name = f"{site.node_id}-{len(self.hosts) + 1}"
            self.hosts[name] = Host(
                host_id=name, handle=None, site=site, place=place, pulses=None, reserved_for=reserved_for
            )

    def ready(self) -> None:
        for host in self.hosts.values():
            host.identity = HostIdentity(
                host_id=host.host_id,
                process=ProcessId(pid=1, start_time=1),
                node_id=host.site.node_id,
                child_id=None,
                incarnation=0,
                initialised=False,
                place=host.place,
            )

    def assign(self, host: Host, assignment: Assignment, decided_s: float) -> None:
        host.child_id, host.decided_s = assignment.child_id, decided_s
        self.parts.append((assignment.child_id, host.host_id))

    def made(self) -> list[tuple[str, str | None]]:
        """Node and reservation of every host there is."""
        return [(host.site.node_id, host.reserved_for) for host in self.hosts.values()]


class Stage:
    """The parts that deal with nodes, put together as the conductor does."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.tended: dict[str, FakeSite] = {}
        self.looks = 0
        self.told: list[News] = []
        self.posted: list[tuple[Message, float]] = []
        self.said: list[LoggedEvent] = []
        self.sites = Sites(FakeSite("own"), tend=self.tend, look_on=self.look, clock=self.clock)
        self.fleet = FakeFleet(self.sites, self.told)
        tree = SupervisorSpec.model_validate(TREE)
        launch = Launch(
            name="t",
            tree=tree,
            pool=PoolSpec(hosts=2, nodes={"box": 1}),
            session=None,
            directory="",
            namespace="",
            halt_hook=None,
            search_path=(),
        )
        nodes = TreeMachine(tree).nodes
        self.casting = Casting(launch, epoch=1, nodes=nodes, fleet=self.fleet, clock=self.clock)
        self.cluster = Cluster(
            self.fleet,
            self.casting,
            clock=self.clock,
            post=lambda message, after_s: self.posted.append((message, after_s)),
            record=self.said.append,
        )

    def tend(self, node_id: str) -> FakeSite:
        self.tended[node_id] = FakeSite(node_id)
        return self.tended[node_id]

    def look(self) -> None:
        self.looks += 1

    def start(self, child_id: str, incarnation: int = 1) -> None:
        life = StartChild(child_id=child_id, incarnation=incarnation)
        self.casting.start(life)
        self.cluster.began(life)

    def see(self, *boxes: NodeFacts) -> None:
        self.cluster.sees(NodesSeen(nodes=(OWN, *boxes)))
        self.casting.hand_out()

    def tends(self, node_id: str) -> None:
        self.cluster.is_ready(SiteReady(node_id=node_id))
        self.casting.hand_out()
        self.casting.refill()
