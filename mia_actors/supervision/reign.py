"""Who runs a tree, as its driver sees it: the supervisor, its successors, and the end of all of them."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from mia_actors.core.clock import Clock
from mia_actors.core.errors import PermanentError
from mia_actors.supervision.death_watch import DeathWatch
from mia_actors.supervision.inbox import Launch
from mia_actors.supervision.messages import HostIdentity
from mia_actors.supervision.processes import kill_all
from mia_actors.supervision.ray_actors import cause_of, create_on_node, when_done
from mia_actors.supervision.ray_runtime import ray_failure
from mia_actors.supervision.router import SupervisorRouter
from mia_actors.supervision.snapshot import read_tree
from mia_actors.supervision.succession import epoch_of, supervisor_name
from mia_actors.supervision.supervisor import supervisor_actor
from mia_actors.supervision.tree_state import StateFile
from mia_actors.telemetry.logs import get_logger

ANSWER_WITHIN_S = 5.0
LOOK_EVERY_S = 0.5
"""Longest single wait in Ray, so that a signal to the driver is served in between."""
END_WITHIN_S = 10.0
SUCCEED_WITHIN_S = 30.0
"""When nobody runs the tree so long after its supervisor died, it is ended."""
SUCCESSORS_MAX = 3
"""So many may die before they have taken over."""
SHORT_REIGN_S = 1.0
SHORT_REIGNS_MAX = 10
"""So many supervisors in a row that died within so short a time of taking over end the tree: a crash loop."""


class Reign:
    """Follows the supervisors of one tree. When nobody takes over, every process is ended and `failed` says so."""

    def __init__(
        self,
        launch: Launch,
        supervisor: Any,
        identity: HostIdentity,
        *,
        router: SupervisorRouter,
        clock: Clock,
    ) -> None:
        self.supervisor = supervisor
        """Whoever runs the tree now, or did last."""
        self.failed: str | None = None
        """Why the tree is down although nobody asked for it."""
        self.ended = threading.Event()
        """The supervisor said how the tree ended, or nobody could take over; what was left is ended too."""
        self._launch = launch
        self._identity = identity
        self._router = router
        self._clock = clock
        self._directory = Path(launch.directory)
        self._namespace = launch.namespace
        self._log = get_logger(actor="system")
        self._began_s = 0.0
        self._short_reigns = 0
        self._stopping = False
        self._lock = threading.Lock()
        self._mourned: set[str] = set()
        """Supervisors whose death is being dealt with, or was: the kernel and Ray tell of it each in its own time."""
        self._deaths = DeathWatch(lambda name: self._died(name, "process died"))
        self._watch(supervisor, identity)

    def expect_end(self) -> None:
        """The tree is being stopped: a death of its supervisor is no longer followed by anything."""
        self._stopping = True

    def end_processes(self) -> None:
        """Ends who stands by, then the supervisor, so that nothing more is started; then what is recorded."""
        tree = read_tree(self._directory)
        if tree is not None and tree.standby is not None:
            tree.standby.process.kill(END_WITHIN_S)
        self._identity.process.kill(END_WITHIN_S)
        tree = read_tree(self._directory)
        recorded = [view.process for view in tree.own_processes] if tree is not None else []
        left = kill_all(recorded, timeout_s=END_WITHIN_S, clock=self._clock)
        if left:
            raise PermanentError(f"processes that do not end: {', '.join(str(one.pid) for one in left)}")

    def end_unrecorded(self) -> None:
        """Ends what Ray still knows by name: processes that were being made when the supervisor died."""
        for name in self._named():
            with suppress(ValueError, RayError):  # gone in the meantime
                ray.kill(ray.get_actor(name, namespace=self._namespace))

    def _named(self) -> list[str]:
        """Actor names of this tree that Ray knows."""
        return [
            actor["name"]
            for actor in ray.util.list_named_actors(all_namespaces=True)
            if actor["namespace"] == self._namespace and actor["name"].startswith(self._launch.name)
        ]

    def _watch(self, supervisor: Any, identity: HostIdentity) -> None:
        def lifeline_ended(outcome: str | None, error: BaseException | None) -> None:
            if error is not None:
                self._died(identity.host_id, cause_of(error))
                return
            if outcome != "stopped":
                self.failed = outcome
            self.ended.set()

        when_done(supervisor.lifeline.remote(), lifeline_ended)
        if identity.node_id == ray.get_runtime_context().get_node_id():
            self._deaths.add(identity.host_id, identity.process)

    def _died(self, name: str, cause: str) -> None:
        with self._lock:
            known = name in self._mourned
            self._mourned.add(name)
        if not known and not self._stopping and not self.ended.is_set():
            threading.Thread(target=self._lost, args=(cause,), name="supervisor-lost").start()

    def _lost(self, cause: str) -> None:
        is_short = self._clock.monotonic_s() - self._began_s < SHORT_REIGN_S
        self._short_reigns = self._short_reigns + 1 if is_short else 0
        with suppress(PermanentError):  # whoever cannot take over will say so
            state = StateFile(self._directory).read()
            if state is not None and state.ended:
                self._end_as_recorded()
                return
        self._log.warning("supervisor.lost", cause=cause, short_reigns=self._short_reigns)
        try:
            succeeded = self._short_reigns <= SHORT_REIGNS_MAX and self._follow_successor()
        except RayError:
            self._log.exception("supervisor.not_succeeded")
            succeeded = False
        if succeeded or self._stopping:
            return
        try:
            self.end_processes()
            self.end_unrecorded()
        except (PermanentError, RayError):
            self._log.exception("system.not_ended")
        self.failed = "the supervisor died and nobody took over; every process of the tree was ended"
        self.ended.set()

    def _end_as_recorded(self) -> None:
        """The tree was down already when its supervisor died."""
        last = read_tree(self._directory)
        if last is not None and last.outcome not in {None, "stopped"}:
            self.failed = last.outcome
        try:
            self.end_processes()
            self.end_unrecorded()
        except (PermanentError, RayError):
            self._log.exception("system.not_ended")
        self.ended.set()

    def _follow_successor(self) -> bool:
        """Waits for whoever takes over, or makes somebody who does; False when nobody did in time."""
        deadline_s = self._clock.monotonic_s() + SUCCEED_WITHIN_S
        own_epoch = epoch_of(self._identity.host_id, self._launch.name) or 0
        dead = {own_epoch}
        while self._clock.monotonic_s() < deadline_s and not self._stopping and ray_failure() is None:
            known = {epoch_of(name, self._launch.name): name for name in self._named()}
            waiting = sorted(epoch for epoch in known if epoch is not None and epoch > own_epoch)
            alive = [epoch for epoch in waiting if epoch not in dead]
            if not alive:
                if len(dead) > SUCCESSORS_MAX:
                    return False
                made = max([own_epoch, *dead, *waiting]) + 1
                create_supervisor(self._launch, epoch=made, resumes=True)
                alive = [made]
            for epoch in alive:
                if self._is_active(epoch):
                    return True
                if not self._lives(epoch):
                    dead.add(epoch)
        return False

    def _is_active(self, epoch: int) -> bool:
        """Whether the supervisor of that epoch runs the tree; if so it is the one from now on."""
        try:
            supervisor: Any = ray.get_actor(
                supervisor_name(self._launch.name, epoch), namespace=self._namespace
            )
            if not ray.get(supervisor.await_active.remote(LOOK_EVERY_S), timeout=ANSWER_WITHIN_S):
                return False
            self._identity = ray.get(supervisor.identity.remote(), timeout=ANSWER_WITHIN_S)
        except (ValueError, RayError):
            return False
        self.supervisor = supervisor
        self._began_s = self._clock.monotonic_s()
        self._router.point_to(supervisor)
        self._watch(supervisor, self._identity)
        self._log.info("supervisor.followed", epoch=epoch)
        return True

    def _lives(self, epoch: int) -> bool:
        try:
            supervisor: Any = ray.get_actor(
                supervisor_name(self._launch.name, epoch), namespace=self._namespace
            )
            ray.get(supervisor.identity.remote(), timeout=ANSWER_WITHIN_S)
        except (ValueError, RayError):
            return False
        return True


def create_supervisor(launch: Launch, *, epoch: int, resumes: bool = False) -> Any:
    """Begins to create a supervisor; one that `resumes` takes over where everybody has died."""
    return create_on_node(
        supervisor_actor(),
        supervisor_name(launch.name, epoch),
        namespace=launch.namespace,
        node_id=ray.get_runtime_context().get_node_id(),
        arguments={"launch": launch, "epoch": epoch, "resumes": resumes},
    )
