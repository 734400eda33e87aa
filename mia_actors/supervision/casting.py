"""Which process plays which child: parts that wait for a process, and the pool of spares."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping

from mia_actors.core.clock import Clock
from mia_actors.supervision.events import StartChild
from mia_actors.supervision.fleet import Fleet, Host
from mia_actors.supervision.hang_watch import Limits
from mia_actors.supervision.inbox import Launch
from mia_actors.supervision.messages import Assignment
from mia_actors.supervision.nodes import ChildNode, Node
from mia_actors.supervision.spec import ChildSpec, Standby

SPARE_LIMITS = Limits(alive_within_s=10.0, progress_within_s=None)


def limits_of(spec: ChildSpec) -> Limits:
    """What a child's process is held to once it has started."""
    return Limits(alive_within_s=spec.alive_within_s, progress_within_s=spec.progress_within_s)


class Casting:
    """Gives parts to hosts. Used by the thread that owns the tree."""

    def __init__(
        self,
        launch: Launch,
        *,
        epoch: int,
        nodes: Mapping[str, Node],
        fleet: Fleet,
        clock: Clock,
    ) -> None:
        self.playing: dict[str, Host] = {}
        """Hosts by the child they play or played, until they are buried."""
        self._launch = launch
        self._epoch = epoch
        self._nodes = nodes
        self._fleet = fleet
        self._clock = clock
        self._waiting: deque[tuple[StartChild, float]] = deque()
        """Lives that have no process yet, each with the moment it was decided on."""

    def begin(self) -> None:
        """Starts all processes that the first lives need, and the spares, at once."""
        wanted = Counter(node.spec.node for node in self._nodes.values() if isinstance(node, ChildNode))
        for place in self._places(wanted):
            for _ in range(wanted[place] + self._launch.pool.size_on(place)):
                self._fleet.create(place)

    def start(self, life: StartChild) -> None:
        """Has a life begin in a free host, or in the next one that comes."""
        self._waiting.append((life, self._clock.monotonic_s()))
        self.hand_out()

    def cancel(self, child_id: str) -> None:
        """A life that waits for a process is no longer wanted."""
        self._waiting = deque(item for item in self._waiting if item[0].child_id != child_id)

    def host_of(self, child_id: str, incarnation: int) -> Host | None:
        """The host of that very life."""
        host = self.playing.get(child_id)
        return host if host is not None and host.incarnation == incarnation else None

    def forsaken(self, host: Host) -> StartChild | None:
        """The life that waited for a host which never came to be; it waits no longer."""
        for item in self._waiting:
            if host.reserved_for in {None, item[0].child_id} and self.place_of(item[0]) == host.place:
                self._waiting.remove(item)
                return item[0]
        return None

    def hand_out(self) -> None:
        """Gives parts to free hosts, the longest waiting first, and starts what is missing."""
        kept: deque[tuple[StartChild, float]] = deque()
        while self._waiting:
            life, since_s = self._waiting.popleft()
            host = self._fleet.host_for(life.child_id, self.place_of(life))
            if host is None or (host.reserved_for is None and self._is_cold(life)):
                kept.append((life, since_s))
            else:
                self._assign(host, life, since_s)
        self._waiting = kept
        reserved = {host.reserved_for for host in self._fleet.hosts.values()}
        for life, _ in kept:
            if self._is_cold(life) and life.child_id not in reserved:
                self._fleet.create(self.place_of(life), reserved_for=life.child_id)
        for place, count in self._warm_waiting().items():
            for _ in range(count - self._fleet.coming(place)):
                self._fleet.create(place)

    def refill(self) -> None:
        """Brings the pools to their sizes in the background."""
        waiting, spares = self._warm_waiting(), Counter(host.place for host in self._fleet.spares())
        for place in self._places(waiting):
            wanted = self._launch.pool.size_on(place) + waiting[place]
            for _ in range(wanted - spares[place] - self._fleet.coming(place)):
                self._fleet.create(place)

    def _warm_waiting(self) -> Counter[str | None]:
        """Lives that wait for a spare or any new process, by node."""
        return Counter(self.place_of(life) for life, _ in self._waiting if not self._is_cold(life))

    def _places(self, wanted: Iterable[str | None]) -> tuple[str | None, ...]:
        """The driver's node, then the others that somebody is wanted on."""
        return tuple(dict.fromkeys((None, *self._launch.pool.nodes, *wanted)))

    def place_of(self, life: StartChild) -> str | None:
        """Name of the node that life is to be on."""
        return self.child(life.child_id).spec.node

    def lives_waiting(self) -> tuple[StartChild, ...]:
        """Lives that have no process yet, the longest waiting first."""
        return tuple(life for life, _ in self._waiting)

    def waits(self, child_id: str) -> bool:
        """Whether a life of it has no process yet."""
        return any(life.child_id == child_id for life, _ in self._waiting)

    def child(self, child_id: str) -> ChildNode:
        """A child of the tree by name."""
        node = self._nodes[child_id]
        if not isinstance(node, ChildNode):
            raise TypeError(f"{child_id} is a supervisor")
        return node

    def spec_of(self, child_id: str) -> ChildSpec | None:
        """What a child is to be; None for one that is no longer in the tree."""
        node = self._nodes.get(child_id)
        return node.spec if isinstance(node, ChildNode) else None

    def _is_cold(self, life: StartChild) -> bool:
        """Whether this life is to have a new process; the first lives all share those begun at the start."""
        return life.incarnation > 1 and self.child(life.child_id).spec.standby is Standby.COLD

    def _assign(self, host: Host, life: StartChild, decided_s: float) -> None:
        node = self.child(life.child_id)
        spec = node.spec
        self.playing[life.child_id] = host
        assignment = Assignment(
            child_id=life.child_id,
            incarnation=life.incarnation,
            run=spec.run,
            settings=spec.settings,
            session=self._launch.session,
            directory=self._launch.directory,
            epoch=self._epoch,
            keeps_inputs=spec.quarantine is not None,
            quarantined=node.suspects.quarantined,
        )
        self._fleet.expect(host, limits_of(spec).starting())
        self._fleet.assign(host, assignment, decided_s)
