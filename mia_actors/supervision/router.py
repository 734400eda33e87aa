"""The way from a ref to the supervisor, and to the hosts it names.

The first call of an actor by a process takes Ray some three milliseconds more than the next ones: it gets the
handle and connects. So whoever asks where a child lives is told of the spares too, one of which comes next, and
gets acquainted with them while nobody waits.
"""

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError

from mia_actors.supervision.messages import Resolution, Search, Whereabouts

RESOLVE_SLICE_S = 2.0
"""Longest wait in the supervisor for one question where a child is; asked again until the caller's limit."""
RESOLVE_GRACE_S = 5.0
"""Beyond its own wait the supervisor must answer within this."""
ACQUAINTANCES_MAX = 16
"""Spares a process remembers; the oldest are gone by then."""


class SupervisorRouter:
    """Asks the supervisor actor, and after its death its successor, once it is told of it. Thread-safe."""

    def __init__(self, supervisor: Any) -> None:
        self._supervisor = supervisor
        self._changed = threading.Condition()
        """Guards the acquaintances too."""
        self._acquaintances: OrderedDict[str, Any] = OrderedDict()
        """Handles of spares by host id."""

    def point_to(self, supervisor: Any) -> None:
        """From now on this one is asked."""
        with self._changed:
            self._supervisor = supervisor
            self._changed.notify_all()

    def resolve(self, child_id: str, newer_than: int, timeout_s: float, *, early: bool) -> Resolution:
        """See `Router`; while there is no supervisor to ask, no child is known to be up."""
        wait_s = min(timeout_s, RESOLVE_SLICE_S)
        with self._changed:
            supervisor, known = self._supervisor, frozenset(self._acquaintances)
        search = Search(child_id=child_id, newer_than=newer_than, early=early, known=known)
        try:
            pending = supervisor.resolve.remote(search, wait_s)
            answer: Resolution = ray.get(pending, timeout=wait_s + RESOLVE_GRACE_S)
        except (ActorDiedError, ActorUnavailableError, GetTimeoutError):
            with self._changed:
                self._changed.wait_for(lambda: self._supervisor is not supervisor, wait_s)
            return Resolution(whereabouts=Whereabouts.COMING)
        return self._with_handle(answer)

    def _with_handle(self, answer: Resolution) -> Resolution:
        """Puts in the handle that the supervisor left out because it is here; makes new acquaintances."""
        with self._changed:
            acquainted = self._acquaintances.pop(answer.host_id, None)
            for host_id, handle in answer.spares.items():
                self._acquaintances[host_id] = handle
                handle.identity.remote()
            while len(self._acquaintances) > ACQUAINTANCES_MAX:
                self._acquaintances.popitem(last=False)
        if answer.host_id and answer.host is None:
            if acquainted is None:  # another thread of this process was given it
                return Resolution(whereabouts=Whereabouts.COMING)
            return replace(answer, host=acquainted)
        return answer
