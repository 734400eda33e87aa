"""Every named moment in an order's life, everybody struck there in turn: the broker's book is the intended one.

`pytest tests/crash_matrix -s` prints the table: every fifth cell of it, all of them with `MIA_CRASH_MATRIX=full`.
"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mia_actors.cli.assignment import ASSIGNMENT_FILE, read_assignment
from mia_actors.core.errors import MiaError
from mia_actors.exchange.gateway.control_client import ControlClient
from tests.crash_matrix.children import POINTS_OF_BROKER, POINTS_OF_EXECUTOR
from tests.crash_matrix.points import Crash, Victim, carried_out, write_plan
from tests.simulation.session_driver import ROOT, Session

FULL = os.environ.get("MIA_CRASH_MATRIX") == "full"
BARS = 420 if FULL else 150
TAPE = ("--tape", "synthetic:11", "--from", "2026-03-10T13:30", "--cycles", str(BARS))
EVERY = 5
"""Has no divisor in common with the number of moments, so that every victim is struck at others."""
RECONNECT = Crash(point="after the group is acknowledged", victim=Victim.SOCKET)
"""A new connection, for the moments that only one has."""
SAMPLE_EVERY_S = 0.02
CHILDREN = {
    "execution": "crash_matrix.children:CrashingExecutor",
    "broker": "crash_matrix.children:CrashingBroker",
    "cycle": "crash_matrix.children:ScriptedRunner",
    "guardian": "crash_matrix.children:LenientGuardian",
}


def plan_of(every: int) -> list[Crash]:
    """Every so many cells, victim by victim in the order in which an order's life passes the moments."""
    moments = (*POINTS_OF_EXECUTOR, *POINTS_OF_BROKER)
    cells = [Crash(point=point, victim=victim) for victim in Victim for point in moments][::every]
    return [
        item
        for cell in cells
        for item in ((RECONNECT, cell) if "the connection is made" in cell.point else (cell,))
    ]


def config(folder: Path) -> Path:
    """The shipped tree without feature workers, with the children of this test and limits that do not bind."""
    document = yaml.safe_load((ROOT / "supervision.yaml").read_text())
    document["session"]["gateway_restarts_max"] = 1000

    def changed(node: dict[str, Any]) -> dict[str, Any]:
        if "children" in node:
            node["intensity"] = 1000
            node["children"] = [changed(one) for one in node["children"] if one["id"] != "features"]
        elif node["id"] in CHILDREN:
            node["run"] = CHILDREN[node["id"]]
        elif node["id"] == "ensemble":
            node["settings"]["models"] = str(ROOT / "models")
        if node["id"] == "broker":
            node["settings"]["reconnects_max"] = 1000
        return node

    changed(document["tree"])
    document["deadman"]["silent_after_s"] = 300.0
    path = folder / "supervision.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


@dataclass
class Unprotected:
    """Wall seconds in which the gateway's own books had a position and no working stop."""

    total_s: float = 0.0
    longest_s: float = 0.0
    spans: int = 0
    _began_s: float | None = field(default=None, repr=False)

    def look(self, control: ControlClient) -> None:
        before = control.status()["position_contracts"]
        stops = [one for one in control.orders() if ".stop" in one["order_ref"] and one["state"] == "working"]
        after = control.status()["position_contracts"]
        now_s = time.monotonic()
        if before == after != 0 and not stops:
            self._began_s = self._began_s or now_s
        elif self._began_s is not None:
            span_s, self._began_s = now_s - self._began_s, None
            self.total_s, self.longest_s = self.total_s + span_s, max(self.longest_s, span_s)
            self.spans += 1


@contextmanager
def sampled(session: Session) -> Iterator[Unprotected]:
    found, ended = Unprotected(), threading.Event()

    def loop() -> None:
        control: ControlClient | None = None
        while not ended.wait(SAMPLE_EVERY_S):
            try:
                if control is None:
                    folder = session.folder
                    if folder is None or not (folder / ASSIGNMENT_FILE).exists():
                        continue
                    info = read_assignment(folder).session
                    control = ControlClient(info.control_host, info.control_port, patience_s=0.0)
                found.look(control)
            except (MiaError, OSError):
                continue  # the gateway is away: nothing moves

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def book_of(ledger: str) -> Counter[tuple[str, str]]:
    """How often each order is there, and how often it was filled."""
    return Counter((line.split(",")[1], line.split(",")[3]) for line in ledger.splitlines()[1:])


def table(
    items: Sequence[Crash], groups: int, lost: int, doubled: int, unprotected: dict[str, Unprotected]
) -> str:
    runs = Counter((item.point, item.victim) for item in items)
    width = max(len(item.point) for item in items)
    lines = [f"{'moment':{width}}  " + "  ".join(f"{victim.value:>9}" for victim in Victim)]
    for point in dict.fromkeys((*POINTS_OF_EXECUTOR, *POINTS_OF_BROKER)):
        counts = "  ".join(f"{runs[(point, victim)]:9}" for victim in Victim)
        lines.append(f"{point:{width}}  {counts}")
    lines.append(f"{len(items)} strikes at {groups} groups of orders, lost {lost}, doubled {doubled}")
    for name, seen in unprotected.items():
        lines.append(
            f"{name}: a position without a working stop {seen.spans} times, "
            f"at most {seen.longest_s:.2f} s, {seen.total_s:.2f} s in all"
        )
    return "\n".join(lines)


@pytest.mark.timeout(900)
def test_whoever_dies_wherever_the_ledger_is_the_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    path = config(tmp_path)
    items = plan_of(1 if FULL else EVERY)
    ledgers: list[str] = []
    seen: dict[str, Unprotected] = {}
    for name, plan in (("undisturbed", []), ("struck", items)):
        session = Session(state=tmp_path / name, config=path, arguments=TAPE)
        write_plan(session.state, plan)
        with sampled(session) as seen[name]:
            code, _ = session.run()
        assert code == 0
        assert carried_out(session.state) == len(plan)
        ledgers.append(session.ledger())
    intended, found = (book_of(ledger) for ledger in ledgers)
    groups = sum(1 for kind, ref in intended if kind == "order" and not ref.endswith((".stop", ".target")))
    lost, doubled = intended - found, found - intended
    sys.stdout.write("\n" + table(items, groups, lost.total(), doubled.total(), seen) + "\n")
    assert groups > len(items)
    assert (lost.total(), doubled.total()) == (0, 0)
    assert ledgers[0] == ledgers[1]
