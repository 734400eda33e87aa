"""Opens SQLite databases the way every journal wants them, with errors that name the file and the remedy."""

import sqlite3
from pathlib import Path

from mia_actors.core.errors import ConfigError

BUSY_TIMEOUT_S = 5.0


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
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
    except sqlite3.OperationalError as error:
        raise ConfigError(
            f"{path}: cannot be opened ({error}); check that the directory is writable"
        ) from error
    try:
        found = _prepare(connection, schema_version=schema_version, schema=schema, durable=durable)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigError(f"{path}: {error}; {_remedy(error)}") from error
    if found != schema_version:
        connection.close()
        raise ConfigError(
            f"{path}: schema version {found}, this version writes {schema_version}; "
            "move the state directory away or name another with --state"
        )
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
        raise ConfigError(f"{path}: {error}; {_remedy(error)}") from error
    if found != schema_version:
        connection.close()
        raise ConfigError(f"{path}: schema version {found}, this version reads {schema_version}")
    return connection


def _remedy(error: sqlite3.DatabaseError) -> str:
    text = str(error)
    if "full" in text:
        return "free space on the disk"
    if "readonly" in text or "read-only" in text:
        return "make the file and its directory writable"
    if "malformed" in text or "not a database" in text:
        return "the file is damaged: move it away and start again"
    return "check the disk and the directory's permissions"
