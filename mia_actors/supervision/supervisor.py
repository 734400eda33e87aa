"""The supervisor actor: runs the tree's state machine over real processes.

Guarantees:

* A child's successor is started only after the kernel has confirmed the end of its process.
* Deaths are noticed by lifelines, never by polling; a spare takes over, and is made up for in the background.
* Every change is in the event log and in the tree file, in order, without delaying a restart.
* When the tree is down, for whatever reason, no host of the session is left.
* An error in the supervisor itself ends it at once.
* A second supervisor stands by. When the first one dies, or gives no sign of life and is killed for it, the
  second takes over under a higher epoch: it reads what was written down ahead, adopts the children that
  serve without disturbing them, ends and restarts the others, and has another one stand by. Hosts obey no
  lower epoch than they have heard of.

One thread owns the machine and the fleet and takes one message after the other; the actor's calls only put
messages in and wait for what comes of them.
"""

import heapq
import itertools
import math
import os
import queue
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import ray

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import InvariantViolated, TransientError
from mia_actors.supervision.activity import Stall
from mia_actors.supervision.administration import ChildCounts, ChildEntry
from mia_actors.supervision.child import load_function
from mia_actors.supervision.conductor import Conductor
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import Call, CallAnswered, CallHalt, HaltHandled, ReloadCall, StopTree
from mia_actors.supervision.fleet import Fleet
from mia_actors.supervision.found_hosts import find_hosts
from mia_actors.supervision.hang_watch import Hang
from mia_actors.supervision.host import EXIT_CODE_CRASH, LOG_FOLDER
from mia_actors.supervision.inbox import Launch, Message
from mia_actors.supervision.messages import HostIdentity, Resolution, Search, Whereabouts
from mia_actors.supervision.news import HostHung
from mia_actors.supervision.processes import own_process
from mia_actors.supervision.pulse import PulseAddress, PulseReceiver
from mia_actors.supervision.ray_actors import unrestarted_actor
from mia_actors.supervision.recorder import Recorder
from mia_actors.supervision.site import OwnSite
from mia_actors.supervision.sites import sites_of_ray
from mia_actors.supervision.snapshot import TreeSnapshot, read_tree
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.succession import (
    PREDECESSOR,
    PredecessorWatch,
    Successor,
    last_identities,
    supervisor_name,
)
from mia_actors.supervision.tree_state import StateFile, TreeState
from mia_actors.supervision.views import root_view, snapshot_of
from mia_actors.telemetry.logs import configure_logging, get_logger

LIFELINE_CALLS = 4
CONTROL_CALLS = 8
RESOLVE_CALLS = 64
"""Callers that may wait for a child at a time; each waits a short time only and asks again."""
HALT_WITHIN_S = 10.0
"""The halt hook has this long; then the tree is stopped without its answer."""
TAKEN_OVER = "supervisor.taken_over"
PUBLISH_AFTER_S = 0.02
"""The tree is for people; whoever waits for the restarted child comes first."""
LOOK_EVERY_S = 1.0
"""Without messages the restarts in their windows are counted anew this often."""


class Supervisor:
    """See the module. One actor for the whole tree; nested supervisors are nodes, not processes."""

    def __init__(self, launch: Launch, *, epoch: int, predecessor: Any = None, resumes: bool = False) -> None:
        """Stands by as long as `predecessor` lives, if one is given, and then takes over.

        `resumes` takes over at once where everybody has died.
        """
        self._launch = launch
        self._epoch = epoch
        self._clock = SystemClock()
        directory = Path(launch.directory)
        self._directory = directory
        configure_logging(directory=directory / LOG_FOLDER, process=f"supervisor-{epoch}")
        sys.path += [entry for entry in launch.search_path if entry not in sys.path]
        self._log = get_logger(actor="supervisor", epoch=epoch)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Message]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        """Guards the conductor and the snapshot."""
        self._done = threading.Event()
        self._active = threading.Event()
        self._answers: dict[int, CallAnswered | None] = {}
        """By the number of the call; None as long as its caller waits."""
        self._snapshot: TreeSnapshot | None = None
        self._version = 0
        self._conductor_made: Conductor | None = None
        self._recorder_made: Recorder | None = None
        self._state = StateFile(directory)
        self._pulses = PulseReceiver(self._clock, self._tell_of_hang)
        self._turned_s = self._clock.monotonic_s()
        self._publish_s = math.inf
        """When the tree is to be shown as it is now."""
        self._successor = Successor(launch, epoch=epoch, actor=supervisor_actor)
        context = ray.get_runtime_context()
        self._handle = context.current_actor
        self._identity = HostIdentity(
            host_id=supervisor_name(launch.name, epoch),
            process=own_process(),
            node_id=context.get_node_id(),
            child_id=None,
            incarnation=0,
            initialised=True,
        )
        if predecessor is not None:
            self._watch_predecessor = PredecessorWatch(
                predecessor, self._pulses, take_over=lambda: self._activate(resumes=True), leave=self._leave
            )
        else:
            self._activate(resumes=resumes)

    @ray.method(concurrency_group="control")
    def pulse_address(self) -> PulseAddress:
        """Where this one hears who lives."""
        return self._pulses.address

    @ray.method(concurrency_group="control")
    def await_active(self, timeout_s: float) -> bool:
        """Whether it is the one that runs the tree; waits at most `timeout_s` for that."""
        return self._active.wait(timeout_s)

    @ray.method(concurrency_group="lifeline")
    def lifeline(self) -> str:
        """Returns once the tree is down and no host is left: the outcome."""
        self._done.wait()
        return self._seen().outcome or ""

    @ray.method(concurrency_group="control")
    def identity(self) -> HostIdentity:
        """Who this is."""
        return self._identity

    @ray.method(concurrency_group="control")
    def stop(self) -> None:
        """Begins to stop the tree; `lifeline` returns when it is down."""
        self._inbox.put(StopTree())

    @ray.method(concurrency_group="control")
    def kill(self, child_id: str, signal_number: int) -> bool:
        """Sends a signal to a child's process as if it came from outside; False when it has none."""
        with self._changed:
            return self._conductor.kill(child_id, signal_number)

    @ray.method(concurrency_group="control")
    def changes(self, after_version: int, timeout_s: float) -> TreeSnapshot:
        """The tree as soon as it is newer than `after_version`, or as it is after `timeout_s`."""
        with self._changed:
            if self._publish_s < math.inf:
                self._publish()
            self._changed.wait_for(lambda: self._version > after_version, timeout_s)
        return self._seen()

    @ray.method(concurrency_group="control")
    def administer(self, call: Call | ReloadCall, timeout_s: float) -> CallAnswered | None:
        """Makes a call on the tree; None when the answer is not known after `timeout_s`, and never will be."""
        number = next(self._numbers)
        with self._changed:
            self._answers[number] = None
            self._inbox.put(replace(call, call_id=number))
            self._changed.wait_for(
                lambda: self._answers[number] is not None or self._done.is_set(), timeout_s
            )
            return self._answers.pop(number)

    @ray.method(concurrency_group="control")
    def which_children(self, supervisor_id: str) -> tuple[ChildEntry, ...] | None:
        """The children of a supervisor in start order; None when it is not up."""
        with self._changed:
            return self._conductor.machine.which_children(supervisor_id)

    @ray.method(concurrency_group="control")
    def count_children(self, supervisor_id: str) -> ChildCounts | None:
        """How many children a supervisor has; None when it is not up."""
        with self._changed:
            return self._conductor.machine.count_children(supervisor_id)

    @ray.method(concurrency_group="control")
    def specification(self) -> SupervisorSpec:
        """The tree as it is specified now."""
        with self._changed:
            return self._conductor.machine.spec

    @ray.method(concurrency_group="resolve")
    def resolve(self, search: Search, timeout_s: float) -> Resolution:
        """Where a child lives; waits at most `timeout_s` for one that will do."""
        found = Resolution(whereabouts=Whereabouts.COMING)

        def is_settled() -> bool:
            nonlocal found
            found = self._conductor.resolve(search)
            return found.whereabouts is not Whereabouts.COMING

        with self._changed:
            self._changed.wait_for(is_settled, timeout_s)
        return found

    # --- becoming the one ---

    def _activate(self, *, resumes: bool) -> None:
        threading.Thread(target=self._guarded, args=(resumes,), name="supervision", daemon=True).start()

    def _leave(self) -> NoReturn:
        """The tree came to its end without this one."""
        os._exit(0)

    def _tell_of_hang(self, hang: Hang) -> None:
        if hang.host_id == PREDECESSOR:
            self._watch_predecessor.kill(hang.cause)
        else:
            self._inbox.put(HostHung(host_id=hang.host_id, cause=hang.cause))

    def _conduct(self, state: TreeState | None) -> Conductor:
        clock, tell = self._clock, self._inbox.put
        own = OwnSite(self._identity.node_id, self._pulses, clock=clock, tell=tell)
        return Conductor(
            self._launch,
            epoch=self._epoch,
            state=state,
            write_ahead=self._state.write,
            fleet=Fleet(
                prefix=self._launch.name,
                epoch=self._epoch,
                namespace=self._launch.namespace,
                sites=sites_of_ray(self._launch, own, epoch=self._epoch, clock=clock, tell=tell),
                preload=self._launch.pool.preload,
                search_path=self._launch.search_path,
                supervisor=self._handle,
                clock=clock,
                tell=tell,
            ),
            clock=clock,
            post=self._post,
            record=self._recorder.put,
            call_halt=self._call_halt,
            answer=self._keep_answer,
        )

    def _begin(self) -> None:
        self._recorder_made = Recorder(self._directory)
        self._conductor_made = self._conduct(None)
        self._state.write(self._conductor.machine.state(epoch=self._epoch))
        self._conductor.begin()

    def _take_over(self) -> None:
        began_s = self._clock.monotonic_s()
        state, last = self._state.read(), read_tree(self._directory)
        if state is None:
            raise InvariantViolated("there is no tree to take over")
        if state.ended:
            self._leave()
        self._recorder_made = Recorder(self._directory)
        self._version = last.version if last is not None else 0
        self._conductor_made = self._conduct(state)
        self._state.write(state.model_copy(update={"epoch": self._epoch}))
        known = last_identities(last) if last is not None else {}
        found = find_hosts(self._launch.name, self._launch.namespace, known)
        self._conductor.take_over(found, stopping=state.stopping, reload=state.reload)
        took_ms = round((self._clock.monotonic_s() - began_s) * 1000, 3)
        self._recorder.put(
            LoggedEvent(
                time_ns=self._clock.now_ns(),
                node=self._launch.tree.id,
                incarnation=self._epoch,
                event=TAKEN_OVER,
                cause=f"epoch {state.epoch} died; {len(self._conductor.casting.playing)} children adopted",
                pid=self._identity.process.pid,
                start_ms=took_ms,
            )
        )

    @property
    def _conductor(self) -> Conductor:
        if self._conductor_made is None:
            raise TransientError("this supervisor stands by")
        return self._conductor_made

    @property
    def _recorder(self) -> Recorder:
        if self._recorder_made is None:
            raise TransientError("this supervisor stands by")
        return self._recorder_made

    # --- the thread that owns the tree ---

    def _guarded(self, resumes: bool) -> None:  # noqa: FBT001 - a thread's target
        try:
            self._run(resumes=resumes)
        except BaseException:  # noqa: BLE001 - whatever it is, its successor starts from what is written down
            self._log.exception("supervisor.crashed")
            if self._recorder_made is not None:
                self._recorder_made.close()
            os._exit(EXIT_CODE_CRASH)

    def _run(self, *, resumes: bool) -> None:
        with self._changed:
            if resumes:
                self._take_over()
            else:
                self._begin()
        self._active.set()
        self._publish()
        self._successor.begin(self._handle, self._turned)
        while not self._conductor.finished:
            message = self._next()
            self._turned_s = self._clock.monotonic_s()
            if message is not None:
                with self._changed:
                    self._conductor.take(message)
                    self._changed.notify_all()
                self._publish_s = min(self._publish_s, self._turned_s + PUBLISH_AFTER_S)
            if self._turned_s >= self._publish_s or (message is None and self._is_outdated()):
                self._publish()
        self._successor.end()
        self._conductor.fleet.sites.leave()
        self._publish()
        self._recorder.close()
        with self._changed:
            self._done.set()
            self._changed.notify_all()

    def _turned(self) -> Stall:
        """For how long the loop that owns the tree has not turned."""
        return Stall(what="its loop", for_s=self._clock.monotonic_s() - self._turned_s)

    def _keep_answer(self, answer: CallAnswered) -> None:
        if answer.call_id in self._answers:  # its caller still waits
            self._answers[answer.call_id] = answer

    def _next(self) -> Message | None:
        """The next message or due timer; None after a while without any."""
        now_s = self._clock.monotonic_s()
        wait_s = min(LOOK_EVERY_S, max(0.0, self._publish_s - now_s))
        if self._timers:
            wait_s = min(wait_s, self._timers[0][0] - now_s)
            if wait_s <= 0 and self._timers[0][0] <= now_s:
                return heapq.heappop(self._timers)[2]
        try:
            return self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _post(self, message: Message, after_s: float) -> None:
        due_s = self._clock.monotonic_s() + after_s
        heapq.heappush(self._timers, (due_s, next(self._numbers), message))

    def _is_outdated(self) -> bool:
        """Whether something changed without a message: restarts leave their window, who stands by comes and goes."""
        seen, root = self._snapshot, root_view(self._conductor, self._clock.monotonic_s())
        return seen is None or seen.root != root or seen.standby != self._successor.view()

    def _publish(self) -> None:
        with self._changed:
            self._publish_s = math.inf
            self._version += 1
            self._snapshot = self._look()
            self._changed.notify_all()
            self._recorder.put(self._snapshot)

    def _look(self) -> TreeSnapshot:
        return snapshot_of(
            self._conductor,
            version=self._version,
            time_ns=self._clock.now_ns(),
            now_s=self._clock.monotonic_s(),
            namespace=self._launch.namespace,
            supervisor=self._identity,
            epoch=self._epoch,
            standby=self._successor.view(),
        )

    def _seen(self) -> TreeSnapshot:
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot is not None)
            if self._snapshot is None:
                raise RuntimeError("waited for a snapshot and there is none")
            return self._snapshot

    # --- the halt hook ---

    def _call_halt(self, effect: CallHalt) -> None:
        """Runs the hook beside everything else; the tree waits for it, but not longer than its time."""
        handled = HaltHandled(supervisor_id=effect.supervisor_id)
        self._post(handled, HALT_WITHIN_S)

        def call() -> None:
            try:
                if self._launch.halt_hook is not None:
                    load_function(self._launch.halt_hook)(effect.cause, self._launch.session)
            except Exception as error:  # noqa: BLE001 - the tree is stopped with or without the hook
                self._log.exception("halt_hook.failed", hook=self._launch.halt_hook)
                self._recorder.put(
                    LoggedEvent(
                        time_ns=self._clock.now_ns(),
                        node=effect.supervisor_id,
                        incarnation=0,
                        event="supervision.halt_hook_failed",
                        cause=f"{type(error).__name__}: {error}",
                    )
                )
            finally:
                self._inbox.put(handled)

        threading.Thread(target=call, name="halt-hook", daemon=True).start()


def supervisor_actor() -> Any:
    """The Ray actor class of the supervisor."""
    return unrestarted_actor(
        Supervisor, {"lifeline": LIFELINE_CALLS, "control": CONTROL_CALLS, "resolve": RESOLVE_CALLS}
    )
