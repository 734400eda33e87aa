"""The order journal: every intent is committed, with fsync, before anything is sent.

Its own database, so that no lock or corruption of another one can stop it. One row per target and one per
order reference: both are unique, so a decision repeated after a crash finds what it already did.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence

from mia_actors.core.codec import from_json, to_json
from mia_actors.core.decisions import TargetPosition
from mia_actors.core.ledger import LedgerOrder
from mia_actors.core.orders import BrokerSnapshot, Fill, OrderReport, OrderSpec, OrderState
from mia_actors.execution.messages import Applied
from mia_actors.store.sqlite import transaction

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS targets (
  target_id TEXT PRIMARY KEY, target TEXT NOT NULL, applied TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS intents (
  order_ref TEXT PRIMARY KEY, target_id TEXT NOT NULL, leg INTEGER NOT NULL, spec TEXT NOT NULL,
  state TEXT NOT NULL, perm_id INTEGER NOT NULL DEFAULT 0, filled INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fills (exec_id TEXT PRIMARY KEY, fill TEXT NOT NULL) WITHOUT ROWID;
"""


class OrderJournal:
    """Targets, intents and fills of one session. Thread-safe; every write is one committed transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Takes a connection from `store.sqlite.open_database` (durable) in autocommit or default mode."""
        self._connection = connection
        self._lock = threading.RLock()

    def applied(self, target_id: str) -> Applied | None:
        """What became of a target, or None while it is not finished."""
        rows = self._query("SELECT applied FROM targets WHERE target_id = ?", (target_id,))
        return from_json(Applied, rows[0][0]) if rows and rows[0][0] else None

    def finish(self, target: TargetPosition, applied: Applied) -> None:
        """Commits what became of a target, and the broker's reports that say so, together."""
        sql = "INSERT OR REPLACE INTO targets VALUES (?, ?, ?)"
        self._write(
            [
                *(_report_row(report) for report in applied.reports),
                (sql, (target.target_id, to_json(target), to_json(applied))),
            ]
        )

    def intend(self, target_id: str, group: Sequence[OrderSpec]) -> None:
        """Commits the intent to send a group; orders that are journaled already stay as they are.

        The one wait for the disk before an order goes out.
        """
        sql = "INSERT OR IGNORE INTO intents (order_ref, target_id, leg, spec, state) VALUES (?, ?, ?, ?, ?)"
        self._write(
            [
                (sql, (spec.order_ref, target_id, leg, to_json(spec), OrderState.INTENDED.value))
                for leg, spec in enumerate(group)
            ]
        )

    def mark(self, order_refs: Iterable[str], state: OrderState, reason: str = "") -> None:
        """Sets the state of orders that are not final yet."""
        final = tuple(state.value for state in OrderState if state.is_final)
        holes = ",".join("?" * len(final))
        sql = f"UPDATE intents SET state = ?, reason = ? WHERE order_ref = ? AND state NOT IN ({holes})"  # noqa: S608
        self._write([(sql, (state.value, reason, order_ref, *final)) for order_ref in order_refs])

    def record_reports(self, reports: Iterable[OrderReport]) -> None:
        """Takes the broker's word on our orders; reports of unknown references are not ours and ignored."""
        self._write([_report_row(report) for report in reports])

    def orders(self, target_id: str | None = None) -> tuple[LedgerOrder, ...]:
        """Our orders with their last state, of one target or all, in the order they were intended."""
        where, parameters = ("WHERE target_id = ?", (target_id,)) if target_id else ("", ())
        rows = self._query(f"SELECT spec, state FROM intents {where} ORDER BY target_id, leg", parameters)  # noqa: S608
        return tuple(LedgerOrder(spec=from_json(OrderSpec, row[0]), state=OrderState(row[1])) for row in rows)

    def open_refs(self) -> tuple[str, ...]:
        """References of orders whose fate is not final."""
        return tuple(order.spec.order_ref for order in self.orders() if not order.state.is_final)

    def fills(self) -> tuple[Fill, ...]:
        """Every execution stored."""
        return tuple(from_json(Fill, row[0]) for row in self._query("SELECT fill FROM fills", ()))

    def close(self) -> None:
        """Releases the database."""
        with self._lock:
            self._connection.close()

    def _query(self, sql: str, parameters: tuple[str, ...]) -> list[tuple[str, ...]]:
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def record(self, snapshot: BrokerSnapshot) -> None:
        """Takes the broker's word on orders and executions, together."""
        self._write(
            [
                *(_report_row(report) for report in snapshot.orders),
                *(_fill_row(fill) for fill in snapshot.fills),
            ]
        )

    def _write(self, statements: Sequence[tuple[str, tuple[str | int, ...]]]) -> None:
        if not statements:
            return
        with self._lock, transaction(self._connection):
            for sql, parameters in statements:
                self._connection.execute(sql, parameters)


def _report_row(report: OrderReport) -> tuple[str, tuple[str | int, ...]]:
    sql = "UPDATE intents SET state = ?, perm_id = ?, filled = ?, reason = ? WHERE order_ref = ?"
    return sql, (report.state.value, report.perm_id, report.filled, report.reason, report.order_ref)


def _fill_row(fill: Fill) -> tuple[str, tuple[str | int, ...]]:
    return "INSERT OR REPLACE INTO fills VALUES (?, ?)", (fill.exec_id, to_json(fill))
