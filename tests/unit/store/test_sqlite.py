import os
import sqlite3
from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.store.sqlite import open_database, open_readonly, transaction

SCHEMA = "CREATE TABLE things (name TEXT PRIMARY KEY);"


def _open(path: Path, version: int = 1) -> sqlite3.Connection:
    return open_database(path, schema_version=version, schema=SCHEMA, durable=True)


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    connection = _open(tmp_path / "x.db")
    connection.execute("INSERT INTO things VALUES ('a')")
    connection.close()
    assert _open(tmp_path / "x.db").execute("SELECT name FROM things").fetchall() == [("a",)]


def test_another_schema_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    _open(tmp_path / "x.db").close()
    with pytest.raises(ConfigError, match=r"x\.db: schema version 1, this version writes 2; move"):
        _open(tmp_path / "x.db", version=2)


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(ConfigError, match=r"x\.db: .*not a database; the file is damaged"):
        _open(tmp_path / "x.db")


def test_a_directory_that_is_missing_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing/x\.db"):
        _open(tmp_path / "missing" / "x.db")


def test_a_full_disk_is_refused_with_the_remedy(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110 - a device, not a file
        pytest.skip("this machine has no /dev/full")
    (tmp_path / "x.db").symlink_to("/dev/full")
    with pytest.raises(ConfigError, match=r"x\.db"):
        _open(tmp_path / "x.db")


def test_reading_does_not_create(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        open_readonly(tmp_path / "x.db", schema_version=1)
    assert not (tmp_path / "x.db").exists()


def test_a_reader_refuses_another_version_and_a_damaged_file(tmp_path: Path) -> None:
    _open(tmp_path / "x.db").close()
    with pytest.raises(ConfigError, match=r"x\.db: schema version 1, this version reads 2"):
        open_readonly(tmp_path / "x.db", schema_version=2)
    (tmp_path / "y.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(ConfigError, match=r"y\.db: .*not a database; the file is damaged"):
        open_readonly(tmp_path / "y.db", schema_version=1)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    writer = _open(tmp_path / "x.db")
    reader = open_readonly(tmp_path / "x.db", schema_version=1)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO things VALUES ('a')")
    writer.execute("INSERT INTO things VALUES ('b')")
    assert reader.execute("SELECT name FROM things").fetchall() == [("b",)]


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    connection = _open(tmp_path / "x.db")
    with pytest.raises(sqlite3.IntegrityError), transaction(connection):
        connection.executemany("INSERT INTO things VALUES (?)", [("a",), ("a",)])
    with transaction(connection):
        connection.execute("INSERT INTO things VALUES ('b')")
    assert connection.execute("SELECT name FROM things").fetchall() == [("b",)]


def test_a_full_disk_is_told_with_file_and_remedy_and_the_journal_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    connection = _open(tmp_path / "x.db")
    connection.execute("PRAGMA max_page_count=3")  # what SQLite then says is what it says of a full disk
    with pytest.raises(PermanentError, match=r"x\.db: .* full; free space"), transaction(connection):
        connection.execute("INSERT INTO things VALUES (?)", ("x" * 100_000,))
    connection.execute("PRAGMA max_page_count=100000")
    with transaction(connection):
        connection.execute("INSERT INTO things VALUES ('b')")
    assert connection.execute("SELECT name FROM things").fetchall() == [("b",)]
