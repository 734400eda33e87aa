"""The finished parts of a tape that is still being made, in a folder beside it, and their end as one file.

Guarantees: a part is there complete or not at all, whenever its writer dies; one process at a time writes a tape;
parts of different tapes are never mixed; the same parts make the same bytes.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.core.market import Bar
from mia_actors.core.units import MONTH_CODES, product

SUFFIXES = (".parquet", ".pq")
METADATA_KEY = b"mia.history"
DESCRIPTION = "tape.json"
REQUESTS = "requests.log"
OWN_FILES = ("*.parquet", "*.new", DESCRIPTION, REQUESTS, "*.log")
ROW_GROUP = 1 << 16
SCHEMA = pa.schema(
    [
        ("ts", pa.timestamp("ns", tz="UTC")),
        ("contract", pa.string()),
        *((name, pa.float64()) for name in ("open", "high", "low", "close")),
        ("volume", pa.int64()),
    ]
)

Description = Mapping[str, Any]
"""What the tape is; plain JSON data. Parts and tapes are only taken up again where it is the same."""


def tape_name(symbol: str, month: str) -> str:
    """The contract as tapes write it: `ESZ25` of `ES` and `202512`."""
    return f"{symbol}{MONTH_CODES[int(month[4:6]) - 1]}{month[2:4]}"


def table_of(bars: Sequence[Bar], symbol: str, name: str) -> Any:
    """Rows of a tape; prices are multiples of the tick and so exact."""
    tick = float(product(symbol).tick_size)
    columns = [
        [bar.start_ns for bar in bars],
        [name] * len(bars),
        *(
            [getattr(bar, f"{price}_ticks") * tick for bar in bars]
            for price in ("open", "high", "low", "close")
        ),
        [bar.volume for bar in bars],
    ]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], SCHEMA
    )


class TapeParts:
    """The parts of one tape, held by one process."""

    def __init__(self, output: Path, description: Description) -> None:
        self.output = output
        self.folder = folder_of(output)
        self._description = dict(description)

    @classmethod
    @contextmanager
    def held(cls, output: Path, description: Description) -> Iterator[Self]:
        """The parts of `output`, for this process alone; the kernel frees them when it dies, however it dies.

        Raises:
            ConfigError: another process makes this tape, the parts are of another tape, or the place is none.
        """
        if not output.name.lower().endswith(SUFFIXES):
            raise ConfigError(f"--out {output}: a Parquet file is written; allowed: {', '.join(SUFFIXES)}")
        if not output.absolute().parent.is_dir():
            raise ConfigError(f"--out {output}: there is no folder {output.absolute().parent}; make it first")
        parts = cls(output, description)
        handle = _locked(parts.folder, output)
        try:
            parts._check()
            yield parts
        finally:
            parts._leave_nothing_idle()
            os.close(handle)

    def finished(self) -> Description | None:
        """What the output that is there already says of itself; None: there is no output.

        Raises:
            ConfigError: it is a file of anybody else's, or of another tape.
        """
        if not self.output.exists():
            return None
        try:
            metadata = pq.read_metadata(self.output).metadata or {}
        except (pa.ArrowException, OSError):
            metadata = {}
        if METADATA_KEY not in metadata:
            raise ConfigError(
                f"--out {self.output}: exists and was not made by a download; remove it, or name another file"
            )
        found: Description = json.loads(metadata[METADATA_KEY])
        self._same(found, f"--out {self.output}: exists and holds another download")
        return found

    def describe(self, **more: str) -> None:
        """Adds what is only known now; refuses where earlier parts were made with something else.

        Raises:
            ConfigError: they were.
        """
        self._description |= more
        self._check()
        if not (self.folder / DESCRIPTION).exists():
            text = json.dumps(self._description, sort_keys=True) + "\n"
            _replace(self.folder / DESCRIPTION, lambda path: path.write_text(text, encoding="utf-8"))

    @property
    def described(self) -> Description:
        """What the tape is, with what earlier processes found out."""
        path = self.folder / DESCRIPTION
        found: Description = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return {**found, **self._description}

    def has(self, name: str) -> bool:
        """Whether the part is there."""
        return self._part(name).exists()

    def rows(self, name: str) -> int:
        """Rows of a part that is there."""
        return int(self._read(name, pq.read_metadata).num_rows)

    def write(self, name: str, table: Any) -> None:
        """A part, complete or not at all."""
        _replace(self._part(name), lambda path: pq.write_table(table, path))

    def note_request(self, line: str) -> None:
        """Remembers a request for whoever goes on."""
        with (self.folder / REQUESTS).open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def requests(self) -> tuple[str, ...]:
        """The requests noted, by this process or those before it."""
        path = self.folder / REQUESTS
        return tuple(path.read_text(encoding="utf-8").splitlines()) if path.exists() else ()

    def table(self, names: Iterable[str]) -> Any:
        """All parts named, in this order."""
        return pa.concat_tables([SCHEMA.empty_table(), *(self._read(name, pq.read_table) for name in names)])

    def finish(self, table: Any, **more: Any) -> Description:
        """Writes the tape, complete or not at all, and removes the parts; `more` is said of it in the file."""
        said = {**self.described, **more}
        described = table.replace_schema_metadata({METADATA_KEY: json.dumps(said, sort_keys=True)})
        fresh = self.folder / "tape.new"
        pq.write_table(described, fresh, row_group_size=ROW_GROUP)
        _sync(fresh)
        fresh.replace(self.output)
        _sync(self.output.absolute().parent)
        self.clear()
        return said

    def clear(self) -> None:
        """Removes the parts and their folder, unless somebody else has put something there."""
        for path in (found for pattern in OWN_FILES for found in self.folder.glob(pattern)):
            path.unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def _read(self, name: str, read: Any) -> Any:
        path = self._part(name)
        try:
            return read(path)
        except (pa.ArrowException, OSError) as error:
            raise PermanentError(f"{path}: is damaged ({error}); remove it and go on") from error

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"

    def _check(self) -> None:
        path = self.folder / DESCRIPTION
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            self._same(found, f"{self.folder}: holds the beginning of another download")

    def _same(self, found: Description, what: str) -> None:
        differing = [key for key, value in self._description.items() if found.get(key) != value]
        if differing:
            there = ", ".join(f"{key} {found.get(key, 'unknown')}" for key in differing)
            asked = ", ".join(f"{key} {self._description[key]}" for key in differing)
            raise ConfigError(
                f"{what} ({there}; asked for: {asked}); remove it, or name another file with --out"
            )

    def _leave_nothing_idle(self) -> None:
        """Without a part and a description there is nothing to go on with."""
        has_begun = (self.folder / DESCRIPTION).exists() or any(self.folder.glob("*.parquet"))
        if self.folder.exists() and not has_begun:
            self.clear()


def folder_of(output: Path) -> Path:
    """Where the parts of a tape are."""
    return output.with_name(output.name + ".parts")


def _locked(folder: Path, output: Path) -> int:
    """The lock of the folder, which is made where it is missing; its last holder may have removed it meanwhile."""
    while True:
        folder.mkdir(exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise ConfigError(
                f"--out {output}: another download writes it; wait for its end or end it with Ctrl-C, "
                "or name another file"
            ) from None
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
        os.close(handle)


def _replace(path: Path, write: Any) -> None:
    fresh = path.with_name(path.name + ".new")
    write(fresh)
    _sync(fresh)
    fresh.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
