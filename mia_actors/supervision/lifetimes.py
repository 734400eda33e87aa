"""Lifetimes of processes of this machine, for whoever waits for their answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mia_actors.supervision.death_watch import DeathWatch
from mia_actors.supervision.processes import ProcessId


class Lifetime:
    """One process, alive until the kernel says otherwise. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._waiting: list[threading.Event] = []

    @property
    def ended(self) -> bool:
        """Whether the kernel has told its end."""
        return self._ended

    @contextmanager
    def sets(self, event: threading.Event) -> Iterator[None]:
        """Sets `event` when the process ends while the block runs, or at once when it has ended already."""
        with self._lock:
            self._waiting.append(event)
            if self._ended:
                event.set()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(event)

    def end(self) -> None:
        """The kernel has told its end."""
        with self._lock:
            self._ended = True
            for event in self._waiting:
                event.set()


class Lifetimes:
    """The lifetimes that anybody in this process asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._living: dict[str, Lifetime] = {}
        self._watch = DeathWatch(self._ended)

    def of(self, process: ProcessId) -> Lifetime:
        """The one of `process`, which is of this machine."""
        name = f"{process.pid}.{process.start_time}"
        with self._lock:
            found = self._living.get(name)
            if found is not None:
                return found
            lifetime = self._living[name] = Lifetime()
        self._watch.add(name, process)
        return lifetime

    def _ended(self, name: str) -> None:
        with self._lock:
            lifetime = self._living.pop(name)
        lifetime.end()
