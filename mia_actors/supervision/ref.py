"""How children and drivers ask a child by name, across its deaths.

A caller learns of the death of whom it asks from the kernel where both are on one machine, some ten milliseconds
before Ray tells it.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayTaskError

from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError, TargetUnavailable
from mia_actors.supervision.lifetimes import Lifetime, Lifetimes
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

QUICK_S = 0.005
"""Ray's own wait is the cheapest, but hears of a death late: it is used as long as most answers take."""


class Router(Protocol):
    """Whoever knows where children live: the supervisor."""

    def resolve(self, child_id: str, newer_than: int, timeout_s: float, *, early: bool) -> Resolution:
        """The incarnation after `newer_than`, waited for at most `timeout_s`; `early` also while it starts."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    host: Any
    incarnation: int
    lifetime: Lifetime | None
    """Of its process, where that is on this machine."""


@cache
def _lifetimes() -> Lifetimes:
    """Those that refs of this process watch."""
    return Lifetimes()


@cache
def _own_node() -> str:
    return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else ""


def _lifetime_of(found: Resolution) -> Lifetime | None:
    """None where only Ray can tell of a death."""
    if found.process is None or not found.node_id or found.node_id != _own_node():
        return None
    return _lifetimes().of(found.process)


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

        `fresh` asks the supervisor even where a handle is known, and waits until the child has started;
        otherwise it is asked while it starts, and answers as soon as it can.
        """
        known = self._target
        if known is not None and known.incarnation > newer_than and not fresh:
            return known
        found = self._router.resolve(self.child_id, newer_than, wait_s, early=not fresh)
        if found.whereabouts in {Whereabouts.UP, Whereabouts.STARTING}:
            self._target = _Target(
                host=found.host, incarnation=found.incarnation, lifetime=_lifetime_of(found)
            )
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
        self._args = packed(args)
        self._repeatable = repeatable
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        self._carrier = current_carrier()
        self._pending: Any = None
        self._lifetime: Lifetime | None = None
        self._tried = 0  # the incarnation the call was last sent to

    def send(self, *, wait_s: float) -> None:
        """Sends the call if the child is up within `wait_s`."""
        target = self._ref.find(newer_than=self._tried, fresh=not self._repeatable, wait_s=wait_s)
        if target is not None:
            self._tried, self._lifetime = target.incarnation, target.lifetime
            sent_s = None if target.lifetime is None else self._ref.now_s()
            call = Call(method=self._method, args=self._args, carrier=self._carrier, sent_s=sent_s)
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
            data = self._data(timeout_s)
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
        if data is None:
            return None
        reply: Reply = unpacked(data)
        return reply

    def _data(self, timeout_s: float) -> bytes | None:
        """The packed reply; None when the kernel told of the target's death first and the call is repeatable.

        Raises:
            GetTimeoutError: there is none yet.
            ActorDiedError, ActorUnavailableError, RayTaskError: as Ray has it.
        """
        lifetime = self._lifetime
        if lifetime is None or not self._repeatable:
            return self._got(timeout_s)
        if timeout_s > QUICK_S:
            with suppress(GetTimeoutError):
                return self._got(QUICK_S)
        settled = threading.Event()
        with lifetime.sets(settled):
            self._pending.future().add_done_callback(lambda _: settled.set())
            settled.wait(max(0.0, timeout_s - QUICK_S))
        return None if lifetime.ended else self._got(0)

    def _got(self, timeout_s: float) -> bytes:
        data: bytes = ray.get(self._pending, timeout=timeout_s)
        return data
