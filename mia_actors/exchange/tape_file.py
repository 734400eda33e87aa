"""Reads the columns of a tape file; what is not asked for is not decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mia_actors.core.errors import ConfigError

Numbers = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

COLUMNS = ("ts", "contract", "open", "high", "low", "close", "volume")
PARQUET_SUFFIXES = (".parquet", ".pq")
CSV_SUFFIXES = (".csv", ".csv.gz")
TIME_ALLOWED = "UTC times, in CSV as ISO 8601 with an offset or Z, such as 2013-10-08T13:30:00Z"
_UTC = pa.timestamp("ns", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeIndex:
    """Time and contract of every row of the file, in the file's order."""

    times_ns: Whole
    contract_codes: Whole
    contract_names: tuple[str, ...]
    """Name by code."""


class TapeFile:
    """One Parquet or CSV file of bars, found, opened and complete in its columns."""

    def __init__(self, path: Path) -> None:
        """Opens the file.

        Raises:
            ConfigError: missing, unreadable, of another format, or without a column every tape has.
        """
        self.path = path
        if not path.is_file():
            raise ConfigError(f"tape {path}: no such file; give a Parquet or CSV file, or synthetic[:SEED]")
        self._is_csv = path.name.lower().endswith(CSV_SUFFIXES)
        if not self._is_csv and not path.name.lower().endswith(PARQUET_SUFFIXES):
            allowed = ", ".join((*PARQUET_SUFFIXES, *CSV_SUFFIXES))
            raise ConfigError(f"tape {path}: format not known by its name; allowed: {allowed}")
        try:
            self._source: Any = _read_csv(path) if self._is_csv else pq.ParquetFile(path)
            names = _csv_header(path) if self._is_csv else self._source.schema_arrow.names
        except (pa.ArrowException, OSError) as error:
            kind = "CSV" if self._is_csv else "Parquet"
            raise ConfigError(f"tape {path}: cannot be read as {kind}: {error}") from error
        missing = [column for column in COLUMNS if column not in names]
        if missing:
            raise ConfigError(
                f"tape {path}: column {', '.join(missing)} is missing; a tape has {' '.join(COLUMNS)}, "
                f"this file has {' '.join(names)}"
            )

    def where(self, row: int) -> str:
        """The file and a row of it in the reader's terms: the line of a CSV file, else the row from 1."""
        return f"tape {self.path}, line {row + 2}" if self._is_csv else f"tape {self.path}, row {row + 1}"

    def index(self) -> TapeIndex:
        """Time and contract of every row.

        Raises:
            ConfigError: no rows, or a row without a time (aware, UTC) or a contract.
        """
        table = self._table(["ts", "contract"])
        if table.num_rows == 0:
            raise ConfigError(f"tape {self.path}: has no rows")
        names = _one(pc.cast(table["contract"], pa.string()))
        times_ns = self._times_ns(_one(table["ts"]))
        if names.null_count or "" in (coded := names.dictionary_encode()).dictionary.to_pylist():
            row = int(np.flatnonzero([not name for name in names.to_pylist()])[0])
            raise ConfigError(f"{self.where(row)}, column contract: empty; name the contract of every row")
        return TapeIndex(
            times_ns=times_ns,
            contract_codes=coded.indices.to_numpy().astype(np.int64),
            contract_names=tuple(coded.dictionary.to_pylist()),
        )

    def numbers(self, columns: tuple[str, ...], rows: Whole) -> dict[str, Numbers]:
        """Columns as floats, of these rows in this order; an empty field is NaN.

        Raises:
            ConfigError: a field that is not a number.
        """
        if not rows.size:
            return {column: np.empty(0) for column in columns}
        table, first_row = self._rows(list(columns), int(rows.min()), int(rows.max()))
        taken = table.take(pa.array(rows - first_row))
        return {column: self._floats(column, _one(taken[column]), rows) for column in columns}

    def _table(self, columns: list[str]) -> Any:
        return self._source.select(columns) if self._is_csv else self._source.read(columns=columns)

    def _rows(self, columns: list[str], first: int, last: int) -> tuple[Any, int]:
        """A table that holds the rows from `first` to `last`, and the row it begins with."""
        if self._is_csv:
            return self._source.select(columns), 0
        metadata = self._source.metadata
        ends = np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])
        low, high = (int(np.searchsorted(ends, row, side="right")) for row in (first, last))
        table = self._source.read_row_groups(list(range(low, high + 1)), columns=columns)
        return table, int(ends[low - 1]) if low else 0

    def _times_ns(self, stamps: Any) -> Whole:
        kind = stamps.type
        if pa.types.is_timestamp(kind) and kind.tz is None:
            raise ConfigError(f"tape {self.path}, column ts: no time zone; allowed: {TIME_ALLOWED}")
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not is_text and not pa.types.is_timestamp(kind):
            raise ConfigError(f"tape {self.path}, column ts: {kind} is no time; allowed: {TIME_ALLOWED}")
        if stamps.null_count:
            row = int(np.flatnonzero(stamps.is_null().to_numpy(zero_copy_only=False))[0])
            raise ConfigError(f"{self.where(row)}, column ts: empty; allowed: {TIME_ALLOWED}")
        try:
            found: Whole = pc.cast(stamps, _UTC).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            row = next(row for row, stamp in enumerate(stamps) if not _is_time(stamp))
            raise ConfigError(
                f"{self.where(row)}, column ts: {stamps[row].as_py()!r} is not an aware time; "
                f"allowed: {TIME_ALLOWED}"
            ) from None
        return found

    def _floats(self, column: str, values: Any, rows: Whole) -> Numbers:
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            texts = values.to_pylist()
            found = [_float(text) for text in texts]
            if None in found:
                place = found.index(None)
                raise ConfigError(
                    f"{self.where(int(rows[place]))}, column {column}: {texts[place]!r} is not a number"
                )
            return np.array(found, dtype=np.float64)
        try:
            numbers = pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ConfigError(f"tape {self.path}, column {column}: {values.type} is no number") from error
        return np.asarray(numbers, dtype=np.float64)


def _read_csv(path: Path) -> Any:
    """All fields as text: a bad field matters only where its row is used."""
    options = pa_csv.ConvertOptions(
        include_columns=[column for column in COLUMNS if column in _csv_header(path)],
        column_types=dict.fromkeys(COLUMNS, pa.string()),
        strings_can_be_null=False,
    )
    return pa_csv.read_csv(path, convert_options=options)


def _csv_header(path: Path) -> list[str]:
    with pa_csv.open_csv(path) as reader:
        return list(reader.schema.names)


def _one(chunked: Any) -> Any:
    combined = chunked.combine_chunks() if isinstance(chunked, pa.ChunkedArray) else chunked
    if isinstance(combined, pa.ChunkedArray):
        combined = pa.concat_arrays(combined.chunks)
    return combined.dictionary_decode() if pa.types.is_dictionary(combined.type) else combined


def _is_time(stamp: Any) -> bool:
    try:
        pc.cast(stamp, _UTC)
    except pa.ArrowInvalid:
        return False
    return True


def _float(text: str) -> float | None:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return None
