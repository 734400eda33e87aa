"""Runs `mia` as a user does, in a process of its own, and kills what a test wants killed while it trades."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mia_actors.supervision.snapshot import read_tree

ROOT = Path(__file__).parents[2]
TAPE = ("--tape", "synthetic:19", "--from", "2026-03-10T13:30", "--to", "2026-03-10T20:00")
"""Six and a half hours with a short and two long trades at the loosened ensemble gate."""
RUN_WITHIN_S = 600
LOOK_EVERY_S = 0.01

Condition = Callable[[sqlite3.Connection], bool]


def _leaves(node: dict[str, Any]) -> list[dict[str, Any]]:
    if "children" not in node:
        return [node]
    return [leaf for child in node["children"] for leaf in _leaves(child)]


def loose_config(folder: Path) -> Path:
    """The shipped tree with the ensemble's gate at the base rate, so that a short session trades both ways.

    What hangs is found sooner than it would be.
    """
    document = yaml.safe_load((ROOT / "supervision.yaml").read_text())
    for child in _leaves(document["tree"]):
        child["alive_within_s"] = 2.0
        if child["id"] == "ensemble":
            child["settings"] = {"models": str(ROOT / "models"), "approve_above": 0.5}
    path = folder / "supervision.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def hasty_config(folder: Path) -> Path:
    """The same with a deadman that waits for less: only for tests that want it to act."""
    path = loose_config(folder)
    document = yaml.safe_load(path.read_text())
    document["deadman"] = {"silent_after_s": 4.0, "confirm_after_s": 1.0, "linger_s": 2.0}
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def command(*arguments: str) -> list[str]:
    """`mia ARGUMENTS` by the interpreter of the tests."""
    return [sys.executable, "-c", "from mia_actors.cli.main import main; main()", *arguments]


def after_cycles(count: int) -> Condition:
    """True once so many cycles were decided."""
    return lambda journal: int(journal.execute("SELECT COUNT(*) FROM decisions").fetchone()[0]) >= count


def entering(journal: sqlite3.Connection) -> bool:
    """True from the moment an entry is decided, before it is known to have been carried out."""
    found = journal.execute("SELECT COUNT(*) FROM decisions WHERE outcome = 'entered'").fetchone()
    return int(found[0]) >= 1


@dataclass
class Session:
    """One `mia run` and what became of it."""

    state: Path
    config: Path
    arguments: Sequence[str] = TAPE
    killed: list[tuple[str, int]] = field(default_factory=list)

    def run(
        self, kills: Sequence[tuple[Condition, str]] = (), number: signal.Signals = signal.SIGKILL
    ) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON; sends each child the signal, in order, as its condition comes true."""
        process = self.start()
        due = list(kills)
        deadline = time.monotonic() + RUN_WITHIN_S
        while process.poll() is None and time.monotonic() < deadline:
            if due and self.holds(due[0][0]) and self.kill(due[0][1], number):
                due.pop(0)
            time.sleep(LOOK_EVERY_S)
        return self.result(process)

    def start(self) -> "subprocess.Popen[str]":
        """Starts the session; its standard error goes to a file beside the state."""
        self.state.mkdir(parents=True, exist_ok=True)
        errors = (self.state.parent / f"{self.state.name}.stderr").open("a")
        options = ("--config", str(self.config), "--state", str(self.state), "--json")
        return subprocess.Popen(
            command("run", *options, *self.arguments),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def result(self, process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any]]:
        """Waits for the end; a session that does not end is killed and fails the test."""
        try:
            out, _ = process.communicate(timeout=RUN_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert out, (self.state.parent / f"{self.state.name}.stderr").read_text()[-2000:]
        document: dict[str, Any] = json.loads(out)
        return process.returncode, document

    @property
    def folder(self) -> Path | None:
        """Folder of the session, once there is one."""
        marker = self.state / "current"
        return self.state / "sessions" / marker.read_text().strip() if marker.exists() else None

    def holds(self, condition: Condition) -> bool:
        """Whether a condition on the decision journal is true now."""
        folder = self.folder
        if folder is None or not (folder / "decisions.db").exists():
            return False
        with suppress(sqlite3.OperationalError):
            journal = sqlite3.connect(folder / "decisions.db", timeout=1.0)
            try:
                return condition(journal)
            finally:
                journal.close()
        return False

    def wait(self, process: "subprocess.Popen[str]", condition: Condition) -> None:
        """Blocks until a condition holds."""
        deadline = time.monotonic() + RUN_WITHIN_S
        while not self.holds(condition):
            assert process.poll() is None, "the session ended first"
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(LOOK_EVERY_S)

    def kill(self, child_id: str, number: signal.Signals = signal.SIGKILL) -> bool:
        """The signal to a child's process; false when it has none right now that was not killed before.

        `supervisor` names the one that runs the tree and `standby` the one that waits.
        """
        folder = self.folder
        tree = read_tree(folder) if folder is not None else None
        processes = {view.id: view.process for view in tree.children} if tree else {}
        if tree is not None:
            processes |= {"supervisor": tree.supervisor, "standby": tree.standby}
        process = processes.get(child_id)
        if process is None or not process.process.alive() or (child_id, process.pid) in self.killed:
            return False
        os.kill(process.pid, number)
        self.killed.append((child_id, process.pid))
        return True

    def ledger(self) -> str:
        """The ledger file's text."""
        assert self.folder is not None
        return (self.folder / "ledger.csv").read_text()


def backtest(config: Path, state: Path, arguments: Sequence[str] = TAPE) -> tuple[dict[str, Any], str]:
    """JSON and ledger of the in-process backtest of the same tape."""
    options = ("--config", str(config), "--state", str(state), "--json")
    done = subprocess.run(
        command("backtest", *options, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), (state / "backtest-ledger.csv").read_text()
