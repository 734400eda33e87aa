"""The market journal: bars and executions, written once by the broker actor, read by everybody.

Warm-up bars are marked as history. The 5-second bars of the base bar in progress are not kept: a broker actor
that comes back reads them from the broker's own history. Prices are ticks, times UTC nanoseconds.
"""

import sqlite3
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from mia_actors.core.codec import from_json, to_json
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Fill
from mia_actors.store.sqlite import open_database, open_readonly, transaction

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS base_bars (
  start_ns INTEGER PRIMARY KEY, instrument TEXT NOT NULL, timeframe TEXT NOT NULL, open INTEGER NOT NULL,
  high INTEGER NOT NULL, low INTEGER NOT NULL, close INTEGER NOT NULL, volume INTEGER NOT NULL,
  is_history INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS fills (
  exec_id TEXT PRIMARY KEY, event_time_ns INTEGER NOT NULL, fill TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS fills_by_time ON fills (event_time_ns);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
BAR_COLUMNS = "start_ns, instrument, timeframe, open, high, low, close, volume"
STARTING_EQUITY = "starting_equity_usd"
ORDER_ID = "order_id_high_water"
CONTRACT_MONTH = "contract_month"


class MarketJournal:
    """Bars, executions and a few facts of one session. Thread-safe; one writer, any number of readers."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens or creates the journal for writing."""
        return cls(open_database(path, schema_version=SCHEMA_VERSION, schema=SCHEMA, durable=False))

    @classmethod
    def open_readonly(cls, path: Path) -> Self:
        """Opens an existing journal beside its writer; usable as a context manager."""
        return cls(open_readonly(path, schema_version=SCHEMA_VERSION))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_base_bars(self, bars: Sequence[Bar], *, history: bool) -> None:
        """Commits closed base bars; a bar is stored once, a repeat changes nothing."""
        sql = f"INSERT OR IGNORE INTO base_bars ({BAR_COLUMNS}, is_history) VALUES (?,?,?,?,?,?,?,?,?)"  # noqa: S608
        with self._lock, transaction(self._connection):
            self._connection.executemany(sql, [(*_row(bar), int(history)) for bar in bars])

    def base_bars(self, after_start_ns: int | None, until_end_ns: int, limit: int | None = None) -> list[Bar]:
        """Base bars, warm-up included, ascending: start after one time, end at or before another.

        With `limit` only the newest so many.
        """
        newest = self.last_base_bar()
        if newest is None:
            return []
        parameters = (
            -1 if after_start_ns is None else after_start_ns,
            until_end_ns - newest.timeframe.ns,
            -1 if limit is None else limit,
        )
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {BAR_COLUMNS} FROM base_bars WHERE start_ns > ? AND start_ns <= ? "  # noqa: S608
                "ORDER BY start_ns DESC LIMIT ?",
                parameters,
            ).fetchall()
        return [_bar(row) for row in reversed(rows)]

    def session_bar_after(self, after_start_ns: int | None) -> Bar | None:
        """The first base bar of the session proper that starts after a time."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {BAR_COLUMNS} FROM base_bars WHERE is_history = 0 AND start_ns > ? "  # noqa: S608
                "ORDER BY start_ns LIMIT 1",
                (-1 if after_start_ns is None else after_start_ns,),
            ).fetchone()
        return _bar(row) if row else None

    def last_base_bar(self) -> Bar | None:
        """The newest base bar, warm-up included."""
        with self._lock:
            row = self._connection.execute(
                f"SELECT {BAR_COLUMNS} FROM base_bars ORDER BY start_ns DESC LIMIT 1"  # noqa: S608
            ).fetchone()
        return _bar(row) if row else None

    def add_fill(self, fill: Fill) -> None:
        """Stores an execution, or the commission of one that is known; a commission is never lost again.

        A correction, which repeats all of the number but its last part, replaces what it corrects.
        """
        with self._lock:
            known = self._corrections(fill.exec_id)
            if any(exec_id > fill.exec_id for exec_id in known):
                return
            if fill.exec_id in known and fill.commission_usd is None:
                return
            with transaction(self._connection):
                self._connection.executemany("DELETE FROM fills WHERE exec_id = ?", [(one,) for one in known])
                self._connection.execute(
                    "INSERT INTO fills VALUES (?, ?, ?)", (fill.exec_id, fill.event_time_ns, to_json(fill))
                )

    def _corrections(self, exec_id: str) -> list[str]:
        """Stored numbers of the same execution, itself included."""
        stem, dot, _ = exec_id.rpartition(".")
        low, high = (f"{stem}.", f"{stem}/") if dot else (exec_id, f"{exec_id} ")
        rows = self._connection.execute(
            "SELECT exec_id FROM fills WHERE exec_id >= ? AND exec_id < ?", (low, high)
        ).fetchall()
        return [str(row[0]) for row in rows]

    def fills(self, after_ns: int, until_ns: int) -> tuple[Fill, ...]:
        """Executions with event time in (`after_ns`, `until_ns`], in order of time and number."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT fill FROM fills WHERE event_time_ns > ? AND event_time_ns <= ? "
                "ORDER BY event_time_ns, exec_id",
                (after_ns, until_ns),
            ).fetchall()
        return tuple(from_json(Fill, row[0]) for row in rows)

    def starting_equity_usd(self) -> Decimal | None:
        """Equity at the session's first connect."""
        value = self._fact(STARTING_EQUITY)
        return Decimal(value) if value is not None else None

    def note_starting_equity_usd(self, equity_usd: Decimal) -> None:
        """Stores the equity of the first connect; later ones change nothing."""
        with self._lock:
            self._connection.execute(
                "INSERT OR IGNORE INTO facts VALUES (?, ?)", (STARTING_EQUITY, str(equity_usd))
            )

    def order_id_high_water(self) -> int:
        """Highest order id ever used; 0 before the first."""
        return int(self._fact(ORDER_ID) or 0)

    def raise_order_id(self, order_id: int) -> None:
        """Commits that ids up to `order_id` are used; it never goes down."""
        if order_id > self.order_id_high_water():
            with self._lock:
                self._connection.execute(
                    "INSERT OR REPLACE INTO facts VALUES (?, ?)", (ORDER_ID, str(order_id))
                )

    def contract_month(self) -> str | None:
        """Month (`YYYYMM`) of the contract this session trades; None before the first connect."""
        return self._fact(CONTRACT_MONTH)

    def note_contract_month(self, month: str) -> None:
        """Stores the contract of the first connect: a roll date does not change it within a session."""
        with self._lock:
            self._connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (CONTRACT_MONTH, month))

    def close(self) -> None:
        """Releases the database."""
        with self._lock:
            self._connection.close()

    def _fact(self, name: str) -> str | None:
        with self._lock:
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None


def _row(bar: Bar) -> tuple[str | int, ...]:
    return (
        bar.start_ns,
        bar.instrument,
        bar.timeframe.value,
        bar.open_ticks,
        bar.high_ticks,
        bar.low_ticks,
        bar.close_ticks,
        bar.volume,
    )


def _bar(row: tuple[int, str, str, int, int, int, int, int]) -> Bar:
    return Bar(
        start_ns=row[0],
        instrument=row[1],
        timeframe=Timeframe(row[2]),
        open_ticks=row[3],
        high_ticks=row[4],
        low_ticks=row[5],
        close_ticks=row[6],
        volume=row[7],
    )
