"""Deaths of processes on this machine, told by the kernel within a fraction of a millisecond.

Ray tells of them too, some ten milliseconds later, and is the only one to tell of other machines.
"""

import os
import select
import threading
from collections.abc import Callable

from mia_actors.supervision.processes import ProcessId


class DeathWatch:
    """Tells once of each process given to it. `tell` is called in its thread, or at once for the dead."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._poll = select.epoll()
        self._lock = threading.Lock()
        self._names: dict[int, str] = {}
        threading.Thread(target=self._run, name="deaths", daemon=True).start()

    def add(self, name: str, process: ProcessId) -> None:
        """Will tell `name` when this very process has ended."""
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            self._tell(name)
            return
        if not process.alive():  # the pid is somebody else's by now
            os.close(handle)
            self._tell(name)
            return
        with self._lock:
            self._names[handle] = name
            self._poll.register(handle, select.EPOLLIN | select.EPOLLONESHOT)

    def _run(self) -> None:
        while True:
            for handle, _ in self._poll.poll():
                with self._lock:
                    name = self._names.pop(handle)
                    self._poll.unregister(handle)
                os.close(handle)
                self._tell(name)
