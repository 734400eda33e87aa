"""What the guardian's store tells to people, read beside its writers; nothing is ever written to it."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mia_actors.core.clock import iso_utc
from mia_actors.notify.alarm import Unflat
from mia_actors.notify.notices import Channel, Notice, Urgency, notice
from mia_actors.store.sqlite import open_readonly

GUARDIAN_FILE = "guardian.db"
SCHEMA_VERSION = 2
RESUMED = "resume"
ACTIVE = "active"
ACKNOWLEDGED = "acknowledged"
"""Fact: number of the halt that a person has taken note of."""
UNFLAT = """
SELECT (SELECT COALESCE(MAX(id), 0) FROM history), reason, outcome,
  (SELECT value FROM facts WHERE name = ?) FROM latch WHERE state <> ? AND is_flat = 0
"""
CALM = "INFO"
URGENCIES = {CALM: Urgency.INFO, "WARNING": Urgency.WARNING}
"""By the guardian's level; every other level is critical."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How far the guardian's store was told; kept on disk between two lives."""

    entry: int = 0
    """Number of the last entry of the history."""
    changes: int = 0
    """Changes of the level so far."""
    level: str = CALM

    @property
    def text(self) -> str:
        """As `told_from` reads it."""
        return f"{self.entry} {self.changes} {self.level}"


def told_from(text: str) -> Told:
    """The reverse of `Told.text`.

    Raises:
        ValueError: it is damaged.
    """
    entry, changes, level = text.split()
    return Told(entry=int(entry), changes=int(changes), level=level)


def untold(state_dir: Path, told: Told) -> tuple[tuple[Notice, Told], ...]:
    """Notices that are due, oldest first, each with what is told once it is delivered.

    Raises:
        ConfigError: the store cannot be opened.
        sqlite3.Error: it is damaged.
    """
    path = state_dir / GUARDIAN_FILE
    if not path.exists():
        return ()
    with closing(open_readonly(path, schema_version=SCHEMA_VERSION)) as connection:
        entries = connection.execute(
            "SELECT id, at_ns, who, what, reason FROM history WHERE id > ? ORDER BY id", (told.entry,)
        ).fetchall()
        facts = dict(
            connection.execute("SELECT name, value FROM facts WHERE name IN ('level', 'findings')").fetchall()
        )
    due: list[tuple[Notice, Told]] = []
    for entry, at_ns, who, what, reason in entries:
        told = Told(entry=entry, changes=told.changes, level=told.level)
        due.append((_of_entry(entry, at_ns, who, what, reason), told))
    level = str(facts.get("level", CALM))
    if level != told.level:
        told = Told(entry=told.entry, changes=told.changes + 1, level=level)
        due.append((_of_level(told, str(facts.get("findings", ""))), told))
    return tuple(due)


def unflat(state_dir: Path) -> Unflat | None:
    """The halt whose account is not confirmed flat; None where there is none.

    Raises:
        ConfigError: the store cannot be opened.
        sqlite3.Error: it is damaged.
    """
    path = state_dir / GUARDIAN_FILE
    if not path.exists():
        return None
    with closing(open_readonly(path, schema_version=SCHEMA_VERSION)) as connection:
        row = connection.execute(UNFLAT, (ACKNOWLEDGED, ACTIVE)).fetchone()
    if row is None:
        return None
    number, reason, outcome, acknowledged = row
    return Unflat(number=number, reason=reason, outcome=outcome, acknowledged=acknowledged == str(number))


def _of_entry(entry: int, at_ns: int, who: str, what: str, reason: str) -> Notice:
    return notice(
        f"guardian-{entry}",
        Channel.ALERTS,
        Urgency.WARNING if what == RESUMED else Urgency.CRITICAL,
        f"guardian: {what}",
        {"reason": reason, "who": who, "time": iso_utc(at_ns)},
    )


def _of_level(told: Told, findings: str) -> Notice:
    return notice(
        f"guardian-level-{told.changes}",
        Channel.ALERTS,
        URGENCIES.get(told.level, Urgency.CRITICAL),
        f"guardian: level {told.level}",
        {"findings": findings},
    )
