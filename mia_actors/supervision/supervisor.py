"""The supervisor actor: runs the tree's state machine over real processes.

Guarantees:

* A child's successor is started only after the kernel has confirmed the end of its process.
* Deaths are noticed by lifelines, never by polling; a spare takes over, and is made up for in the background.
* Every change is in the event log and in the tree file, in order, without delaying a restart.
* When the tree is down, for whatever reason, no host of the session is left.
* An error in the supervisor itself ends it at once; whoever started it notices and ends what it left.

One thread owns the machine and the fleet and takes one message after the other; the actor's calls only put
messages in and wait for what comes of them.
"""

import heapq
import itertools
import os
import queue
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.administration import ChildCounts, ChildEntry
from mia_actors.supervision.child import load_function
from mia_actors.supervision.conductor import Conductor
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import Call, CallAnswered, CallHalt, HaltHandled, StopTree
from mia_actors.supervision.fleet import Fleet, HostHung
from mia_actors.supervision.hang_watch import Hang
from mia_actors.supervision.host import EXIT_CODE_CRASH, LOG_FOLDER
from mia_actors.supervision.inbox import Launch, Message
from mia_actors.supervision.messages import HostIdentity, Resolution, Whereabouts
from mia_actors.supervision.processes import boot_id, own_process
from mia_actors.supervision.pulse import PulseReceiver
from mia_actors.supervision.ray_actors import unrestarted_actor
from mia_actors.supervision.recorder import Recorder
from mia_actors.supervision.snapshot import SupervisorView, TreeSnapshot
from mia_actors.supervision.views import process_view, view_of
from mia_actors.telemetry.logs import configure_logging, get_logger

LIFELINE_CALLS = 4
CONTROL_CALLS = 8
RESOLVE_CALLS = 64
"""Callers that may wait for a child at a time; each waits a short time only and asks again."""
HALT_WITHIN_S = 10.0
"""The halt hook has this long; then the tree is stopped without its answer."""
LOOK_EVERY_S = 1.0
"""Without messages the restarts in their windows are counted anew this often."""


class Supervisor:
    """See the module. One actor for the whole tree; nested supervisors are nodes, not processes."""

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._clock = SystemClock()
        directory = Path(launch.directory)
        configure_logging(directory=directory / LOG_FOLDER, process="supervisor")
        sys.path += [entry for entry in launch.search_path if entry not in sys.path]
        self._log = get_logger(actor="supervisor")
        self._recorder = Recorder(directory)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, Message]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        """Guards the conductor and the snapshot."""
        self._done = threading.Event()
        self._answers: dict[int, CallAnswered | None] = {}
        """By the number of the call; None as long as its caller waits."""
        self._snapshot: TreeSnapshot | None = None
        self._version = 0
        context = ray.get_runtime_context()
        self._identity = HostIdentity(
            host_id=launch.name,
            process=own_process(),
            node_id=context.get_node_id(),
            child_id=None,
            incarnation=0,
            initialised=True,
        )
        pulses = PulseReceiver(self._clock, self._tell_of_hang)
        self._conductor = Conductor(
            launch,
            fleet=Fleet(
                prefix=f"{launch.name}-host",
                namespace=launch.namespace,
                node_id=self._identity.node_id,
                preload=launch.pool.preload,
                search_path=launch.search_path,
                supervisor=context.current_actor,
                pulses=pulses.address,
                clock=self._clock,
                tell=self._inbox.put,
            ),
            clock=self._clock,
            post=self._post,
            record=self._recorder.put,
            call_halt=self._call_halt,
            answer=self._keep_answer,
            watch=pulses,
        )
        threading.Thread(target=self._guarded, name="supervision", daemon=True).start()

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
            self._changed.wait_for(lambda: self._version > after_version, timeout_s)
        return self._seen()

    @ray.method(concurrency_group="control")
    def administer(self, call: Call, timeout_s: float) -> CallAnswered | None:
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

    @ray.method(concurrency_group="resolve")
    def resolve(self, child_id: str, newer_than: int, timeout_s: float) -> Resolution:
        """Where a child lives; waits at most `timeout_s` for an incarnation after `newer_than`."""
        found = Resolution(whereabouts=Whereabouts.COMING)

        def is_settled() -> bool:
            nonlocal found
            found = self._conductor.resolve(child_id, newer_than)
            return found.whereabouts is not Whereabouts.COMING

        with self._changed:
            self._changed.wait_for(is_settled, timeout_s)
        return found

    # --- the thread that owns the tree ---

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException:  # noqa: BLE001 - whatever it is, a tree without its supervisor must not run on
            self._log.exception("supervisor.crashed")
            self._recorder.close()
            os._exit(EXIT_CODE_CRASH)

    def _run(self) -> None:
        with self._changed:
            self._conductor.begin()
        self._publish()
        while not self._conductor.finished:
            message = self._next()
            if message is not None:
                with self._changed:
                    self._conductor.take(message)
                    self._changed.notify_all()
            if self._inbox.empty() and (message is not None or self._is_outdated()):
                self._publish()
        self._publish()
        self._recorder.close()
        with self._changed:
            self._done.set()
            self._changed.notify_all()

    def _tell_of_hang(self, hang: Hang) -> None:
        self._inbox.put(HostHung(host_id=hang.host_id, cause=hang.cause))

    def _keep_answer(self, answer: CallAnswered) -> None:
        if answer.call_id in self._answers:  # its caller still waits
            self._answers[answer.call_id] = answer

    def _next(self) -> Message | None:
        """The next message or due timer; None after a while without any."""
        wait_s = LOOK_EVERY_S
        if self._timers:
            wait_s = min(wait_s, self._timers[0][0] - self._clock.monotonic_s())
            if wait_s <= 0:
                return heapq.heappop(self._timers)[2]
        try:
            return self._inbox.get(timeout=wait_s)
        except queue.Empty:
            return None

    def _post(self, message: Message, after_s: float) -> None:
        due_s = self._clock.monotonic_s() + after_s
        heapq.heappush(self._timers, (due_s, next(self._numbers), message))

    def _view(self) -> SupervisorView:
        conductor = self._conductor
        return view_of(conductor.machine.root, conductor.playing, self._clock.monotonic_s())

    def _is_outdated(self) -> bool:
        """Whether time alone changed something: restarts leave their window."""
        return self._snapshot is None or self._snapshot.root != self._view()

    def _publish(self) -> None:
        conductor, outcome = self._conductor, self._conductor.machine.outcome
        said = None
        if outcome is not None:
            said = f"gave up: {outcome.cause}" if outcome.gave_up else "stopped"
        with self._changed:
            self._version += 1
            self._snapshot = TreeSnapshot(
                version=self._version,
                time_ns=self._clock.now_ns(),
                boot_id=boot_id(),
                namespace=self._launch.namespace,
                supervisor=process_view(self._identity),
                root=self._view(),
                spares=tuple(
                    process_view(host.identity)
                    for host in conductor.fleet.spares()
                    if host.identity is not None
                ),
                hosts_coming=conductor.fleet.coming(),
                halt_requested=conductor.halt_requested,
                outcome=said,
            )
            self._changed.notify_all()
        self._recorder.put(self._snapshot)

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
