"""The latch: `guardian.db` in the state directory, where a halt outlives every process.

Every write that matters is one transaction with fsync (synchronous=FULL): SQLite's journal makes it either
whole or absent after a kill at any instruction, and it is committed before anything is announced or done.
A file that cannot be read means halted.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mia_actors.core.codec import from_json, to_json
from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.core.ledger import LedgerOrder
from mia_actors.core.orders import OrderSpec, OrderState
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.permits import GUARDIAN_LIFE, Standing, executors_fact, executors_of
from mia_actors.store.sqlite import open_database, transaction

GUARDIAN_FILE = "guardian.db"
MADE_FILE = GUARDIAN_FILE + ".made"
"""Stays when the store is lost: a store that is gone may have been halted."""
LOCK_FILE = GUARDIAN_FILE + ".lock"
NEW_FILE = GUARDIAN_FILE + ".new"
STORE_LENGTH_MIN = 512
"""Bytes; SQLite has no smaller page, and takes a shorter file for a database nobody has written to."""
ROOM_BYTES = 1 << 20
"""Length of the log."""
LOG_PAGES_MAX = 200
"""It is written back and begun anew after so many pages of 4 KiB: they fit into its length."""
SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS latch (
  id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL,
  at_ns INTEGER NOT NULL, is_flat INTEGER NOT NULL, outcome TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS history (
  id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS requests (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL, at_ns INTEGER NOT NULL,
  handled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS offsets (
  session_id TEXT NOT NULL, order_ref TEXT NOT NULL, spec TEXT NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (session_id, order_ref)
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
INSERT OR IGNORE INTO latch VALUES (1, 'active', '', '', 0, 1, '');
INSERT OR IGNORE INTO facts VALUES ('epoch', '0');
"""
READ = """
SELECT state, reason, who, at_ns, is_flat, outcome,
  (SELECT COALESCE(MAX(id), 0) FROM history), (SELECT COALESCE(MAX(id), 0) FROM requests) FROM latch
"""
STANDING = """
SELECT state, reason, (SELECT value FROM facts WHERE name = 'epoch'), (SELECT value FROM facts WHERE name = ?),
  (SELECT value FROM facts WHERE name = ?), EXISTS (SELECT 1 FROM requests WHERE handled = 0) FROM latch
"""
NEXT_EPOCH = "UPDATE facts SET value = CAST(value AS INTEGER) + 1 WHERE name = 'epoch'"
DOWNWARDS = (TradingState.ACTIVE, TradingState.REDUCE_ONLY, TradingState.HALTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latched:
    """The latch as it stands on disk."""

    state: TradingState
    reason: str
    who: str
    at_ns: int
    is_flat: bool
    """Flat and empty were confirmed twice since it was set."""
    outcome: str
    """FLAT, or NOT FLAT with numbers, or what is being done."""
    number: int = field(default=0, compare=False)
    """Grows with every lowering and release: tells this halt from the next one."""
    requests: int = field(default=0, compare=False)
    """Number of the newest request; a later one was not seen with this look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A person's word, written by the command line."""

    request_id: int
    kind: str
    """`halt` or `flatten`."""
    reason: str
    who: str


class Latch:
    """The guardian's own store. Thread-safe; several processes may hold it open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, state_dir: Path) -> "Latch":
        """Opens or creates the store.

        Raises:
            ConfigError: it cannot be read or written; whoever asked must take that for a halt.
        """
        path = state_dir / GUARDIAN_FILE
        try:
            _ensure_made(path)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be made ({error.strerror}); check the disk and the directory"
            ) from error
        return cls(open_database(path, schema_version=SCHEMA_VERSION, schema=SCHEMA, durable=True))

    @staticmethod
    def was_made(state_dir: Path) -> bool:
        """Whether there is a store, or was one; only where there never was may a reader take it for active."""
        return (state_dir / GUARDIAN_FILE).exists() or (state_dir / MADE_FILE).exists()

    def read(self) -> Latched:
        """The latch now.

        Raises:
            ConfigError: the store is damaged.
        """
        try:
            row = self._query(READ, ())[0]
            return Latched(
                state=TradingState(row[0]),
                reason=row[1],
                who=row[2],
                at_ns=row[3],
                is_flat=bool(row[4]),
                outcome=row[5],
                number=row[6],
                requests=row[7],
            )
        except (sqlite3.DatabaseError, PermanentError, IndexError, ValueError) as error:
            raise ConfigError(f"{GUARDIAN_FILE} is damaged ({error}): that means halted") from error

    def lower(self, state: TradingState, *, reason: str, who: str, at_ns: int) -> bool:
        """Commits a lower state, never a higher one; returns whether anything changed. The epoch grows."""
        if not _is_lower(state, self.read()):  # without the write lock: a limit says it again at every bar
            return False
        with self._changing():
            if not _is_lower(state, self.read()):  # another process may have come first
                return False
            self._connection.execute(
                "UPDATE latch SET state = ?, reason = ?, who = ?, at_ns = ?, is_flat = 0, outcome = 'acting'",
                (state.value, reason, who, at_ns),
            )
            self._connection.execute(
                "INSERT INTO history (at_ns, who, what, reason) VALUES (?, ?, ?, ?)",
                (at_ns, who, state.value, reason),
            )
            self._connection.execute(NEXT_EPOCH)
        return True

    def release(self, seen: Latched, *, reason: str, who: str, at_ns: int) -> bool:
        """A person's resume of the very latch in `seen`: back to active, with its requests taken as handled.

        Returns:
            False, and nothing changed: something was lowered, asked for or found after that look.
        """
        with self._changing():
            now = self.read()
            if now != seen or (now.number, now.requests) != (seen.number, seen.requests):
                return False
            self._connection.execute(
                "UPDATE latch SET state = 'active', reason = ?, who = ?, at_ns = ?, is_flat = 1, outcome = ''",
                (reason, who, at_ns),
            )
            self._connection.execute(
                "INSERT INTO history (at_ns, who, what, reason) VALUES (?, ?, 'resume', ?)",
                (at_ns, who, reason),
            )
            self._connection.execute("UPDATE requests SET handled = 1")
        return True

    def note_outcome(self, *, is_flat: bool, outcome: str, of: Latched | None = None) -> None:
        """How far the acting is; with `of`, unless another halt or a release came since that look."""
        with self._changing():
            seen = self.read()
            if seen.state is TradingState.ACTIVE or (of is not None and seen.number != of.number):
                return
            if (seen.is_flat, seen.outcome) != (is_flat, outcome):
                self._connection.execute("UPDATE latch SET is_flat = ?, outcome = ?", (int(is_flat), outcome))

    def next_epoch(self) -> int:
        """A number higher than any before; every guardian incarnation takes one."""
        with self._changing():
            self._connection.execute(NEXT_EPOCH)
            return self.epoch()

    def epoch(self) -> int:
        """The present epoch."""
        return int(self._query("SELECT value FROM facts WHERE name = 'epoch'", ())[0][0])

    def standing(self, session_id: str) -> Standing:
        """Everything a grant of a permit depends on, in one look.

        Raises:
            ConfigError: the store is damaged.
        """
        try:
            row = self._query(STANDING, (GUARDIAN_LIFE, executors_fact(session_id)))[0]
            return Standing(
                state=TradingState(row[0]),
                reason=row[1],
                epoch=int(row[2]),
                life=int(row[3] or 0),
                executors=executors_of(row[4]),
                requests_open=bool(row[5]),
            )
        except (sqlite3.DatabaseError, PermanentError, IndexError, TypeError, ValueError) as error:
            raise ConfigError(f"{GUARDIAN_FILE} is damaged ({error}): that means halted") from error

    def ask(self, kind: str, *, reason: str, who: str, at_ns: int) -> int:
        """Writes a person's request; returns its number."""
        sql = "INSERT INTO requests (kind, reason, who, at_ns) VALUES (?, ?, ?, ?)"
        self._transact(sql, (kind, reason, who, at_ns))
        return int(self._query("SELECT MAX(id) FROM requests", ())[0][0])

    def open_requests(self) -> tuple[Request, ...]:
        """Requests nobody has handled, oldest first."""
        rows = self._query("SELECT id, kind, reason, who FROM requests WHERE handled = 0 ORDER BY id", ())
        return tuple(Request(request_id=row[0], kind=row[1], reason=row[2], who=row[3]) for row in rows)

    def handled(self, request_id: int) -> None:
        """Marks a request as taken."""
        self._transact("UPDATE requests SET handled = 1 WHERE id = ?", (request_id,))

    def intend_offset(self, session_id: str, spec: OrderSpec, *, after: int) -> bool:
        """Commits the intent to send an offsetting order, before it is sent.

        Args:
            session_id: Whose ledger it belongs to.
            spec: The order.
            after: `offset_count` from before the position was read.

        Returns:
            False, and nothing written: another one, of whatever process, came after that or is not settled yet.
        """
        with self._changing():
            if self.offset_count() != after or self.live_offset() is not None:
                return False
            self._connection.execute(
                "INSERT INTO offsets VALUES (?, ?, ?, ?)",
                (session_id, spec.order_ref, to_json(spec), OrderState.INTENDED.value),
            )
        return True

    def offset_count(self) -> int:
        """Offsetting orders ever intended, of all sessions."""
        return int(self._query("SELECT COUNT(*) FROM offsets", ())[0][0])

    def live_offset(self) -> tuple[str, OrderSpec] | None:
        """The offsetting order, with its session, that may still do something; there is never a second one."""
        rows = self._query("SELECT session_id, spec, state FROM offsets ORDER BY rowid DESC", ())
        for session_id, spec, state in rows:
            if not OrderState(state).is_final:
                return session_id, from_json(OrderSpec, spec)
        return None

    def note_offset(self, session_id: str, order_ref: str, state: OrderState) -> None:
        """What the broker says of an offsetting order; EXPIRED for one that never arrived."""
        sql = "UPDATE offsets SET state = ? WHERE session_id = ? AND order_ref = ?"
        self._transact(sql, (state.value, session_id, order_ref))

    def offsets(self, session_id: str) -> tuple[LedgerOrder, ...]:
        """Offsetting orders of a session, oldest first."""
        rows = self._query(
            "SELECT spec, state FROM offsets WHERE session_id = ? ORDER BY rowid", (session_id,)
        )
        return tuple(LedgerOrder(spec=from_json(OrderSpec, row[0]), state=OrderState(row[1])) for row in rows)

    def fact(self, name: str) -> str | None:
        """A small fact, such as the starting equity of a session or the last heartbeat."""
        rows = self._query("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def note_fact(self, name: str, value: str, *, once: bool = False) -> None:
        """Stores a fact; `once` keeps the first value."""
        sql = f"INSERT OR {'IGNORE' if once else 'REPLACE'} INTO facts VALUES (?, ?)"  # noqa: S608
        self._transact(sql, (name, value))

    def make_room(self) -> None:
        """Gives the log a length that it keeps: a commit that need not lengthen a file waits for the disk alone.

        One that must also waits for the file system's own records, behind everybody else who writes to that disk.
        """
        self._query(f"PRAGMA wal_autocheckpoint = {LOG_PAGES_MAX}", ())
        (main,) = (row[2] for row in self._query("PRAGMA database_list", ()) if row[1] == "main")
        log = Path(main + "-wal")
        if log.exists() and log.stat().st_size >= ROOM_BYTES:
            return
        self._transact("INSERT OR REPLACE INTO facts VALUES ('room', zeroblob(?))", (ROOM_BYTES,))
        self._query("PRAGMA wal_checkpoint(RESTART)", ())

    def close(self) -> None:
        """Releases the database."""
        with self._lock:
            self._connection.close()

    def _query(self, sql: str, parameters: tuple[str | int, ...]) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction, closed to other threads and processes from its first read on."""
        with self._lock, transaction(self._connection):
            yield

    def _transact(self, sql: str, parameters: tuple[str | int, ...] = ()) -> None:
        with self._changing():
            self._connection.execute(sql, parameters)


def _ensure_made(path: Path) -> None:
    """Makes a store that never was, whole or not at all; refuses one that was lost or emptied.

    Raises:
        ConfigError: lost or emptied.
        OSError: it cannot be made.
    """
    made = path.with_name(MADE_FILE)
    if not path.exists() and not made.exists():
        with path.with_name(LOCK_FILE).open("a", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # guardian and command line may come first together
            if not path.exists():
                _make(path)
    remedy = f"that means halted; look at the account, then remove {path.name}* to begin anew"
    if not path.exists():
        raise ConfigError(f"{path}: is gone although it was made once: {remedy}")
    if path.stat().st_size < STORE_LENGTH_MIN:
        raise ConfigError(f"{path}: is damaged, it is empty or cut short: {remedy}")
    if not made.exists():
        made.touch()
        _sync(path.parent)


def _make(path: Path) -> None:
    new = path.with_name(NEW_FILE)
    for leftover in path.parent.glob(NEW_FILE + "*"):
        leftover.unlink()
    open_database(new, schema_version=SCHEMA_VERSION, schema=SCHEMA, durable=True).close()
    _sync(new)
    new.rename(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_lower(state: TradingState, than: Latched) -> bool:
    return DOWNWARDS.index(state) > DOWNWARDS.index(than.state)
