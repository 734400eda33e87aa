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
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.ray_runtime import ray_failure
from mia_actors.supervision.ref import Ref
from mia_actors.supervision.reign import ANSWER_WITHIN_S, LOOK_EVERY_S, Reign, create_supervisor
from mia_actors.supervision.reload import ReloadPlan, plan_reload, why_not
from mia_actors.supervision.router import SupervisorRouter
from mia_actors.supervision.snapshot import TreeSnapshot, read_tree
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.telemetry.logs import get_logger

CREATE_WITHIN_S = 60.0
ADMINISTER_WITHIN_S = 60.0
BROKEN_STOP_WITHIN_S = 3.0
"""An orderly stop may take this long when Ray is broken: a few seconds later Ray ends every process of its own."""


class System:
    """A running tree. Its supervisor may die: the one that stands by takes over, or a new one that is made here.

    When that fails, every process of the tree is ended and `failed` says so.
    """

    def __init__(self, launch: Launch, supervisor: Any, identity: HostIdentity) -> None:
        self._router = SupervisorRouter(supervisor)
        self._directory = Path(launch.directory)
        self._clock: Clock = SystemClock()
        self._reign = Reign(launch, supervisor, identity, router=self._router, clock=self._clock)
        self._log = get_logger(actor="system")
        self._stopping = False
        self._stopped = False

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
        supervisor = create_supervisor(launch, epoch=1)
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
        return self._reign.failed or ray_failure()

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
                self._reign.ended.wait(LOOK_EVERY_S)
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
        """Sends a signal to a child's process, as chaos would; it was sent when this returns, or is on its way.

        The latter where the child is on another node.

        Raises:
            TargetUnavailable: the child has no process now.
        """
        sent = ray.get(self._reign.supervisor.kill.remote(child_id, signal_number), timeout=ANSWER_WITHIN_S)
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
            self._reign.supervisor.administer.remote(call, timeout_s), timeout_s + ANSWER_WITHIN_S
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
        now: SupervisorSpec = self._ask_supervisor(
            self._reign.supervisor.specification.remote(), ANSWER_WITHIN_S
        )
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
            self._reign.supervisor.administer.remote(ReloadCall(tree=tree), timeout_s),
            timeout_s + ANSWER_WITHIN_S,
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
            self._reign.supervisor.which_children.remote(supervisor_id), ANSWER_WITHIN_S
        )
        return found

    def count_children(self, supervisor_id: str) -> ChildCounts | None:
        """How many children a supervisor has; None when it is not up.

        Raises:
            TargetUnavailable: the supervisor actor does not answer.
        """
        found: ChildCounts | None = self._ask_supervisor(
            self._reign.supervisor.count_children.remote(supervisor_id), ANSWER_WITHIN_S
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
        self._reign.expect_end()
        if not self._reign.ended.is_set():
            try:
                ray.get(self._reign.supervisor.stop.remote(), timeout=ANSWER_WITHIN_S)
            except RayError:
                self._log.warning("supervisor.unreachable")
            else:
                self._wait_ended(timeout_s if ray_failure() is None else min(timeout_s, BROKEN_STOP_WITHIN_S))
        self._reign.end_processes()
        if ray_failure() is None:
            with suppress(RayError):  # a Ray that is gone knows nobody by name
                self._reign.end_unrecorded()
        self._stopped = True

    def _wait_ended(self, timeout_s: float) -> None:
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not self._reign.ended.wait(LOOK_EVERY_S):
            if self._clock.monotonic_s() > deadline_s:
                self._log.error("tree.stop_overdue", timeout_s=timeout_s)
                return

    def _ask_supervisor(self, pending: Any, timeout_s: float) -> Any:
        try:
            return ray.get(pending, timeout=timeout_s)
        except RayError as error:  # its timeout is one
            raise TargetUnavailable("the supervisor does not answer") from error

    def _changes(self, *, after_version: int, wait_s: float) -> TreeSnapshot:
        pending = self._reign.supervisor.changes.remote(after_version, wait_s)
        tree: TreeSnapshot = ray.get(pending, timeout=wait_s + ANSWER_WITHIN_S)
        return tree

    def _watch(self, on_progress: Callable[[TreeSnapshot], None]) -> None:
        version = -1
        while not self._reign.ended.is_set() and not self._stopping:
            try:
                tree = self._changes(after_version=version, wait_s=LOOK_EVERY_S)
            except RayError:
                self._reign.ended.wait(LOOK_EVERY_S)
                continue
            if tree.version != version:
                on_progress(tree)
            if tree.root.state == "up" or tree.outcome is not None:
                return
            version = tree.version


def _check(tree: SupervisorSpec, pool: PoolSpec, halt_hook: str | None) -> None:
    for _, spec in tree.child_specs():
        check_child(spec)
    for name in pool.preload:
        if not is_module(name):
            raise ConfigError(f"preload: there is no module {name!r}")
    for name in pool.idle_nodes(spec.node for _, spec in tree.child_specs()):
        raise ConfigError(f"nodes: no child runs on node {name!r}; allowed: nodes that children name")
    if halt_hook is not None:
        load_function(halt_hook)
