"""The decision journal: one row per cycle, written before any of it is acted on.

A cycle without `completed` was interrupted: its next runner finds the decision and carries it out again,
which is harmless because every step after it is keyed by the cycle.
"""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from mia_actors.core.codec import from_json, to_json
from mia_actors.core.decisions import Decision
from mia_actors.store.sqlite import open_database

DECISIONS_FILE = "decisions.db"
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS decisions (
  bar_end_ns INTEGER PRIMARY KEY, cycle_id TEXT NOT NULL UNIQUE, outcome TEXT NOT NULL, reason TEXT NOT NULL,
  has_signal INTEGER NOT NULL, decision TEXT NOT NULL, held_contracts INTEGER NOT NULL,
  completed INTEGER NOT NULL, latency_ns INTEGER
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournaledDecision:
    """A decision with what is needed to carry it out again."""

    decision: Decision
    held_contracts: int
    """Position the decision was made on."""
    completed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionCounts:
    """Totals of a session."""

    cycles: int
    signals: int
    approved: int
    outcomes: dict[str, int]
    refused: dict[str, int]
    """Cycles by the gate that said no, refusals and absent signals alike."""


class DecisionJournal:
    """Decisions of one session, keyed by the end of the base bar. Thread-safe."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path) -> "DecisionJournal":
        """Opens or creates the database file."""
        return cls(open_database(path, schema_version=SCHEMA_VERSION, schema=SCHEMA, durable=False))

    def add(self, decision: Decision, *, held_contracts: int, completed: bool) -> None:
        """Commits a decision; a cycle is decided once, a repeat changes nothing."""
        self._write(
            "INSERT OR IGNORE INTO decisions VALUES (?,?,?,?,?,?,?,?,NULL)",
            (
                decision.event_time_ns,
                decision.cycle_id,
                decision.outcome.value,
                decision.reason.value if decision.reason else "",
                int(decision.has_signal),
                to_json(decision),
                held_contracts,
                int(completed),
            ),
        )

    def complete(self, decision: Decision) -> None:
        """Marks a cycle as carried out, with its decision as it ended (a guardian's refusal included)."""
        self._write(
            "UPDATE decisions SET completed = 1, outcome = ?, reason = ?, decision = ? WHERE bar_end_ns = ?",
            (
                decision.outcome.value,
                decision.reason.value if decision.reason else "",
                to_json(decision),
                decision.event_time_ns,
            ),
        )

    def note_latency(self, bar_end_ns: int, latency_ns: int) -> None:
        """Stores how long the cycle took on the machine's clock; no decision ever reads it back."""
        self._write("UPDATE decisions SET latency_ns = ? WHERE bar_end_ns = ?", (latency_ns, bar_end_ns))

    def get(self, bar_end_ns: int) -> JournaledDecision | None:
        """The decision of the cycle whose base bar ended then."""
        rows = self._query("WHERE bar_end_ns = ?", (bar_end_ns,))
        return rows[0] if rows else None

    def last_completed(self) -> JournaledDecision | None:
        """The newest decision that was carried out."""
        rows = self._query("WHERE completed = 1 ORDER BY bar_end_ns DESC LIMIT 1", ())
        return rows[0] if rows else None

    def decisions(self, *, outcome: str | None = None) -> tuple[JournaledDecision, ...]:
        """All decisions in order of time, or those with one outcome."""
        if outcome is None:
            return self._query("ORDER BY bar_end_ns", ())
        return self._query("WHERE outcome = ? ORDER BY bar_end_ns", (outcome,))

    def latencies_ms(self) -> list[float]:
        """Cycle latencies in order of time."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT latency_ns FROM decisions WHERE latency_ns IS NOT NULL ORDER BY bar_end_ns"
            ).fetchall()
        return [row[0] / 1e6 for row in rows]

    def counts(self) -> DecisionCounts:
        """Totals for the summary, from the table itself."""
        with self._lock:
            total = self._connection.execute("SELECT COUNT(*), SUM(has_signal) FROM decisions").fetchone()
            outcomes = dict(
                self._connection.execute(
                    "SELECT outcome, COUNT(*) FROM decisions GROUP BY outcome"
                ).fetchall()
            )
            refused = dict(
                self._connection.execute(
                    "SELECT reason, COUNT(*) FROM decisions WHERE outcome IN ('refused', 'no_signal') "
                    "GROUP BY reason ORDER BY COUNT(*) DESC, reason"
                ).fetchall()
            )
        return DecisionCounts(
            cycles=total[0],
            signals=total[1] or 0,
            approved=outcomes.get("entered", 0),
            outcomes=outcomes,
            refused=refused,
        )

    def close(self) -> None:
        """Releases the database."""
        with self._lock:
            self._connection.close()

    def _query(self, tail: str, parameters: tuple[int | str, ...]) -> tuple[JournaledDecision, ...]:
        sql = f"SELECT decision, held_contracts, completed FROM decisions {tail}"  # noqa: S608 - literals only
        with self._lock:
            rows = self._connection.execute(sql, parameters).fetchall()
        return tuple(
            JournaledDecision(
                decision=from_json(Decision, row[0]), held_contracts=row[1], completed=bool(row[2])
            )
            for row in rows
        )

    def _write(self, sql: str, parameters: tuple[int | str, ...]) -> None:
        with self._lock:
            self._connection.execute(sql, parameters)
            if self._connection.in_transaction:
                self._connection.commit()
