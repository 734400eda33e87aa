"""The processes of a session: hosts being started, spares, hosts that play a child, hosts being buried.

Everything Ray or the kernel reports comes back as a message through `tell`, so that one thread can own this.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import ray
from ray.exceptions import RayError

from mia_actors.core.clock import Clock
from mia_actors.supervision.death_watch import DeathWatch
from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.host import host_actor
from mia_actors.supervision.messages import Assignment, Became, HostIdentity, StartFailed, packed
from mia_actors.supervision.processes import STACKS_SIGNAL, ProcessId
from mia_actors.supervision.pulse import PulseAddress
from mia_actors.supervision.ray_actors import cause_of, create_on_node, when_done
from mia_actors.telemetry.logs import get_logger

BURY_ATTEMPT_S = 5.0
"""After each such time without a confirmed death it is said and tried again; nothing replaces the undead."""
UNDERTAKERS = 8
HOST_MARK = "-host-"
ANSWER_WITHIN_S = 1.0
"""What a host of a supervisor that died has to say who it is."""
STACKS_WITHIN_S = 0.05
"""What a hung process has to write down its stacks before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReady:
    """A new host answers and has imported its modules."""

    host_id: str
    identity: HostIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFailed:
    """A new host never came to answer."""

    host_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBecame:
    """A host started its child, or could not."""

    host_id: str
    outcome: Became | StartFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class HostArmed:
    """A host's child is armed since `at_s`."""

    host_id: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStopped:
    """A host's child has drained, or there was a problem with it."""

    host_id: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    """A host's lifeline ended: its child `finished`, or the process died."""

    host_id: str
    finished: bool
    cause: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBuried:
    """A host's process is certain to be gone."""

    host_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHung:
    """A host gives no sign of life, or its child's work does not get on."""

    host_id: str
    cause: str


News: TypeAlias = (
    HostReady | HostFailed | HostBecame | HostArmed | HostStopped | HostLost | HostHung | HostBuried
)


@dataclass(slots=True)
class Host:
    """One host process and what is known of it."""

    host_id: str
    handle: Any
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

    def end(self, reason: ExitReason, cause: str) -> None:
        """Notes why it ends, unless that is known already."""
        if self.reason is None:
            self.reason, self.cause = reason, cause


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHost:
    """A host that a supervisor left behind, and what it says of itself."""

    host_id: str
    handle: Any
    identity: HostIdentity


def find_hosts(prefix: str, namespace: str, known: Mapping[str, HostIdentity]) -> list[FoundHost]:
    """Every host that Ray knows by a name beginning with `prefix`.

    One that does not answer in time is taken for what `known` says of it, not initialised; one of which
    nothing is known never got so far as to do anything, and is ended here.
    """
    named = ray.util.list_named_actors(all_namespaces=True)
    names = [
        one["name"]
        for one in named
        if one["namespace"] == namespace and one["name"].startswith(prefix + HOST_MARK)
    ]
    handles: dict[str, Any] = {}
    for name in names:
        with suppress(ValueError):  # gone in the meantime
            handles[name] = ray.get_actor(name, namespace=namespace)
    asked = {handle.identity.remote(): name for name, handle in handles.items()}
    answered, _ = (
        ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN_S) if asked else ([], [])
    )
    found: list[FoundHost] = []
    for pending, name in asked.items():
        identity = _answer(pending) if pending in set(answered) else known.get(name)
        if identity is not None:
            found.append(FoundHost(host_id=name, handle=handles[name], identity=identity))
        else:
            ray.kill(handles[name])
    return found


def _answer(pending: Any) -> HostIdentity | None:
    try:
        identity: HostIdentity = ray.get(pending)
    except RayError:
        return None
    return identity


class Fleet:
    """Creates, assigns and buries hosts. Used by one thread."""

    def __init__(
        self,
        *,
        prefix: str,
        namespace: str,
        node_id: str,
        preload: Iterable[str],
        search_path: Iterable[str],
        supervisor: Any,
        pulses: PulseAddress,
        epoch: int,
        clock: Clock,
        tell: Callable[[News], None],
    ) -> None:
        """Names new hosts after `prefix` and the `epoch` of its supervisor."""
        self.hosts: dict[str, Host] = {}
        self._prefix = f"{prefix}{HOST_MARK}{epoch}"
        self._epoch = epoch
        self._namespace = namespace
        self._node_id = node_id
        self._arguments = {
            "preload": tuple(preload),
            "search_path": tuple(search_path),
            "supervisor": supervisor,
            "pulses": pulses,
        }
        self._clock = clock
        self._tell = tell
        self._count = 0
        self._actor = host_actor()
        self._deaths = DeathWatch(self._process_ended)
        self._undertakers = ThreadPoolExecutor(UNDERTAKERS, thread_name_prefix="undertaker")
        self._log = get_logger(actor="supervisor")

    def create(self, *, reserved_for: str | None = None) -> None:
        """Begins to start one host; `HostReady` or `HostFailed` follows."""
        self._count += 1
        host_id = f"{self._prefix}-{self._count}"
        arguments = {"host_id": host_id, **self._arguments}
        handle = create_on_node(
            self._actor, host_id, namespace=self._namespace, node_id=self._node_id, arguments=arguments
        )
        self.hosts[host_id] = Host(host_id=host_id, handle=handle, reserved_for=reserved_for)
        self._hold_lifeline(host_id, handle)

        def ready(identity: HostIdentity | None, error: BaseException | None) -> None:
            if identity is not None:
                self._tell(HostReady(host_id=host_id, identity=identity))
            else:
                self._tell(HostFailed(host_id=host_id, cause=cause_of(error) if error else ""))

        when_done(handle.identity.remote(), ready)

    def met(self, host: Host, identity: HostIdentity) -> None:
        """A host has said who it is: from now on its death is told by the kernel too, where it is ours to ask."""
        host.identity, host.ready_s = identity, self._clock.monotonic_s()
        if identity.node_id == self._node_id:
            self._deaths.add(host.host_id, identity.process)

    def _process_ended(self, host_id: str) -> None:
        at_s = self._clock.monotonic_s()
        self._tell(HostLost(host_id=host_id, finished=False, cause="process died", at_s=at_s))

    def adopt(self, found: FoundHost) -> Host:
        """Takes over a host of a supervisor that is gone; it is told whom to obey."""
        host = Host(host_id=found.host_id, handle=found.handle, reserved_for=None)
        self.hosts[host.host_id] = host
        self.met(host, found.identity)
        self._hold_lifeline(host.host_id, host.handle)
        supervisor, pulses = self._arguments["supervisor"], self._arguments["pulses"]
        host.handle.follow.remote(supervisor, pulses, self._epoch)
        return host

    def _hold_lifeline(self, host_id: str, handle: Any) -> None:
        def lost(_: None, error: BaseException | None) -> None:
            cause = "" if error is None else cause_of(error)
            at_s = self._clock.monotonic_s()
            self._tell(HostLost(host_id=host_id, finished=error is None, cause=cause, at_s=at_s))

        when_done(handle.lifeline.remote(), lost)

    def spares(self) -> list[Host]:
        """Hosts that wait for any part, oldest first."""
        return [host for host in self.hosts.values() if _is_free(host) and host.reserved_for is None]

    def host_for(self, child_id: str) -> Host | None:
        """A host that may play the child now: one reserved for it, or a spare."""
        free = [host for host in self.hosts.values() if _is_free(host)]
        reserved = [host for host in free if host.reserved_for == child_id]
        return next(iter(reserved or [host for host in free if host.reserved_for is None]), None)

    def coming(self) -> int:
        """Hosts being started for any part."""
        return sum(1 for host in self.hosts.values() if host.identity is None and host.reserved_for is None)

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
        process = host.identity.process if host.identity else None
        if process is None:
            ray.kill(
                host.handle
            )  # Ray alone knows where it is being started; `HostReady` or `HostFailed` follows
        elif not process.alive():
            self._tell(HostBuried(host_id=host.host_id))
        else:
            self._undertakers.submit(self._bury_living, host.host_id, process, stacks=stacks)

    def _bury_living(self, host_id: str, process: ProcessId, *, stacks: bool) -> None:
        if stacks and not process.is_stopped() and process.send(STACKS_SIGNAL):
            process.wait_gone(STACKS_WITHIN_S)
        while not process.kill(BURY_ATTEMPT_S):
            self._log.error("process.undead", host=host_id, pid=process.pid, waited_s=BURY_ATTEMPT_S)
        self._tell(HostBuried(host_id=host_id))


def _is_free(host: Host) -> bool:
    return host.identity is not None and host.child_id is None and not host.burying
