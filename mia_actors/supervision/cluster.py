"""Nodes come and go: what becomes of the lives that are to be on them.

A life whose node is not in the cluster waits for it, or fails, as its child says. When Ray has confirmed the death
of a node, what was on it has ended, and not before.
"""

from collections.abc import Callable

from mia_actors.core.clock import Clock
from mia_actors.supervision.casting import Casting
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import ChildStartFailed, StartChild, StartOverdue
from mia_actors.supervision.fleet import Fleet, Host
from mia_actors.supervision.inbox import Message
from mia_actors.supervision.news import HostFailed, NodesSeen, SiteReady
from mia_actors.supervision.spec import NodeAbsent

JUDGE_AFTER_S = 1.5
"""Why a process could not be made is judged when Ray's list of nodes has been looked at again."""
WAITS, READY, LOST = "child.waits_for_node", "node.ready", "node.lost"


class Cluster:
    """Used by the thread that owns the tree."""

    def __init__(
        self,
        fleet: Fleet,
        casting: Casting,
        *,
        clock: Clock,
        post: Callable[[Message, float], None],
        record: Callable[[LoggedEvent], None],
    ) -> None:
        self._fleet = fleet
        self._sites = fleet.sites
        self._casting = casting
        self._clock = clock
        self._post = post
        self._record = record
        self._said: dict[str, int] = {}
        """Incarnations of which it was said that they wait, by child."""

    def began(self, life: StartChild) -> None:
        """A life is to begin: whether it has a node to begin on."""
        spec = self._casting.child(life.child_id).spec
        if spec.node is None or not self._casting.waits(spec.id) or not self._sites.is_absent(spec.node):
            return
        cause = f"no living node of the cluster has the resource or label {spec.node!r}"
        if spec.node_absent is NodeAbsent.FAIL:
            self._casting.cancel(spec.id)
            failed = ChildStartFailed(child_id=life.child_id, incarnation=life.incarnation, cause=cause)
            self._post(failed, 0.0)
        elif self._said.get(life.child_id) != life.incarnation:
            self._said[life.child_id] = life.incarnation
            self._say(WAITS, life.child_id, cause, incarnation=life.incarnation)

    def time_left(self, overdue: StartOverdue) -> float:
        """What a start still has, whose time is up by the clock: that without its node does not count."""
        spec = self._casting.spec_of(overdue.child_id)
        if spec is None or spec.node is None:
            return 0.0
        present_s = self._sites.present_s(spec.node)
        return spec.start_within_s + (0.0 if present_s is None else present_s - self._clock.monotonic_s())

    def sees(self, seen: NodesSeen) -> None:
        """Ray's list of nodes is another one."""
        for site, name in self._sites.see(seen.nodes):
            cause = f"node {name} was lost: Ray has confirmed the death of {site.node_id}"
            self._say(LOST, name, cause)
            self._fleet.lost_with(site, cause)
        for life in self._casting.lives_waiting():
            self.began(life)

    def is_ready(self, ready: SiteReady) -> None:
        """Hosts can be made on a node, and those that are there report to somebody new."""
        self._fleet.tended(ready.node_id)
        self._say(READY, self._sites.name_of(ready.node_id), f"hosts can be made on {ready.node_id}")

    def judges_later(self, failed: HostFailed) -> bool:
        """Whether a host failed on another node whose death may be known in a moment; then it fails again."""
        host = self._fleet.hosts[failed.host_id]
        if host.site is self._sites.own or host.site.lost or host.doubtful:
            return False
        host.doubtful = True
        self._post(failed, JUDGE_AFTER_S)
        return True

    def forsaken(self, host: Host) -> StartChild | None:
        """The life that fails with a host which never came to be; one whose node was lost waits for another."""
        return None if host.site.lost else self._casting.forsaken(host)

    def _say(self, event: str, node: str, cause: str, *, incarnation: int = 0) -> None:
        self._record(
            LoggedEvent(
                time_ns=self._clock.now_ns(), node=node, incarnation=incarnation, event=event, cause=cause
            )
        )
