"""The processes of a session: hosts being started, spares, hosts that play a child, hosts being buried.

Everything Ray or the kernel reports comes back as a message through `tell`, so that one thread can own this.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import ray

from mia_actors.core.clock import Clock
from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.found_hosts import HOST_MARK, FoundHost
from mia_actors.supervision.hang_watch import Limits
from mia_actors.supervision.host import host_actor
from mia_actors.supervision.messages import Assignment, Became, HostIdentity, StartFailed, packed
from mia_actors.supervision.news import (
    HostArmed,
    HostBecame,
    HostBuried,
    HostFailed,
    HostLost,
    HostReady,
    HostStopped,
    News,
)
from mia_actors.supervision.pulse import PulseAddress
from mia_actors.supervision.ray_actors import cause_of, create_on_node, when_done
from mia_actors.supervision.site import Burial, Site
from mia_actors.supervision.sites import Sites
from mia_actors.telemetry.logs import get_logger


@dataclass(slots=True)
class Host:
    """One host process and what is known of it."""

    host_id: str
    handle: Any
    site: Site
    place: str | None
    """Name of the node it was made for; None is the driver's."""
    pulses: PulseAddress | None
    """Where it was told to send them."""
    reserved_for: str | None
    identity: HostIdentity | None = None
    child_id: str | None = None
    incarnation: int = 0
    decided_s: float = 0.0
    """When its child was to be started."""
    ready_s: float = 0.0
    """When it first answered."""
    started_s: float | None = None
    """When its child had started; None where another supervisor saw that."""
    kill_asked_s: float | None = None
    signalled: bool = False
    """By hand, so that its end proves nothing against what it has in hand."""
    lost_s: float | None = None
    failure: StartFailed | None = None
    reason: ExitReason | None = None
    """Why it ends; the first reason stands."""
    cause: str = ""
    burying: bool = False
    doubtful: bool = False
    """It could not be made; its node may be about to be known as dead."""

    @property
    def serves(self) -> bool:
        """Whether there is a process that may be asked, as far as that can be known at once."""
        return not self.burying and self.identity is not None and self.site.lives(self.identity.process)

    def end(self, reason: ExitReason, cause: str) -> None:
        """Notes why it ends, unless that is known already."""
        if self.reason is None:
            self.reason, self.cause = reason, cause


class Fleet:
    """Creates, assigns and buries hosts. Used by one thread."""

    def __init__(
        self,
        *,
        prefix: str,
        namespace: str,
        sites: Sites,
        preload: Iterable[str],
        search_path: Iterable[str],
        supervisor: Any,
        epoch: int,
        clock: Clock,
        tell: Callable[[News], None],
    ) -> None:
        """Names new hosts after `prefix` and the `epoch` of its supervisor."""
        self.hosts: dict[str, Host] = {}
        self._prefix = f"{prefix}{HOST_MARK}{epoch}"
        self._epoch = epoch
        self._namespace = namespace
        self.sites = sites
        self._arguments = {
            "preload": tuple(preload),
            "search_path": tuple(search_path),
            "supervisor": supervisor,
        }
        self._clock = clock
        self._tell = tell
        self._count = 0
        self._actor = host_actor()
        self._log = get_logger(actor="supervisor")

    def create(self, place: str | None, *, reserved_for: str | None = None) -> None:
        """Begins to start one host; `HostReady` or `HostFailed` follows. Nothing while there is no such node."""
        site = self.sites.of(place)
        if site is None:
            return
        self._count += 1
        host_id = f"{self._prefix}-{self._count}"
        arguments = {"host_id": host_id, "pulses": site.pulses, "place": place, **self._arguments}
        handle = create_on_node(
            self._actor, host_id, namespace=self._namespace, node_id=site.node_id, arguments=arguments
        )
        self.hosts[host_id] = Host(
            host_id=host_id,
            handle=handle,
            site=site,
            place=place,
            pulses=site.pulses,
            reserved_for=reserved_for,
        )
        self._hold_lifeline(host_id, handle)

        def ready(identity: HostIdentity | None, error: BaseException | None) -> None:
            if identity is not None:
                self._tell(HostReady(host_id=host_id, identity=identity))
            else:
                self._tell(HostFailed(host_id=host_id, cause=cause_of(error) if error else ""))

        when_done(handle.identity.remote(), ready)

    def met(self, host: Host, identity: HostIdentity) -> None:
        """A host has said who it is: from now on its death is told by its own node's kernel too."""
        host.identity, host.ready_s = identity, self._clock.monotonic_s()
        host.site.watch(host.host_id, identity.process)
        if host.pulses != host.site.pulses:
            self._follow(host)

    def adopt(self, found: FoundHost) -> Host:
        """Takes over a host of a supervisor that is gone; it is told whom to obey."""
        identity = found.identity
        host = Host(
            host_id=found.host_id,
            handle=found.handle,
            site=self.sites.at(identity.node_id, identity.place),
            place=identity.place,
            pulses=None,
            reserved_for=None,
            identity=identity,
            ready_s=self._clock.monotonic_s(),
        )
        self.hosts[host.host_id] = host
        host.site.watch(host.host_id, identity.process)
        self._hold_lifeline(host.host_id, host.handle)
        self._follow(host)
        return host

    def _follow(self, host: Host) -> None:
        """Tells a host whom to obey and where its pulses go."""
        node_id, host_id, host.pulses = host.site.node_id, host.host_id, host.site.pulses
        pending = host.handle.follow.remote(self._arguments["supervisor"], host.pulses, self._epoch)
        if host.site is self.sites.own:
            return

        def followed(_: None, error: BaseException | None) -> None:
            if error is None:
                self.sites.reports(node_id, host_id)

        when_done(pending, followed)

    def tended(self, node_id: str) -> None:
        """There is somebody new who tends that node: its hosts report there from now on."""
        self.sites.is_ready(node_id)
        for host in self.hosts.values():
            if host.site.node_id == node_id and host.identity is not None and host.pulses != host.site.pulses:
                self._follow(host)

    def lost_with(self, site: Site, cause: str) -> None:
        """A node is dead for certain: so is every host on it, also those that never came to answer."""
        for host in list(self.hosts.values()):
            if host.site is not site:
                continue
            if host.identity is None:
                self._tell(HostFailed(host_id=host.host_id, cause=cause))
            else:
                host.reason, host.cause = host.reason or ExitReason.KILLED, cause
                self._tell(HostBuried(host_id=host.host_id))

    def expect(self, host: Host, limits: Limits) -> None:
        """From now on the host is held to these limits; `HostHung` follows when it exceeds one."""
        host.site.expect(host.host_id, limits)

    def _hold_lifeline(self, host_id: str, handle: Any) -> None:
        def lost(_: None, error: BaseException | None) -> None:
            cause = "" if error is None else cause_of(error)
            at_s = self._clock.monotonic_s()
            self._tell(HostLost(host_id=host_id, finished=error is None, cause=cause, at_s=at_s))

        when_done(handle.lifeline.remote(), lost)

    def spares(self) -> list[Host]:
        """Hosts that wait for any part, oldest first."""
        return [host for host in self.hosts.values() if _is_free(host) and host.reserved_for is None]

    def host_for(self, child_id: str, place: str | None) -> Host | None:
        """A host that may play the child now: one reserved for it, or a spare of its node."""
        free = [host for host in self.hosts.values() if host.place == place and _is_free(host)]
        reserved = [host for host in free if host.reserved_for == child_id]
        return next(iter(reserved or [host for host in free if host.reserved_for is None]), None)

    def coming(self, place: str | None) -> int:
        """Hosts of a node being started for any part."""
        return sum(1 for host in self._unmet() if host.place == place and host.reserved_for is None)

    def coming_anywhere(self) -> int:
        """Hosts being started for any part, on all nodes."""
        return sum(1 for host in self._unmet() if host.reserved_for is None)

    def _unmet(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.identity is None]

    def assign(self, host: Host, assignment: Assignment, decided_s: float) -> None:
        """Gives a host its part; `HostBecame` follows, or `HostLost` when it dies over it."""
        host.child_id, host.incarnation = assignment.child_id, assignment.incarnation
        host.decided_s = decided_s

        def became(outcome: Became | StartFailed | None, error: BaseException | None) -> None:
            if outcome is not None:
                self._tell(HostBecame(host_id=host.host_id, outcome=outcome))
            elif host.lost_s is None:
                self._log.warning("host.become_failed", host=host.host_id, error=repr(error))

        when_done(host.handle.become.remote(packed(assignment)), became)

    def await_armed(self, host: Host) -> None:
        """`HostArmed` follows when its child is armed, which it may be already."""

        def armed(at_s: float | None, _: BaseException | None) -> None:
            if at_s is not None:
                self._tell(HostArmed(host_id=host.host_id, at_s=at_s))

        when_done(host.handle.await_armed.remote(), armed)

    def stop(self, host: Host) -> None:
        """Asks the child to drain; `HostStopped` follows, or `HostLost` when it dies over it."""

        def stopped(problem: str | None, error: BaseException | None) -> None:
            if problem is not None or error is None:
                self._tell(HostStopped(host_id=host.host_id, problem=problem or ""))

        when_done(host.handle.stop.remote(self._epoch), stopped)

    def bury(self, host: Host, *, stacks: bool = False) -> None:
        """Makes sure that the process is gone; `HostBuried` follows only when it is certain.

        With `stacks` it is asked before what its threads are doing.
        """
        if host.burying:
            return
        host.burying = True
        host.site.forget(host.host_id)
        if host.identity is None:
            ray.kill(
                host.handle
            )  # Ray alone knows where it is being started; `HostReady` or `HostFailed` follows
            return
        host.site.bury(
            Burial(
                host_id=host.host_id,
                process=host.identity.process,
                stacks=stacks,
                child_id=host.child_id or "",
                incarnation=host.incarnation,
            )
        )


def _is_free(host: Host) -> bool:
    return host.identity is not None and host.child_id is None and not host.burying
