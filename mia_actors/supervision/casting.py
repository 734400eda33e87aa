"""Which process plays which child: parts that wait for a process, and the pool of spares."""

from collections import deque
from collections.abc import Mapping
from typing import Protocol

from mia_actors.core.clock import Clock
from mia_actors.supervision.events import StartChild
from mia_actors.supervision.fleet import Fleet, Host
from mia_actors.supervision.hang_watch import Limits
from mia_actors.supervision.inbox import Launch
from mia_actors.supervision.messages import Assignment
from mia_actors.supervision.nodes import ChildNode, Node
from mia_actors.supervision.spec import ChildSpec, Standby

SPARE_LIMITS = Limits(alive_within_s=10.0, progress_within_s=None)


class HostWatch(Protocol):
    """Watches hosts for signs of life and progress; tells by `HostHung`."""

    def expect(self, host_id: str, limits: Limits) -> None:
        """From now on the host is held to these limits."""
        ...

    def forget(self, host_id: str) -> None:
        """The host is being ended."""
        ...


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
        watch: HostWatch,
        clock: Clock,
    ) -> None:
        self.playing: dict[str, Host] = {}
        """Hosts by the child they play or played, until they are buried."""
        self._launch = launch
        self._epoch = epoch
        self._nodes = nodes
        self._fleet = fleet
        self._watch = watch
        self._clock = clock
        self._waiting: deque[tuple[StartChild, float]] = deque()
        """Lives that have no process yet, each with the moment it was decided on."""

    def begin(self) -> None:
        """Starts all processes that the first lives need, and the spares, at once."""
        children = sum(isinstance(node, ChildNode) for node in self._nodes.values())
        for _ in range(children + self._launch.pool.hosts):
            self._fleet.create()

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
            if host.reserved_for in {None, item[0].child_id}:
                self._waiting.remove(item)
                return item[0]
        return None

    def hand_out(self) -> None:
        """Gives parts to free hosts, the longest waiting first, and starts what is missing."""
        kept: deque[tuple[StartChild, float]] = deque()
        while self._waiting:
            life, since_s = self._waiting.popleft()
            host = self._fleet.host_for(life.child_id)
            if host is None or (host.reserved_for is None and self._is_cold(life)):
                kept.append((life, since_s))
            else:
                self._assign(host, life, since_s)
        self._waiting = kept
        reserved = {host.reserved_for for host in self._fleet.hosts.values()}
        for life, _ in kept:
            if self._is_cold(life) and life.child_id not in reserved:
                self._fleet.create(reserved_for=life.child_id)
        for _ in range(sum(not self._is_cold(life) for life, _ in kept) - self._fleet.coming()):
            self._fleet.create()

    def refill(self) -> None:
        """Brings the pool to its size in the background."""
        waiting = sum(not self._is_cold(life) for life, _ in self._waiting)
        missing = self._launch.pool.hosts + waiting - len(self._fleet.spares()) - self._fleet.coming()
        for _ in range(missing):
            self._fleet.create()

    def child(self, child_id: str) -> ChildNode:
        """A child of the tree by name."""
        node = self._nodes[child_id]
        if not isinstance(node, ChildNode):
            raise TypeError(f"{child_id} is a supervisor")
        return node

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
        self._watch.expect(host.host_id, limits_of(spec).starting())
        self._fleet.assign(host, assignment, decided_s)
