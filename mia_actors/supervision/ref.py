"""How children and drivers ask a child by name, across its deaths."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayTaskError

from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError, TargetUnavailable
from mia_actors.supervision.messages import (
    Call,
    Reply,
    ReplyStatus,
    Resolution,
    Whereabouts,
    packed,
    unpacked,
)
from mia_actors.telemetry.tracing import current_carrier

RESOLVE_SLICE_S = 2.0
"""Longest wait in the supervisor for one question where a child is; asked again until the caller's limit."""
RESOLVE_GRACE_S = 5.0
"""Beyond its own wait the supervisor must answer within this."""


class Router(Protocol):
    """Whoever knows where children live: the supervisor."""

    def resolve(self, child_id: str, newer_than: int, timeout_s: float) -> Resolution:
        """The incarnation after `newer_than`, waited for at most `timeout_s`."""
        ...


class SupervisorRouter:
    """Asks the supervisor actor, and after its death its successor, once it is told of it. Thread-safe."""

    def __init__(self, supervisor: Any) -> None:
        self._supervisor = supervisor
        self._changed = threading.Condition()

    def point_to(self, supervisor: Any) -> None:
        """From now on this one is asked."""
        with self._changed:
            self._supervisor = supervisor
            self._changed.notify_all()

    def resolve(self, child_id: str, newer_than: int, timeout_s: float) -> Resolution:
        """See `Router`; while there is no supervisor to ask, no child is known to be up."""
        wait_s = min(timeout_s, RESOLVE_SLICE_S)
        supervisor = self._supervisor
        try:
            answer: Resolution = ray.get(
                supervisor.resolve.remote(child_id, newer_than, wait_s), timeout=wait_s + RESOLVE_GRACE_S
            )
        except (ActorDiedError, ActorUnavailableError, GetTimeoutError):
            with self._changed:
                self._changed.wait_for(lambda: self._supervisor is not supervisor, wait_s)
            return Resolution(whereabouts=Whereabouts.COMING)
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    host: Any
    incarnation: int


class Ref:
    """A child by name. Thread-safe; one may be shared by all threads of a process."""

    def __init__(
        self,
        child_id: str,
        *,
        router: Router,
        clock: Clock,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """Enters `waiting()` while it blocks for somebody's answer."""
        self.child_id = child_id
        self.waiting = waiting
        self._router = router
        self._clock = clock
        self._target: _Target | None = None

    def ask(self, method: str, *args: Any, timeout_s: float = 30.0, repeatable: bool = True) -> Any:
        """Calls `method` of the child and waits for its answer.

        When the target dies, a repeatable call waits for the next incarnation and is made again; one that is
        not repeatable is made at most once, after a round trip to the supervisor to learn who lives.

        Raises:
            TargetUnavailable: no answer within `timeout_s`, the child is down for good, or it died after a
                call that must not be repeated was sent.
            ConfigError: the tree has no such child.
            MiaError: whatever error of ours the method raised, as itself.
            ray.exceptions.RayTaskError: the method raised anything else.
        """
        return self.ask_soon(method, *args, timeout_s=timeout_s, repeatable=repeatable).result()

    def ask_soon(self, method: str, *args: Any, timeout_s: float = 30.0, repeatable: bool = True) -> "Answer":
        """Sends the call and returns at once; `Answer.result` has the semantics of `ask`."""
        answer = Answer(
            self,
            method=method,
            args=args,
            repeatable=repeatable,
            timeout_s=timeout_s,
            deadline_s=self._clock.monotonic_s() + timeout_s,
        )
        answer.send(wait_s=0.0)
        return answer

    def find(self, *, newer_than: int, fresh: bool, wait_s: float) -> _Target | None:
        """The living incarnation after `newer_than`; None when there is none yet after `wait_s`.

        `fresh` asks the supervisor even where a handle is known.
        """
        known = self._target
        if known is not None and known.incarnation > newer_than and not fresh:
            return known
        found = self._router.resolve(self.child_id, newer_than, wait_s)
        if found.whereabouts is Whereabouts.UP:
            self._target = _Target(host=found.host, incarnation=found.incarnation)
            return self._target
        if found.whereabouts is Whereabouts.GONE:
            raise TargetUnavailable(f"{self.child_id} is down and nothing will start it")
        if found.whereabouts is Whereabouts.UNKNOWN:
            raise ConfigError(f"the tree has no child {self.child_id!r}")
        return None

    def now_s(self) -> float:
        """The clock deadlines are counted on."""
        return self._clock.monotonic_s()


class Answer:
    """The answer to come of one call."""

    def __init__(
        self,
        ref: Ref,
        *,
        method: str,
        args: tuple[Any, ...],
        repeatable: bool,
        timeout_s: float,
        deadline_s: float,
    ) -> None:
        self._ref = ref
        self._method = method
        self._args = args
        self._repeatable = repeatable
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._carrier = current_carrier()
        self._pending: Any = None
        self._tried = 0  # the incarnation the call was last sent to

    def send(self, *, wait_s: float) -> None:
        """Sends the call if the child is up within `wait_s`."""
        target = self._ref.find(newer_than=self._tried, fresh=not self._repeatable, wait_s=wait_s)
        if target is not None:
            self._tried = target.incarnation
            call = Call(method=self._method, args=self._args, carrier=self._carrier, sent_s=self._ref.now_s())
            self._pending = target.host.work.remote(packed(call))

    def result(self) -> Any:
        """Waits for the answer; see `Ref.ask`. Call it once."""
        with self._ref.waiting():
            return self._awaited()

    def _awaited(self) -> Any:
        while True:
            remaining_s = self._deadline_s - self._ref.now_s()
            if self._pending is None:
                if remaining_s <= 0:
                    raise TargetUnavailable(f"{self._ref.child_id} was not up within {self._timeout_s:g} s")
                self.send(wait_s=remaining_s)
                continue
            reply = self._received(max(0.0, remaining_s))
            if reply is None or reply.status is ReplyStatus.CLOSED:
                self._pending = None
            elif reply.error is not None:
                raise reply.error
            else:
                return reply.value

    def _received(self, timeout_s: float) -> Reply | None:
        """The reply; None when the target died and the call may be made again."""
        try:
            reply: Reply = unpacked(ray.get(self._pending, timeout=timeout_s))
        except RayTaskError:  # may pose as any error the method raised, those below included
            raise
        except GetTimeoutError as error:
            raise TargetUnavailable(
                f"{self._ref.child_id}.{self._method} gave no answer within {self._timeout_s:g} s"
            ) from error
        except (ActorDiedError, ActorUnavailableError) as error:
            if self._repeatable:
                if isinstance(error, ActorUnavailableError):
                    self._tried -= 1  # it may still live: the same incarnation may be asked again
                return None
            raise TargetUnavailable(
                f"{self._ref.child_id} died during {self._method}; not known whether it was carried out"
            ) from error
        return reply
