"""The durable event log: who died, why, what was done about it and how long each part took."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

EVENTS_FILE = "supervision.db"
BUSY_TIMEOUT_S = 5.0
PHASES = ("detect", "decide", "spawn", "promote", "import", "construct", "start", "armed")
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  number INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, node TEXT NOT NULL, incarnation INTEGER NOT NULL,
  event TEXT NOT NULL, reason TEXT NOT NULL, cause TEXT NOT NULL, traceback TEXT NOT NULL,
  pid INTEGER NOT NULL, detect_ms REAL, decide_ms REAL, spawn_ms REAL, promote_ms REAL, import_ms REAL,
  construct_ms REAL, start_ms REAL, armed_ms REAL, in_hand TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """One fact of the tree. Durations are None where they do not apply or cannot be known."""

    time_ns: int
    node: str
    incarnation: int
    event: str
    reason: str = ""
    cause: str = ""
    traceback: str = ""
    pid: int = 0
    detect_ms: float | None = None
    """From a kill this supervisor carried out to its notice of the death."""
    decide_ms: float | None = None
    """From the notice of the death to the decision to start, burial of the old process included."""
    spawn_ms: float | None = None
    """From the decision to start to a new process that answers; None where a spare was there."""
    promote_ms: float | None = None
    """From then, or from the decision, to a process that has its part."""
    import_ms: float | None = None
    """To its class being imported, its logs and traces set up."""
    construct_ms: float | None = None
    """To its object having been made."""
    start_ms: float | None = None
    """What the child itself took to start."""
    armed_ms: float | None = None
    """From its start to its being armed."""
    in_hand: str = ""
    """The calls and loops a process had in hand when it died; an input with its digest where it has one."""

    @property
    def phases(self) -> tuple[tuple[str, float], ...]:
        """What is known of how long each phase took, in order, by name."""
        known = ((name, getattr(self, f"{name}_ms")) for name in PHASES)
        return tuple((name, took_ms) for name, took_ms in known if took_ms is not None)


COLUMNS = ", ".join(field.name for field in fields(LoggedEvent))
PLACES = ", ".join("?" for _ in fields(LoggedEvent))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection, connection:
        yield connection


class EventLog:
    """The log of one session, written by its supervisor only."""

    def __init__(self, directory: Path) -> None:
        self._connection = sqlite3.connect(
            directory / EVENTS_FILE, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        with self._connection:
            self._connection.execute(SCHEMA)

    def append(self, events: Iterable[LoggedEvent]) -> None:
        """On disk when it returns."""
        with self._connection:
            self._connection.executemany(
                f"INSERT INTO events ({COLUMNS}) VALUES ({PLACES})",  # noqa: S608 - names of our own fields
                [astuple(event) for event in events],
            )

    def complete(self, events: Iterable[tuple[int, LoggedEvent]]) -> None:
        """Writes those of these numbered events that are not there yet; on disk when it returns."""
        with self._connection:
            self._connection.executemany(
                f"INSERT OR IGNORE INTO events (number, {COLUMNS}) VALUES (?, {PLACES})",  # noqa: S608 - as above
                [(number, *astuple(event)) for number, event in events],
            )

    def close(self) -> None:
        """Nothing may be appended after it."""
        self._connection.close()


def read_events(
    directory: Path, *, after: int = 0, limit: int = 10_000
) -> tuple[tuple[int, LoggedEvent], ...]:
    """Numbered events of a session, oldest first; `after` is the last number already seen."""
    path = directory / EVENTS_FILE
    if not path.exists():
        return ()
    with _opened(path) as connection:
        there = {row[1] for row in connection.execute("PRAGMA table_info(events)")}
        names = [field.name for field in fields(LoggedEvent) if field.name in there]  # older logs have fewer
        columns = ", ".join(["number", *names])
        sql = f"SELECT {columns} FROM events WHERE number > ? ORDER BY number LIMIT ?"  # noqa: S608 - as above
        rows = connection.execute(sql, (after, limit)).fetchall()
    return tuple((row[0], LoggedEvent(**dict(zip(names, row[1:], strict=True)))) for row in rows)
