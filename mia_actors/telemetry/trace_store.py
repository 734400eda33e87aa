"""The embedded trace store: an OpenTelemetry exporter into SQLite, and its reader.

Every process of the session exports into the same file; batches are small and bounded, an export that fails
is counted and dropped, and never delays or fails a cycle.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from mia_actors.telemetry import conventions

BUSY_TIMEOUT_MS = 2000
SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
  trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_id TEXT, name TEXT NOT NULL, kind TEXT NOT NULL,
  service TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, status TEXT NOT NULL,
  attributes TEXT NOT NULL, PRIMARY KEY (trace_id, span_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cycles (
  cycle_id TEXT NOT NULL, trace_id TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL,
  outcome TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (cycle_id, trace_id)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpan:
    """One finished span as stored; times are wall-clock ns."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    status: str
    attributes: dict[str, str | int | float | bool]

    @property
    def duration_ms(self) -> float:
        """Length in milliseconds."""
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCycle:
    """One traced cycle. A cycle repeated after a crash of its runner has one row per attempt."""

    cycle_id: str
    trace_id: str
    start_ns: int
    end_ns: int
    outcome: str
    reason: str

    @property
    def duration_ms(self) -> float:
        """Length in milliseconds."""
        return (self.end_ns - self.start_ns) / 1e6


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


class SqliteSpanExporter(SpanExporter):
    """Exports finished spans into the session's `traces.db`; drops and counts a batch it cannot write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.spans_dropped = 0
        self._ready = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Writes one batch; failure is reported to the SDK and costs only the batch."""
        try:
            with _opened(self._path) as connection:
                if not self._ready:
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=OFF")
                    connection.executescript(SCHEMA)
                    self._ready = True
                connection.executemany(
                    "INSERT OR REPLACE INTO spans VALUES (?,?,?,?,?,?,?,?,?,?)",
                    [_span_row(span) for span in spans],
                )
                connection.executemany(
                    "INSERT OR REPLACE INTO cycles VALUES (?,?,?,?,?,?)",
                    [_cycle_row(span) for span in spans if span.name == conventions.SPAN_CYCLE],
                )
        except sqlite3.Error:
            self.spans_dropped += len(spans)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held between batches."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Nothing is held between batches."""
        return True


def _span_row(span: ReadableSpan) -> tuple[str | int | None, ...]:
    context = span.get_span_context()
    if context is None:
        raise ValueError("a finished span has a context")
    attributes = {
        key: value for key, value in (span.attributes or {}).items() if not isinstance(value, tuple)
    }
    return (
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        f"{span.parent.span_id:016x}" if span.parent else None,
        span.name,
        span.kind.name,
        str(span.resource.attributes.get("service.name", "")),
        span.start_time or 0,
        span.end_time or 0,
        span.status.status_code.name,
        json.dumps(attributes, separators=(",", ":"), default=str),
    )


def _cycle_row(span: ReadableSpan) -> tuple[str | int, ...]:
    context = span.get_span_context()
    attributes = span.attributes or {}
    return (
        str(attributes.get(conventions.CYCLE_ID, "")),
        f"{context.trace_id:032x}" if context else "",
        span.start_time or 0,
        span.end_time or 0,
        str(attributes.get(conventions.CYCLE_OUTCOME, "incomplete")),
        str(attributes.get(conventions.CYCLE_REASON, "")),
    )


class TraceReader:
    """Reads the embedded store of a session, running or ended."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def cycles(self, *, limit: int, slowest: bool = False) -> tuple[StoredCycle, ...]:
        """The newest cycles, or the slowest ones first."""
        order = "end_ns - start_ns DESC" if slowest else "start_ns DESC"
        sql = f"SELECT * FROM cycles ORDER BY {order} LIMIT ?"  # noqa: S608 - one of two literals
        return tuple(
            StoredCycle(
                cycle_id=row[0],
                trace_id=row[1],
                start_ns=row[2],
                end_ns=row[3],
                outcome=row[4],
                reason=row[5],
            )
            for row in self._rows(sql, (limit,))
        )

    def cycle_durations_ms(self) -> list[float]:
        """Durations of all cycles in order of time."""
        rows = self._rows("SELECT (end_ns - start_ns) / 1e6 FROM cycles ORDER BY start_ns", ())
        return [float(str(row[0])) for row in rows]

    def named(self, name: str) -> tuple[StoredSpan, ...]:
        """All spans of one name in order of start."""
        return self._spans("WHERE name = ? ORDER BY start_ns, span_id", (name,))

    def spans(self, cycle_id: str) -> tuple[StoredSpan, ...]:
        """All spans of a cycle's traces in order of start; empty when there is no such cycle."""
        tail = "WHERE trace_id IN (SELECT trace_id FROM cycles WHERE cycle_id = ?) ORDER BY start_ns, span_id"
        return self._spans(tail, (cycle_id,))

    def _spans(self, tail: str, parameters: tuple[str | int, ...]) -> tuple[StoredSpan, ...]:
        return tuple(
            StoredSpan(
                trace_id=row[0],
                span_id=row[1],
                parent_id=row[2],
                name=row[3],
                kind=row[4],
                service=row[5],
                start_ns=row[6],
                end_ns=row[7],
                status=row[8],
                attributes=json.loads(row[9]),
            )
            for row in self._rows(f"SELECT * FROM spans {tail}", parameters)  # noqa: S608 - literals only
        )

    def _rows(self, sql: str, parameters: tuple[str | int, ...]) -> list[tuple]:  # type: ignore[type-arg]
        if not self._path.exists():
            return []
        with _opened(self._path) as connection:
            try:
                return connection.execute(sql, parameters).fetchall()
            except sqlite3.OperationalError:  # written by nobody yet
                return []
