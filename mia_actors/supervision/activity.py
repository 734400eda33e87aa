"""What a child has in hand, and for how long each of it has not got on. Pure but for the clock and a lock."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mia_actors.core.clock import Clock
from mia_actors.supervision.in_hand import NO_SLOT, InHandFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """The call or loop that has got on least lately."""

    what: str
    for_s: float


NOTHING_IN_HAND = Stall(what="", for_s=0.0)


@dataclass(slots=True)
class _InHand:
    what: str
    since_s: float
    waiting: int = 0
    slot: int = NO_SLOT
    """Where it is noted."""


class Activity:
    """Calls being served and loops being run by the threads of one child. Thread-safe.

    A call gets on when it returns or reports progress, a loop when it reports progress. While a thread waits
    for another child's answer, its time does not count: that child is watched itself, and every such wait has
    a limit of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_thread: dict[int, list[_InHand]] = {}
        self._record: InHandFile | None = None

    def record_in(self, record: InHandFile) -> None:
        """Notes there what is taken in hand from now on."""
        with self._lock:
            self._record = record

    @contextmanager
    def doing(self, what: str, *, noted_as: str = "", is_input: bool = False) -> Iterator[None]:
        """Runs its block as something this thread has in hand, noted as `what` unless another name is given."""
        thread, item = threading.get_ident(), _InHand(what, self._clock.monotonic_s())
        with self._lock:
            self._by_thread.setdefault(thread, []).append(item)
            if self._record is not None:
                item.slot = self._record.take(noted_as or what, is_input=is_input)
        try:
            yield
        finally:
            with self._lock:
                items = self._by_thread[thread]
                items.remove(item)
                if self._record is not None:
                    self._record.release(item.slot)
                if items:
                    items[-1].since_s = self._clock.monotonic_s()
                else:
                    del self._by_thread[thread]

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Runs its block as a wait for somebody else, by whatever this thread has in hand."""
        items = self._by_thread.get(threading.get_ident())
        if not items:
            yield
            return
        with self._lock:
            items[-1].waiting += 1
        try:
            yield
        finally:
            with self._lock:
                items[-1].waiting -= 1
                items[-1].since_s = self._clock.monotonic_s()

    def progress(self) -> None:
        """What this thread has in hand has got on."""
        items = self._by_thread.get(threading.get_ident())
        if items:
            with self._lock:
                items[-1].since_s = self._clock.monotonic_s()

    def stall(self) -> Stall:
        """What has not got on for longest."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            newest = [items[-1] for items in self._by_thread.values() if not items[-1].waiting]
            if not newest:
                return NOTHING_IN_HAND
            oldest = min(newest, key=lambda item: item.since_s)
            return Stall(what=oldest.what, for_s=max(0.0, now_s - oldest.since_s))
