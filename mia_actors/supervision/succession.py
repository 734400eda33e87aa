"""One supervisor stands by for another: how it is made, how each knows that the other lives."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from mia_actors.supervision.activity import Stall
from mia_actors.supervision.death_watch import DeathWatch
from mia_actors.supervision.hang_watch import Limits
from mia_actors.supervision.inbox import Launch
from mia_actors.supervision.messages import HostIdentity
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.pulse import PulseReceiver, PulseSender
from mia_actors.supervision.ray_actors import create_on_node, when_done
from mia_actors.supervision.snapshot import ProcessView, TreeSnapshot
from mia_actors.supervision.views import process_view
from mia_actors.telemetry.logs import get_logger

PREDECESSOR = "predecessor"
MADE_WITHIN_S = 60.0
AGAIN_AFTER_S = 1.0
CONFIRM_S = 5.0
LIMITS = Limits(alive_within_s=5.0, progress_within_s=15.0)
"""Of a supervisor: its pulse, and its loop, which turns at least once a second."""


def supervisor_name(name: str, epoch: int) -> str:
    """The actor name of the supervisor of an epoch."""
    return f"{name}-supervisor-{epoch}"


def epoch_of(actor_name: str, name: str) -> int | None:
    """The epoch of a supervisor's actor name; None for other actors."""
    before, _, number = actor_name.rpartition("-")
    return int(number) if before == f"{name}-supervisor" and number.isdigit() else None


def last_identities(tree: TreeSnapshot) -> dict[str, HostIdentity]:
    """Hosts of a tree file by name, none of them taken to serve."""
    found: dict[str, HostIdentity] = {}
    for child in tree.children:
        if child.process is not None:
            found[child.process.host_id] = _identity(child.process, child.id, child.incarnation)
    for spare in tree.spares:
        found[spare.host_id] = _identity(spare, None, 0)
    return found


def _identity(view: ProcessView, child_id: str | None, incarnation: int) -> HostIdentity:
    return HostIdentity(
        host_id=view.host_id,
        process=view.process,
        node_id=view.node_id,
        child_id=child_id,
        incarnation=incarnation,
        initialised=False,
    )


class PredecessorWatch:
    """The side of the one that stands by: knows when it is its turn."""

    def __init__(
        self,
        predecessor: Any,
        pulses: PulseReceiver,
        *,
        take_over: Callable[[], None],
        leave: Callable[[], None],
    ) -> None:
        self._process: ProcessId | None = None
        self._lock = threading.Lock()
        self._told = False
        """Its end is known; the kernel and Ray tell of it each in its own time."""
        self._deaths = DeathWatch(lambda _: self._died())
        self._take_over = take_over
        self._leave = leave
        self._log = get_logger(actor="standby")

        def known(identity: HostIdentity | None, _: BaseException | None) -> None:
            if identity is not None:
                self._process = identity.process
                pulses.expect(PREDECESSOR, LIMITS)
                if identity.node_id == ray.get_runtime_context().get_node_id():
                    self._deaths.add(PREDECESSOR, identity.process)

        when_done(predecessor.identity.remote(), known)
        when_done(predecessor.lifeline.remote(), self._lifeline_ended)

    def kill(self, cause: str) -> None:
        """The predecessor gives no sign of life: its end is made certain; its lifeline tells the rest."""
        self._log.error("supervisor.hung", cause=cause)
        if self._process is not None:
            self._process.kill(CONFIRM_S)

    def _lifeline_ended(self, _: str | None, error: BaseException | None) -> None:
        if error is None:
            self._leave()
        else:
            self._died()

    def _died(self) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            threading.Thread(target=self._succeed, name="succession", daemon=True).start()

    def _succeed(self) -> None:
        """Never two at a time: the other one is confirmed dead first."""
        while self._process is not None and not self._process.kill(CONFIRM_S):
            self._log.error("supervisor.undead", pid=self._process.pid)
        self._take_over()


class Successor:
    """The side of the one that runs the tree: somebody stands by for it, always."""

    def __init__(self, launch: Launch, *, epoch: int, actor: Callable[[], Any]) -> None:
        """Makes actors of the class that `actor` returns."""
        self._launch = launch
        self._actor = actor
        self._epoch = epoch
        self._made: Any = None
        self._identity: HostIdentity | None = None
        self._ended = threading.Event()
        self._gone = threading.Event()
        self._pulse: PulseSender | None = None
        self._log = get_logger(actor="supervisor", epoch=epoch)

    def begin(self, handle: Any, stall: Callable[[], Stall]) -> None:
        """Keeps one standing by from now on, in a thread of its own; `handle` is the supervisor's own."""
        threading.Thread(target=self._keep, args=(handle, stall), name="successor", daemon=True).start()

    def end(self) -> None:
        """The tree is down: nobody needs to stand by any more."""
        self._ended.set()
        with suppress(RayError):
            if self._made is not None:
                ray.kill(self._made)
        self._gone.set()
        identity = self._identity
        if identity is not None:
            identity.process.kill(CONFIRM_S)
            self._identity = None

    def view(self) -> ProcessView | None:
        """The process of the one that stands by."""
        identity = self._identity
        return process_view(identity) if identity is not None else None

    def _keep(self, handle: Any, stall: Callable[[], Stall]) -> None:
        epoch = self._epoch
        while not self._ended.is_set():
            epoch += 1
            try:
                self._stand_by(handle, epoch, stall)
            except (RayError, ValueError) as error:  # ValueError: the name was taken
                self._log.warning("standby.not_made", epoch=epoch, error=str(error))
                self._ended.wait(AGAIN_AFTER_S)

    def _stand_by(self, handle: Any, epoch: int, stall: Callable[[], Stall]) -> None:
        """Makes one and returns when it is gone."""
        node_id = ray.get_runtime_context().get_node_id()
        made = self._made = create_on_node(
            self._actor(),
            supervisor_name(self._launch.name, epoch),
            namespace=self._launch.namespace,
            node_id=node_id,
            arguments={"launch": self._launch, "epoch": epoch, "predecessor": handle},
        )
        identity: HostIdentity = ray.get(made.identity.remote(), timeout=MADE_WITHIN_S)
        address = ray.get(made.pulse_address.remote(), timeout=MADE_WITHIN_S)
        if self._pulse is None:
            self._pulse = PulseSender(PREDECESSOR, address, stall)
        else:
            self._pulse.point_to(address)
        self._gone.clear()
        when_done(made.lifeline.remote(), lambda _result, _error: self._gone.set())
        self._identity = identity
        if self._ended.is_set():
            identity.process.kill(CONFIRM_S)
            return
        self._gone.wait()
        self._identity = None
