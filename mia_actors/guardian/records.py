"""What the guardian's store keeps of the past: who halted and resumed when and why, and each account's memory.

Read beside its writers; nothing is ever written to it.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mia_actors.core.clock import iso_utc
from mia_actors.guardian.actor import equity_fact
from mia_actors.guardian.latch import GUARDIAN_FILE, SCHEMA_VERSION
from mia_actors.guardian.memory import Memory, memory_fact, remembered
from mia_actors.store.sqlite import open_readonly


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the history."""

    at_ns: int
    who: str
    what: str
    """`halted`, `reduce_only` or `resume`."""
    reason: str

    def document(self) -> dict[str, str]:
        """As JSON shows it."""
        return {"time": iso_utc(self.at_ns), "who": self.who, "what": self.what, "reason": self.reason}


def history(state_dir: Path, *, newest: int) -> tuple[Entry, ...]:
    """The newest entries, oldest first; none where there never was a store.

    Raises:
        ConfigError: the store cannot be opened.
        sqlite3.Error: it is damaged.
    """
    path = state_dir / GUARDIAN_FILE
    if not path.exists():
        return ()
    with closing(open_readonly(path, schema_version=SCHEMA_VERSION)) as connection:
        rows = connection.execute(
            "SELECT at_ns, who, what, reason FROM history ORDER BY id DESC LIMIT ?", (newest,)
        ).fetchall()
    return tuple(Entry(at_ns=row[0], who=row[1], what=row[2], reason=row[3]) for row in reversed(rows))


def account_memories(state_dir: Path) -> tuple[tuple[str, Memory], ...]:
    """Accounts at a real broker with what is remembered of them; simulated sessions end with their market.

    Raises:
        ConfigError: the store or a memory cannot be read.
        sqlite3.Error: it is damaged.
    """
    path = state_dir / GUARDIAN_FILE
    if not path.exists():
        return ()
    with closing(open_readonly(path, schema_version=SCHEMA_VERSION)) as connection:
        facts = dict(connection.execute("SELECT name, value FROM facts").fetchall())
    prefix = memory_fact("")
    scopes = [name.removeprefix(prefix) for name in sorted(facts) if name.startswith(prefix)]
    real = [scope for scope in scopes if equity_fact(scope) not in facts]  # a session's name is no account's
    return tuple((scope, remembered(facts[prefix + scope])) for scope in real)
