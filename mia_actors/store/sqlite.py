"""Opens SQLite databases the way every journal wants them, with errors that name the file and the remedy."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mia_actors.core.errors import ConfigError, PermanentError

BUSY_TIMEOUT_S = 5.0
REMEDIES = {
    "full": "free space on the disk",
    "readonly": "make the file and its directory writable",
    "malformed": "the file is damaged: move it away and start again",
    "not a database": "the file is damaged: move it away and start again",
    "disk I/O error": "check the disk",
}
OTHER_REMEDY = "check the disk and the directory's permissions"


class JournalConnection(sqlite3.Connection):
    """A connection whose errors name the file and the remedy."""

    path = Path()

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`.

        Raises:
            PermanentError: the disk is full, or the file became read-only or damaged.
        """
        with self._named():
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """See `sqlite3.Connection.executemany`; raises as `execute` does."""
        with self._named():
            return super().executemany(sql, parameters)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            remedy = _remedy(error)
            if remedy is None or not self.path.name:
                raise
            raise PermanentError(f"{self.path}: {error}; {remedy}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits what its block executes, all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk ends it by itself
            connection.execute("ROLLBACK")
        raise


def open_database(path: Path, *, schema_version: int, schema: str, durable: bool) -> sqlite3.Connection:
    """Opens or creates a database: WAL, one statement one transaction unless BEGIN is said.

    `durable` makes every commit wait for the disk (synchronous=FULL); without it a commit survives the death
    of the process, but perhaps not that of the machine. The connection may be used from several threads that
    serialise themselves.

    Raises:
        ConfigError: the file cannot be written, is damaged, or has another schema version.
    """
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            factory=JournalConnection,
        )
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"{path}: cannot be opened ({error}); check that the directory is writable"
        ) from error
    try:
        found = _prepare(connection, schema_version=schema_version, schema=schema, durable=durable)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigError(f"{path}: {error}; {_remedy(error) or OTHER_REMEDY}") from error
    if found != schema_version:
        connection.close()
        raise ConfigError(
            f"{path}: schema version {found}, this version writes {schema_version}; "
            "move the state directory away or name another with --state"
        )
    connection.path = path
    return connection


def _prepare(connection: sqlite3.Connection, *, schema_version: int, schema: str, durable: bool) -> int:
    """Sets the modes and lays a fresh schema; returns the version the file has now."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found:
        return found
    connection.executescript(schema)
    connection.execute(f"PRAGMA user_version={schema_version}")
    return schema_version


def open_readonly(path: Path, *, schema_version: int) -> sqlite3.Connection:
    """Opens an existing database for reading beside its writer.

    Raises:
        ConfigError: there is none, it is damaged, or it has another schema version.
    """
    try:
        connection = sqlite3.connect(
            f"file:{path}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
    except sqlite3.OperationalError as error:
        raise ConfigError(f"{path}: cannot be read ({error}); has the session been started?") from error
    try:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigError(f"{path}: {error}; {_remedy(error) or OTHER_REMEDY}") from error
    if found != schema_version:
        connection.close()
        raise ConfigError(f"{path}: schema version {found}, this version reads {schema_version}")
    return connection


def _remedy(error: sqlite3.DatabaseError) -> str | None:
    """What a person can do about it; None for errors that are the program's own."""
    text = str(error)
    return next((remedy for word, remedy in REMEDIES.items() if word in text), None)
