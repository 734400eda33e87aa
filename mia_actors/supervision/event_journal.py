"""Events that are about to go into the event log, a line each: the log is written later, and its writer may die before.

A line outlives the process that wrote it, not the machine. One that was cut short never was.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from io import BufferedRandom
from pathlib import Path

from mia_actors.supervision.event_log import LoggedEvent

JOURNAL_FILE = "supervision_events.jsonl"


class EventJournal:
    """The journal of one session. Used by one thread; a later supervisor goes on with it."""

    def __init__(self, directory: Path) -> None:
        path = directory / JOURNAL_FILE
        path.touch()
        self._file: BufferedRandom = path.open("r+b")
        self._last = 0
        for number, _ in self.events():
            self._last = number
        self._file.truncate(self._whole)
        self._file.seek(self._whole)

    def events(self) -> Iterator[tuple[int, LoggedEvent]]:
        """Everything in it with its numbers, from 1 on."""
        self._file.seek(0)
        self._whole = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                return
            fields = json.loads(line)
            self._whole += len(line)
            yield fields.pop("number"), LoggedEvent(**fields)

    def append(self, event: LoggedEvent) -> int:
        """With the kernel when it returns; the number of the event."""
        self._last += 1
        self._file.write(json.dumps({"number": self._last, **asdict(event)}).encode() + b"\n")
        self._file.flush()
        return self._last

    def close(self) -> None:
        """Nothing may be appended after it."""
        self._file.close()
