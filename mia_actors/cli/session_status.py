"""What a state directory tells of its running or last session: the document of `mia status`."""

import sqlite3
from pathlib import Path

from mia_actors.cli.drill_record import last_drill
from mia_actors.cli.state import StateDirectory, is_running
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError, MiaError
from mia_actors.guardian import console
from mia_actors.guardian.records import history
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal
from mia_actors.supervision.snapshot import read_tree

HISTORY_SHOWN = 10


def session_status(directory: StateDirectory) -> dict[str, object]:
    """Keys as `mia status --json` prints them; reads files, needs no Ray.

    Raises:
        ConfigError: nothing was ever run with this directory.
    """
    drill = last_drill(directory.path, SystemClock().now_ns())
    guardian = console.read_state(directory.path, SystemClock()).document()
    document: dict[str, object] = {"session_id": None, "running": False, "guardian": guardian}
    session = directory.current()
    if session is None and drill is None:  # a drill alone is something to show
        raise ConfigError(f"{directory.path}: no session was run yet; `mia run` starts one")
    if session is not None:
        tree = read_tree(session)
        document |= {
            "session_id": session.name,
            "running": is_running(directory),
            "restarts": tree.restarts_total if tree else 0,
            **_cycles(session),
        }
    document["last_drill"] = drill
    document["guardian_history"] = _history(directory.path)
    return document


def _history(state_dir: Path) -> list[dict[str, str]]:
    """Who halted and resumed, when and why; nothing where the store cannot be read, which the state above says."""
    try:
        return [entry.document() for entry in history(state_dir, newest=HISTORY_SHOWN)]
    except (MiaError, sqlite3.Error):
        return []


def _cycles(session: Path) -> dict[str, object]:
    path = session / DECISIONS_FILE
    if not path.exists():
        return {"cycles": 0}
    journal = DecisionJournal.open(path)
    try:
        counts, last = journal.counts(), journal.last_completed()
    finally:
        journal.close()
    found: dict[str, object] = {
        "cycles": counts.cycles,
        "signals": counts.signals,
        "approved": counts.approved,
        "refused": counts.refused,
    }
    if last is not None:
        found["last_cycle"] = (
            f"{last.decision.cycle_id}: {last.decision.outcome.value}, {last.decision.detail}"
        )
    return found
