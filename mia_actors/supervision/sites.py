"""The nodes that hosts may be on: the supervisor's own, and those that the specification names.

As long as no name is asked for, nobody looks at the cluster, and there is one site. Used by the thread that owns
the tree, but for the look itself.
"""

import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

import ray

from mia_actors.core.clock import Clock
from mia_actors.supervision.found_hosts import WARDEN_MARK
from mia_actors.supervision.inbox import Launch
from mia_actors.supervision.news import News, NodesSeen
from mia_actors.supervision.placement import NodeFacts, Placement
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.ray_actors import create_on_node
from mia_actors.supervision.remote_site import RemoteSite
from mia_actors.supervision.site import OwnSite, Site
from mia_actors.supervision.warden import warden_actor
from mia_actors.telemetry.logs import get_logger

LOOK_EVERY_S = 1.0


class Tended(Site, Protocol):
    """A site of another node."""

    def lose(self) -> None:
        """Ray has confirmed the death of the node."""
        ...

    def leave(self) -> None:
        """The tree is down."""
        ...

    def reports(self, host_id: str) -> None:
        """A host has been told where its pulses go now."""
        ...


class Sites:
    """See the module. `look_on` begins to tell `NodesSeen`, `tend` makes the site of another node."""

    def __init__(
        self,
        own: Site,
        *,
        tend: Callable[[str], Tended],
        look_on: Callable[[], None],
        clock: Clock,
    ) -> None:
        self.own = own
        self._tend = tend
        self._look_on = look_on
        self._clock = clock
        self._placement = Placement()
        self._nodes: tuple[NodeFacts, ...] = ()
        self._names: set[str] = set()
        self._looking = False
        self._others: dict[str, Tended] = {}
        self._ready: set[str] = set()
        """Nodes that are tended."""
        self._present_s: dict[str, float] = {}

    def of(self, name: str | None) -> Site | None:
        """Where hosts for a node of that name are to be made; None while there is nobody to tend them."""
        if name is None:
            return self.own
        if name not in self._names:
            self._names.add(name)
            self._see_to_it()
        node_id = self._placement.node_of(name)
        if node_id == self.own.node_id:
            return self.own
        return self._others[node_id] if node_id in self._ready else None

    def is_absent(self, name: str) -> bool:
        """Whether Ray's list has no living node of that name; False as long as nobody has seen the list."""
        return bool(self._nodes) and self._placement.node_of(name) is None

    def present_s(self, name: str) -> float | None:
        """Since when there is a node of that name; None while there is none."""
        return self._present_s.get(name)

    def absent(self) -> frozenset[str]:
        """Names that were asked for and have no node now."""
        return frozenset(name for name in self._names if self.is_absent(name))

    def name_of(self, node_id: str) -> str:
        """What a node is called in the specification, else the beginning of its id."""
        names = sorted(name for name in self._names if self._placement.node_of(name) == node_id)
        return ", ".join(names) or node_id[:8]

    def at(self, node_id: str, name: str | None = None) -> Site:
        """The site of a node on which there is a host already, for a node of that name."""
        if node_id == self.own.node_id:
            return self.own
        if name is not None:
            self._names.add(name)
            self._placement.keep(name, node_id)
        if node_id not in self._others:
            self._others[node_id] = self._tend(node_id)
        site = self._others[node_id]
        if self._placement.is_dead(node_id):
            self._others.pop(node_id).lose()
        self._begin_to_look()
        return site

    def reports(self, node_id: str, host_id: str) -> None:
        """A host on another node has been told where its pulses go now."""
        site = self._others.get(node_id)
        if site is not None:
            site.reports(host_id)

    def is_ready(self, node_id: str) -> None:
        """Somebody tends the hosts of that node, from now on if nobody did."""
        if node_id in self._others:
            self._ready.add(node_id)

    def see(self, nodes: tuple[NodeFacts, ...]) -> tuple[tuple[Site, str], ...]:
        """Takes in Ray's list of nodes.

        Returns:
            Sites that are lost with their nodes, and what those were called.
        """
        self._nodes = nodes
        return self._see_to_it()

    def leave(self) -> None:
        """The tree is down: nobody is needed on any node."""
        for site in self._others.values():
            site.leave()
        self._others.clear()
        self._ready.clear()

    def _begin_to_look(self) -> None:
        if not self._looking:
            self._looking = True
            self._look_on()

    def _see_to_it(self) -> tuple[tuple[Site, str], ...]:
        self._begin_to_look()
        called = {node_id: self.name_of(node_id) for node_id in self._others}
        lost: list[tuple[Site, str]] = []
        for node_id in self._placement.look(self._nodes, sorted(self._names)):
            self._ready.discard(node_id)
            site = self._others.pop(node_id, None)
            if site is not None:
                site.lose()
                lost.append((site, called[node_id]))
        for name in self._names:
            chosen = self._placement.node_of(name)
            if chosen is None:
                self._present_s.pop(name, None)
                continue
            self._present_s.setdefault(name, self._clock.monotonic_s())
            if chosen != self.own.node_id and chosen not in self._others:
                self._others[chosen] = self._tend(chosen)
        return tuple(lost)


def sites_of_ray(
    launch: Launch, own: OwnSite, *, epoch: int, clock: Clock, tell: Callable[[News], None]
) -> Sites:
    """The sites of the cluster this process is connected to, tended for the supervisor of an epoch."""

    def make(node_id: str, number: int, predecessors: tuple[ProcessId, ...]) -> Any:
        name = f"{launch.name}{WARDEN_MARK}{epoch}-{node_id[:8]}-{number}"
        arguments = {"name": name, "directory": launch.directory, "predecessors": predecessors}
        return create_on_node(
            warden_actor(), name, namespace=launch.namespace, node_id=node_id, arguments=arguments
        )

    def tend(node_id: str) -> RemoteSite:
        return RemoteSite(node_id, make=make, clock=clock, tell=tell)

    def look_on() -> None:
        threading.Thread(target=_look, args=(tell,), name="nodes", daemon=True).start()

    return Sites(own, tend=tend, look_on=look_on, clock=clock)


def _look(tell: Callable[[News], None]) -> None:
    """Tells of the nodes whenever they are others than before. What Ray does not answer is no news."""
    never = threading.Event()
    seen: frozenset[NodeFacts] = frozenset()
    while True:
        try:
            nodes = tuple(NodeFacts.of(row) for row in cast("Any", ray).nodes())
        except Exception as error:  # noqa: BLE001 - whatever it raises while its own server is away
            get_logger(actor="supervisor").warning("nodes.not_listed", error=repr(error))
        else:
            if frozenset(nodes) != seen:
                seen = frozenset(nodes)
                tell(NodesSeen(nodes=nodes))
        never.wait(LOOK_EVERY_S)
