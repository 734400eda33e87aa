"""Writes the event log and the tree file in a thread of its own: a slow disk delays no restart.

No event is lost with a supervisor that is killed: each is in the journal before `put` returns, and whoever
records next writes into the log what is missing there.
"""

import queue
import sqlite3
import threading
from pathlib import Path

from mia_actors.supervision.event_journal import EventJournal
from mia_actors.supervision.event_log import EventLog, LoggedEvent
from mia_actors.supervision.snapshot import TreeSnapshot, write_tree
from mia_actors.telemetry.logs import get_logger

CLOSE_WITHIN_S = 10.0
GATHER_S = 0.02
"""What comes within it is written at once, when whoever waits for a restarted child has been served."""


class Recorder:
    """Takes events and snapshots in order; of several snapshots waiting only the newest is written."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._log = EventLog(directory)
        self._journal = EventJournal(directory)
        self._log.complete(list(self._journal.events()))
        self._queue: queue.SimpleQueue[tuple[int, LoggedEvent] | TreeSnapshot | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        """Keeps the journal's order where calls put events too."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, item: LoggedEvent | TreeSnapshot) -> None:
        """Will be on disk soon, and outlives this process from now on; waits for no disk. Nothing after `close`."""
        if self._closing.is_set():
            return
        if isinstance(item, LoggedEvent):
            with self._lock:
                self._queue.put((self._journal.append(item), item))
        else:
            self._queue.put(item)

    def close(self) -> None:
        """Everything put before is on disk when it returns."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(CLOSE_WITHIN_S)

    def _run(self) -> None:
        open_to_more = True
        while open_to_more:
            items = [self._queue.get()]
            if items != [None]:
                self._closing.wait(GATHER_S)
            while not self._queue.empty():
                items.append(self._queue.get())
            open_to_more = None not in items
            snapshots = [item for item in items if isinstance(item, TreeSnapshot)]
            events = [item for item in items if isinstance(item, tuple)]
            try:
                if snapshots:
                    write_tree(self._directory, snapshots[-1])
                if events:
                    self._log.complete(events)
            except (OSError, sqlite3.Error):
                # The record is for people; the children are worth more than it.
                get_logger(actor="supervisor").exception("recorder.write_failed", events_lost=len(events))
        self._log.close()
        self._journal.close()
