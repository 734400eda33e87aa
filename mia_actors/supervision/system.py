"""The driver's side of a tree: start it, ask its children, watch it, end it."""

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import ray
from ray.exceptions import GetTimeoutError, RayError

from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import ConfigError, PermanentError, TargetUnavailable
from mia_actors.core.ids import RandomIds
from mia_actors.supervision.administration import ChildCounts, ChildEntry
from mia_actors.supervision.child import check_child, is_module, load_function
from mia_actors.supervision.events import Call, CallAnswered, CallOutcome, ReloadCall, StartChildCall
from mia_actors.supervision.inbox import Launch
from mia_actors.supervision.messages import HostIdentity
from mia_actors.supervision.processes import kill_all
from mia_actors.supervision.ray_actors import cause_of, create_on_node, when_done
from mia_actors.supervision.ray_runtime import ray_failure
from mia_actors.supervision.ref import Ref
from mia_actors.supervision.reload import ReloadPlan, plan_reload, why_not
from mia_actors.supervision.router import SupervisorRouter
from mia_actors.supervision.snapshot import TreeSnapshot, read_tree
from mia_actors.supervision.spec import ChildSpec, PoolSpec, SupervisorSpec
from mia_actors.supervision.succession import epoch_of, supervisor_name
from mia_actors.supervision.supervisor import supervisor_actor
from mia_actors.supervision.tree_state import StateFile
from mia_actors.telemetry.logs import get_logger

CREATE_WITHIN_S = 60.0
ANSWER_WITHIN_S = 5.0
ADMINISTER_WITHIN_S = 60.0
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
BROKEN_STOP_WITHIN_S = 3.0
"""An orderly stop may take this long when Ray is broken: a few seconds later Ray ends every process of its own."""


class System:
    """A running tree. Its supervisor may die: the one that stands by takes over, or a new one that is made here.

    When that fails, every process of the tree is ended and `failed` says so.
    """

    def __init__(self, launch: Launch, supervisor: Any, identity: HostIdentity) -> None:
        self._launch = launch
        self._router = SupervisorRouter(supervisor)
        self._reign_began_s = 0.0
        self._short_reigns = 0
        self._supervisor = supervisor
        self._identity = identity
        self._directory = Path(launch.directory)
        self._namespace = launch.namespace
        self._clock: Clock = SystemClock()
        self._log = get_logger(actor="system")
        self._failed: str | None = None
        self._ended = threading.Event()
        """The supervisor said how the tree ended, or nobody could take over; what was left is ended too."""
        self._stopping = False
        self._stopped = False
        when_done(supervisor.lifeline.remote(), self._lifeline_ended)

    @classmethod
    def start(
        cls,
        tree: SupervisorSpec,
        pool: PoolSpec,
        session: Any,
        directory: Path,
        *,
        namespace: str,
        halt_hook: str | None = None,
        on_progress: Callable[[TreeSnapshot], None] | None = None,
    ) -> Self:
        """Begins to start a tree in the connected Ray; `wait_up` waits for it.

        All processes are started at once; the children then start in order. `session` is given to every
        child; `directory` takes the event log, the tree file, traces and logs; `namespace` must be new to
        this Ray; `halt_hook` names a function that is called as `hook(reason, session)` in the supervisor's
        process; `on_progress` is called with the tree after each change until it is up, in its own thread.

        Raises:
            ConfigError: a class, its settings, a module to preload or the hook is not what it should be.
            PermanentError: the supervisor could not be started.
        """
        _check(tree, pool, halt_hook)
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        launch = Launch(
            name=f"tree-{RandomIds().new_id()}",
            tree=tree,
            pool=pool,
            session=session,
            directory=str(directory),
            namespace=namespace,
            halt_hook=halt_hook,
            search_path=tuple(str(Path(entry).absolute()) for entry in sys.path),
        )
        supervisor = _create_supervisor(launch, epoch=1)
        try:
            identity: HostIdentity = ray.get(supervisor.identity.remote(), timeout=CREATE_WITHIN_S)
        except (RayError, GetTimeoutError) as error:
            ray.kill(supervisor)
            raise PermanentError(f"the supervisor did not start: {error}") from error
        system = cls(launch, supervisor, identity)
        if on_progress is not None:
            watching = (on_progress,)
            threading.Thread(target=system._watch, args=watching, name="progress", daemon=True).start()
        return system

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def failed(self) -> str | None:
        """Why the tree is down, or about to be, although nobody asked for it; None otherwise."""
        return self._failed or ray_failure()

    def ref(self, child_id: str) -> Ref:
        """A way to ask a child by name."""
        return Ref(child_id, router=self._router, clock=self._clock)

    def tree(self) -> TreeSnapshot:
        """The tree as it is, or as it last was when its supervisor is gone.

        Raises:
            TargetUnavailable: the supervisor is gone and left no tree.
        """
        try:
            return self._changes(after_version=-1, wait_s=0.0)
        except RayError as error:
            last = read_tree(self._directory)
            if last is None:
                raise TargetUnavailable("the supervisor is gone and left no tree") from error
            return last

    def wait_up(self, timeout_s: float) -> None:
        """Returns when every child has been started.

        Raises:
            PermanentError: the tree gave up instead.
            TargetUnavailable: it is not up within `timeout_s`.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        version, pending = -1, "the supervisor"
        while True:
            remaining_s = deadline_s - self._clock.monotonic_s()
            if self.failed is not None:
                raise PermanentError(f"the tree did not start: {self.failed}")
            if remaining_s <= 0:
                raise TargetUnavailable(f"the tree was not up within {timeout_s:g} s: {pending} is not")
            try:
                tree = self._changes(after_version=version, wait_s=min(remaining_s, LOOK_EVERY_S))
            except RayError:  # it died: somebody takes over, or `failed` says why not
                self._ended.wait(LOOK_EVERY_S)
                continue
            if tree.outcome is not None:
                raise PermanentError(f"the tree did not start: {tree.outcome}")
            if tree.root.state == "up":
                return
            version = tree.version
            pending = (
                ", ".join(child.id for child in tree.children if child.state == "starting") or "a process"
            )

    def kill(self, child_id: str, signal_number: int = signal.SIGKILL) -> None:
        """Sends a signal to a child's process, as chaos would; it was sent when this returns.

        Raises:
            TargetUnavailable: the child has no process now.
        """
        sent = ray.get(self._supervisor.kill.remote(child_id, signal_number), timeout=ANSWER_WITHIN_S)
        if not sent:
            raise TargetUnavailable(f"{child_id} has no process now")

    def administer(self, call: Call, timeout_s: float = ADMINISTER_WITHIN_S) -> CallAnswered:
        """Makes a call on the running tree: starts, terminates, restarts, deletes, holds or releases a child.

        Raises:
            ConfigError: the class or the settings of a child to be added are not what they should be.
            TargetUnavailable: no answer within `timeout_s`; the call may still be carried out.
        """
        if isinstance(call, StartChildCall):
            below = call.spec
            specs = [below] if isinstance(below, ChildSpec) else [one for _, one in below.child_specs()]
            for spec in specs:
                check_child(spec)
        answer: CallAnswered | None = self._ask_supervisor(
            self._supervisor.administer.remote(call, timeout_s), timeout_s + ANSWER_WITHIN_S
        )
        if answer is None:
            raise TargetUnavailable(f"no answer within {timeout_s:g} s to {call}")
        return answer

    def plan_reload(self, tree: SupervisorSpec) -> ReloadPlan:
        """What `reload` would do now; nothing is changed.

        Raises:
            ConfigError: the running tree cannot become that one, or a class or settings are not what they should be.
            TargetUnavailable: the supervisor actor does not answer.
        """
        now: SupervisorSpec = self._ask_supervisor(self._supervisor.specification.remote(), ANSWER_WITHIN_S)
        unfit = why_not(now, tree)
        if unfit is not None:
            raise ConfigError(unfit)
        for _, spec in tree.child_specs():
            check_child(spec)
        return plan_reload(now, tree)

    def reload(self, tree: SupervisorSpec, timeout_s: float = ADMINISTER_WITHIN_S) -> ReloadPlan:
        """Makes the running tree what `tree` says, and returns what that changes once it has begun.

        Who goes or is made anew is stopped in reverse order, then who is new or made anew is started in order; a
        start that fails is followed by what the tree says of failed starts.

        Raises:
            ConfigError: as `plan_reload`; nothing was changed.
            TargetUnavailable: no answer within `timeout_s`; it may still be carried out.
        """
        plan = self.plan_reload(tree)
        if plan.changes_nothing:
            return plan
        answer: CallAnswered | None = self._ask_supervisor(
            self._supervisor.administer.remote(ReloadCall(tree=tree), timeout_s), timeout_s + ANSWER_WITHIN_S
        )
        if answer is None or answer.outcome is CallOutcome.NOT_RUNNING:
            raise TargetUnavailable(
                "the tree was not at rest in time" if answer is None else "the tree is not up"
            )
        if answer.outcome is not CallOutcome.OK:
            raise ConfigError(answer.cause)
        return plan

    def which_children(self, supervisor_id: str) -> tuple[ChildEntry, ...] | None:
        """The children of a supervisor in start order; None when it is not up.

        Raises:
            TargetUnavailable: the supervisor actor does not answer.
        """
        found: tuple[ChildEntry, ...] | None = self._ask_supervisor(
            self._supervisor.which_children.remote(supervisor_id), ANSWER_WITHIN_S
        )
        return found

    def count_children(self, supervisor_id: str) -> ChildCounts | None:
        """How many children a supervisor has; None when it is not up.

        Raises:
            TargetUnavailable: the supervisor actor does not answer.
        """
        found: ChildCounts | None = self._ask_supervisor(
            self._supervisor.count_children.remote(supervisor_id), ANSWER_WITHIN_S
        )
        return found

    def stop(self, timeout_s: float = 60.0) -> None:
        """Stops the tree in reverse order, then the spares, then the supervisor; nothing when that is done already.

        What does not end in an orderly way within `timeout_s` is killed. When it returns, the kernel has
        confirmed the end of every process.

        Raises:
            PermanentError: a process could not be ended.
        """
        if self._stopped:
            return
        self._stopping = True
        if not self._ended.is_set():
            try:
                ray.get(self._supervisor.stop.remote(), timeout=ANSWER_WITHIN_S)
            except RayError:
                self._log.warning("supervisor.unreachable")
            else:
                self._wait_ended(timeout_s if ray_failure() is None else min(timeout_s, BROKEN_STOP_WITHIN_S))
        self._end_processes()
        if ray_failure() is None:
            with suppress(RayError):  # a Ray that is gone knows nobody by name
                self._end_unrecorded()
        self._stopped = True

    def _wait_ended(self, timeout_s: float) -> None:
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not self._ended.wait(LOOK_EVERY_S):
            if self._clock.monotonic_s() > deadline_s:
                self._log.error("tree.stop_overdue", timeout_s=timeout_s)
                return

    def _end_processes(self) -> None:
        """Ends who stands by, then the supervisor, so that nothing more is started; then what is recorded."""
        tree = read_tree(self._directory)
        if tree is not None and tree.standby is not None:
            tree.standby.process.kill(END_WITHIN_S)
        self._identity.process.kill(END_WITHIN_S)
        tree = read_tree(self._directory)
        recorded = [view.process for view in tree.processes] if tree is not None else []
        left = kill_all(recorded, timeout_s=END_WITHIN_S, clock=self._clock)
        if left:
            raise PermanentError(f"processes that do not end: {', '.join(str(one.pid) for one in left)}")

    def _end_unrecorded(self) -> None:
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

    # --- the death of the supervisor ---

    def _lifeline_ended(self, outcome: str | None, error: BaseException | None) -> None:
        if error is None:
            if outcome != "stopped":
                self._failed = outcome
            self._ended.set()
            return
        if not self._stopping:
            threading.Thread(target=self._supervisor_lost, args=(error,), name="supervisor-lost").start()

    def _supervisor_lost(self, error: BaseException) -> None:
        is_short = self._clock.monotonic_s() - self._reign_began_s < SHORT_REIGN_S
        self._short_reigns = self._short_reigns + 1 if is_short else 0
        with suppress(PermanentError):  # whoever cannot take over will say so
            state = StateFile(self._directory).read()
            if state is not None and state.ended:
                self._end_as_recorded()
                return
        self._log.warning("supervisor.lost", cause=cause_of(error), short_reigns=self._short_reigns)
        try:
            succeeded = self._short_reigns <= SHORT_REIGNS_MAX and self._follow_successor()
        except RayError:
            self._log.exception("supervisor.not_succeeded")
            succeeded = False
        if succeeded or self._stopping:
            return
        try:
            self._end_processes()
            self._end_unrecorded()
        except (PermanentError, RayError):
            self._log.exception("system.not_ended")
        self._failed = "the supervisor died and nobody took over; every process of the tree was ended"
        self._ended.set()

    def _end_as_recorded(self) -> None:
        """The tree was down already when its supervisor died."""
        last = read_tree(self._directory)
        if last is not None and last.outcome not in {None, "stopped"}:
            self._failed = last.outcome
        try:
            self._end_processes()
            self._end_unrecorded()
        except (PermanentError, RayError):
            self._log.exception("system.not_ended")
        self._ended.set()

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
                _create_supervisor(self._launch, epoch=made, resumes=True)
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
        self._supervisor = supervisor
        self._reign_began_s = self._clock.monotonic_s()
        self._router.point_to(supervisor)
        when_done(supervisor.lifeline.remote(), self._lifeline_ended)
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

    def _ask_supervisor(self, pending: Any, timeout_s: float) -> Any:
        try:
            return ray.get(pending, timeout=timeout_s)
        except RayError as error:  # its timeout is one
            raise TargetUnavailable("the supervisor does not answer") from error

    def _changes(self, *, after_version: int, wait_s: float) -> TreeSnapshot:
        pending = self._supervisor.changes.remote(after_version, wait_s)
        tree: TreeSnapshot = ray.get(pending, timeout=wait_s + ANSWER_WITHIN_S)
        return tree

    def _watch(self, on_progress: Callable[[TreeSnapshot], None]) -> None:
        version = -1
        while not self._ended.is_set() and not self._stopping:
            try:
                tree = self._changes(after_version=version, wait_s=LOOK_EVERY_S)
            except RayError:
                self._ended.wait(LOOK_EVERY_S)
                continue
            if tree.version != version:
                on_progress(tree)
            if tree.root.state == "up" or tree.outcome is not None:
                return
            version = tree.version


def _create_supervisor(launch: Launch, *, epoch: int, resumes: bool = False) -> Any:
    return create_on_node(
        supervisor_actor(),
        supervisor_name(launch.name, epoch),
        namespace=launch.namespace,
        node_id=ray.get_runtime_context().get_node_id(),
        arguments={"launch": launch, "epoch": epoch, "resumes": resumes},
    )


def _check(tree: SupervisorSpec, pool: PoolSpec, halt_hook: str | None) -> None:
    for _, spec in tree.child_specs():
        check_child(spec)
    for name in pool.preload:
        if not is_module(name):
            raise ConfigError(f"preload: there is no module {name!r}")
    if halt_hook is not None:
        load_function(halt_hook)
