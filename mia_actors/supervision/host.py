"""ChildHost: the one Ray actor in which any child lives.

Its calls run in three lanes that do not wait for each other: `lifeline` (one call that ends with the
process: the death watch), `control` (become, stop, identity) and `work` (the child's own methods). A host
plays one part in its life; one that has none yet is a spare: it has imported what it may need and waits.
"""

import faulthandler
import gc
import importlib
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import ray

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import InputQuarantined, InvariantViolated, MiaError, PermanentError
from mia_actors.supervision.activity import Activity
from mia_actors.supervision.child import (
    RESERVED_METHODS,
    ChildContext,
    Declined,
    load_class,
    parse_settings,
    settings_model,
)
from mia_actors.supervision.in_hand import InHandFile, in_hand_path
from mia_actors.supervision.inputs import Spool, input_of
from mia_actors.supervision.messages import (
    Assignment,
    Became,
    Call,
    HostIdentity,
    Reply,
    ReplyStatus,
    StartFailed,
    packed,
    unpacked,
)
from mia_actors.supervision.processes import STACKS_SIGNAL, own_process
from mia_actors.supervision.pulse import PulseAddress, PulseSender
from mia_actors.supervision.ray_actors import unrestarted_actor
from mia_actors.supervision.raylet_watch import end_with_raylet
from mia_actors.supervision.ref import Ref, Router
from mia_actors.supervision.router import SupervisorRouter
from mia_actors.telemetry.conventions import CHILD, INCARNATION, METHOD, QUEUE_MS
from mia_actors.telemetry.logs import configure_logging, get_logger
from mia_actors.telemetry.tracing import (
    CONSUMER,
    AttributeValue,
    common_resource,
    configure_tracing,
    flush_tracing,
    span,
)

LIFELINE_CALLS = 32
"""Two for each supervisor there has been."""
CONTROL_CALLS = 4
WORK_CALLS = 32
"""Calls a host accepts at a time; the child's `work_threads` says how many of them it serves at a time."""
PART_WITHIN_S = 1.0
"""A call may come before the part it is for; its supervisor may die before it says which."""
EXIT_CODE_CRASH = 70
TRACE_FILE = "traces.db"
LOG_FOLDER = "logs"
CLOSED = Reply(status=ReplyStatus.CLOSED)


def last_words_path(directory: Path, child_id: str, incarnation: int) -> Path:
    """Where a child that ends itself leaves its traceback."""
    return directory / LOG_FOLDER / f"{child_id}-{incarnation}.traceback"


class _Part:
    """A child in its host: the object, its slots, and how it ends."""

    def __init__(
        self,
        assignment: Assignment,
        *,
        router: Router,
        activity: Activity,
        finish: Callable[[], None],
        arm: Callable[[], None],
    ) -> None:
        self.assignment = assignment
        self.closing = False
        self._clock = SystemClock()
        self._activity = activity
        self._router = router
        self._refs: dict[str, Ref] = {}
        self._refused = frozenset(assignment.quarantined)
        self._spool = (
            Spool(Path(assignment.directory), assignment.child_id, assignment.incarnation)
            if assignment.keeps_inputs
            else None
        )
        self._log = get_logger(actor=assignment.child_id, incarnation=assignment.incarnation)
        child_class = load_class(assignment.run)
        self.imported_s = self._clock.monotonic_s()
        settings = parse_settings(settings_model(child_class), assignment.settings)
        context = ChildContext(
            child_id=assignment.child_id,
            incarnation=assignment.incarnation,
            session=assignment.session,
            clock=self._clock,
            refs=self._ref,
            activity=activity,
            finish=finish,
            arm=arm,
            crash=self.crash,
        )
        self.child: Any = child_class(settings, context)
        self._slots = threading.Semaphore(getattr(child_class, "work_threads", 1))

    def _ref(self, child_id: str) -> Ref:
        found = self._refs.get(child_id)
        if found is None:
            found = self._refs[child_id] = Ref(
                child_id, router=self._router, clock=self._clock, waiting=self._activity.waiting
            )
        return found

    def answer(self, call: Call) -> Reply:
        """Carries out one call in one of the child's slots."""
        method = call.method
        function = (
            None
            if method.startswith("_") or method in RESERVED_METHODS
            else getattr(self.child, method, None)
        )
        if not callable(function):
            error = PermanentError(f"{self.assignment.child_id} has no method {method!r} that can be asked")
            return Reply(status=ReplyStatus.RAISED, error=error)
        with self._slots:
            if self.closing:
                return CLOSED
            try:
                if not call.carrier:
                    return self._carry_out(function, call)
                attributes: dict[str, AttributeValue] = {
                    CHILD: self.assignment.child_id,
                    INCARNATION: self.assignment.incarnation,
                    METHOD: method,
                }
                if call.sent_s is not None:
                    attributes[QUEUE_MS] = round((self._clock.monotonic_s() - call.sent_s) * 1000, 3)
                with span(f"serve {method}", kind=CONSUMER, attributes=attributes, parent=call.carrier):
                    return self._carry_out(function, call)
            except MiaError as error:
                return Reply(status=ReplyStatus.RAISED, error=_portable(error, self.assignment))
            except Exception:
                self._log.exception("child.call_failed", method=method)
                raise

    def _carry_out(self, function: Callable[..., Any], call: Call) -> Reply:
        if self._spool is None:
            with self._activity.doing(call.method):
                return self._done(function, call)
        name = input_of(call.method, call.args)
        if name in self._refused:
            raise InputQuarantined(f"{self.assignment.child_id} died of {name} too often and refuses it")
        with (
            self._spool.keeping(call.method, call.args),
            self._activity.doing(call.method, noted_as=name, is_input=True),
        ):
            return self._done(function, call)

    def _done(self, function: Callable[..., Any], call: Call) -> Reply:
        try:
            return Reply(status=ReplyStatus.DONE, value=function(*unpacked(call.args)))
        except InvariantViolated as error:
            self.crash(error)  # here, where the call is still noted as in hand

    def crash(self, error: BaseException) -> NoReturn:
        """Leaves the traceback where the supervisor finds it, then ends the process at once."""
        text = "".join(traceback.format_exception(error))
        path = last_words_path(
            Path(self.assignment.directory), self.assignment.child_id, self.assignment.incarnation
        )
        try:
            path.write_text(text, encoding="utf-8")
            self._log.error("child.crashed", error=repr(error), traceback=text)
        finally:
            os._exit(EXIT_CODE_CRASH)

    def thread_died(
        self, kind: type[BaseException], error: BaseException | None, _: TracebackType | None = None
    ) -> None:
        """A thread of the child that ends by an exception takes the process along: half a child is worse."""
        if kind is not SystemExit:
            self.crash(error if error is not None else kind())


class ChildHost:
    """See the module. Named and detached, it outlives whoever created it."""

    def __init__(
        self,
        *,
        host_id: str,
        preload: Sequence[str],
        search_path: Sequence[str],
        supervisor: Any,
        pulses: PulseAddress,
        place: str | None,
    ) -> None:
        self._host_id = host_id
        self._place = place
        if place is not None:
            end_with_raylet()
        self._router = SupervisorRouter(supervisor)
        self._clock = SystemClock()
        self._activity = Activity(self._clock)
        self._finished = threading.Event()
        self._armed = threading.Event()
        self._armed_s = 0.0
        self._part: _Part | None = None
        self._served = threading.Condition()
        """Guards `_serving`; told when the part is up, or never will be."""
        self._serving = False
        self._epoch = 0
        sys.path += [entry for entry in search_path if entry not in sys.path]
        gc.disable()  # what is imported stays: a collection would look at all of it in vain, here and later
        for name in preload:
            importlib.import_module(name)
        common_resource()
        gc.freeze()
        gc.enable()
        self._pulse = PulseSender(host_id, pulses, self._activity.stall)

    @ray.method(concurrency_group="lifeline")
    def lifeline(self) -> None:
        """Returns when the child has finished in an orderly way, and otherwise never."""
        self._finished.wait()
        flush_tracing()

    @ray.method(concurrency_group="lifeline")
    def await_armed(self) -> float:
        """Returns when the child says that it is armed: the moment, on the machine-wide monotonic clock."""
        self._armed.wait()
        return self._armed_s

    def _arm(self) -> None:
        if not self._armed.is_set():
            self._armed_s = self._clock.monotonic_s()
            self._armed.set()

    @ray.method(concurrency_group="control")
    def identity(self) -> HostIdentity:
        """Who this is."""
        part = self._part
        return HostIdentity(
            host_id=self._host_id,
            process=own_process(),
            node_id=ray.get_runtime_context().get_node_id(),
            child_id=part.assignment.child_id if part else None,
            incarnation=part.assignment.incarnation if part else 0,
            initialised=self._serving and part is not None and not part.closing,
            place=self._place,
        )

    @ray.method(concurrency_group="control")
    def follow(self, supervisor: Any, pulses: PulseAddress | None, epoch: int) -> None:
        """Obeys a supervisor's successor from now on, and nobody before it; `pulses` is None if nobody hears them."""
        self._heed(epoch)
        self._router.point_to(supervisor)
        if pulses is not None:
            self._pulse.point_to(pulses)

    def _heed(self, epoch: int) -> None:
        if epoch < self._epoch:
            raise RuntimeError(f"{self._host_id} obeys supervisor epoch {self._epoch}, not {epoch}")
        self._epoch = epoch

    @ray.method(concurrency_group="control")
    def become(self, part: bytes) -> Became | StartFailed:
        """Takes a packed `Assignment`, builds and starts the child; the host is of no use when that fails."""
        assignment: Assignment = unpacked(part)
        self._heed(assignment.epoch)
        received_s = self._clock.monotonic_s()
        directory = Path(assignment.directory)
        configure_logging(directory=directory / LOG_FOLDER, process=assignment.child_id)
        configure_tracing(
            service=assignment.child_id,
            store=directory / TRACE_FILE,
            resource={INCARNATION: str(assignment.incarnation)},
        )
        _dump_stacks_on_signal(last_words_path(directory, assignment.child_id, assignment.incarnation))
        self._note_in_hand(in_hand_path(directory / LOG_FOLDER, assignment.child_id, assignment.incarnation))
        try:
            playing = _Part(
                assignment,
                router=self._router,
                activity=self._activity,
                finish=self._finished.set,
                arm=self._arm,
            )
            constructed_s = self._clock.monotonic_s()
            with self._served:
                self._part = playing
                self._served.notify_all()
            threading.excepthook = lambda died: playing.thread_died(died.exc_type, died.exc_value)
            playing.child.start()
        except Declined as declined:
            return StartFailed(cause=str(declined), traceback="", declined=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor decides
            get_logger(actor=assignment.child_id).exception("child.start_failed")
            return StartFailed(cause=_summary(error), traceback=traceback.format_exc())
        with self._served:
            self._serving = True
            self._served.notify_all()
        return Became(
            received_s=received_s,
            imported_s=playing.imported_s,
            constructed_s=constructed_s,
            started_s=self._clock.monotonic_s(),
        )

    def _note_in_hand(self, path: Path) -> None:
        try:
            self._activity.record_in(InHandFile(path))
        except OSError as error:  # the child is worth more than the record
            get_logger(actor=self._host_id).warning("in_hand.not_noted", error=str(error))

    @ray.method(concurrency_group="control")
    def stop(self, epoch: int) -> str:
        """Takes no more work and lets the child drain, if the supervisor of that epoch may ask for it.

        Returns:
            What went wrong while it stopped; empty when nothing did.
        """
        self._heed(epoch)
        part = self._part
        if part is None:
            return ""
        with self._served:
            part.closing = True
            self._served.notify_all()
        try:
            part.child.stop()
        except Exception as error:  # noqa: BLE001 - it is being ended either way
            get_logger(actor=part.assignment.child_id).exception("child.stop_failed")
            return _summary(error)
        finally:
            flush_tracing()
        return ""

    @ray.method(concurrency_group="work")
    def work(self, call: bytes) -> bytes:
        """Calls a public method of the child; takes a packed `Call`, returns a packed `Reply`.

        Made while the child starts, it waits for that. An error of ours comes back inside the reply; any other
        exception is the caller's RayTaskError; a violated invariant ends this process.
        """
        part = self._part if self._serving else self._started()
        if part is None or part.closing:
            return packed(CLOSED)
        return packed(part.answer(unpacked(call)))

    def _started(self) -> _Part | None:
        """The part once it serves or closes; None when nobody gave it one for `PART_WITHIN_S`.

        A start has a limit of its own, at which the supervisor ends this process.
        """
        with self._served:
            self._served.wait_for(lambda: self._part is not None, PART_WITHIN_S)
            self._served.wait_for(lambda: self._part is None or self._serving or self._part.closing)
            return self._part


def _dump_stacks_on_signal(path: Path) -> None:
    """`STACKS_SIGNAL` leaves what every thread is doing where the supervisor looks, also while the GIL is held."""
    faulthandler.register(STACKS_SIGNAL, file=path.open("w", encoding="utf-8"), all_threads=True)


def _summary(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _portable(error: MiaError, assignment: Assignment) -> Exception:
    """As it may travel: the traceback as a note; the nearest class of ours if it cannot be pickled."""
    note = f"in {assignment.child_id}, incarnation {assignment.incarnation}:\n{traceback.format_exc()}"
    error.add_note(note)
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - made one expression earlier
    except Exception:  # noqa: BLE001 - whatever its own pickling raises
        plain_class = next(kind for kind in type(error).__mro__ if kind.__module__ == MiaError.__module__)
        plain: Exception = plain_class(_summary(error))
        plain.add_note(note)
        return plain
    return error


def host_actor() -> Any:
    """The Ray actor class of hosts."""
    return unrestarted_actor(
        ChildHost, {"lifeline": LIFELINE_CALLS, "control": CONTROL_CALLS, "work": WORK_CALLS}
    )
