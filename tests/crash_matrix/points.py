"""Named moments in the life of an order, and what happens at each: one plan, carried out one item after the other."""

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from mia_actors.cli.state import open_state
from mia_actors.core.session import SessionInfo
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.snapshot import read_tree

PLAN_FILE = "crash_plan.json"
DONE_FOLDER = "crashed"
DIES_WITHIN_S = 10.0
TRADING = "trading"


class Victim(StrEnum):
    """Who is struck."""

    EXECUTOR = "execution"
    BROKER = "broker"
    SOCKET = "socket"
    """The broker actor's connection, reset by the gateway."""
    GATEWAY = "gateway"
    """The simulated gateway's process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """One item of the plan."""

    point: str
    victim: Victim


class CrashPlan:
    """What is still to come, as files beside the session: whoever reaches the next item's point carries it out."""

    def __init__(self, session: SessionInfo) -> None:
        self._session = session
        self._done = Path(session.state_dir) / DONE_FOLDER
        path = Path(session.state_dir) / PLAN_FILE
        found = json.loads(path.read_text()) if path.exists() else []
        self._items = [Crash(point=item["point"], victim=Victim(item["victim"])) for item in found]

    def reach(self, point: str, child_id: str) -> None:
        """The named moment, in the process of that child."""
        number = len(list(self._done.iterdir())) if self._done.exists() else 0
        if number >= len(self._items) or self._items[number].point != point:
            return
        try:
            handle = os.open(self._done / f"{number:03}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            return  # another thread was here first
        os.close(handle)
        self._strike(self._items[number].victim, child_id)

    def _strike(self, victim: Victim, child_id: str) -> None:
        if victim == child_id:
            die()
        if victim in {Victim.SOCKET, Victim.GATEWAY}:
            control = ControlClient(self._session.control_host, self._session.control_port)
            if victim is Victim.SOCKET:
                control.drop(self._session.connection(TRADING).client_id)
            else:
                status = control.status()
                kill(ProcessId(pid=int(status["pid"]), start_time=int(status["start_time"])))
            control.close()
            return
        tree = read_tree(Path(self._session.session_dir))
        for child in tree.children if tree is not None else ():
            if child.id == victim and child.process is not None:
                kill(child.process.process)


def die() -> NoReturn:
    """By SIGKILL, as from outside."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(1.0)


def kill(process: ProcessId) -> None:
    """Until it is gone."""
    process.send(signal.SIGKILL)
    process.wait_gone(DIES_WITHIN_S)


def write_plan(state_dir: Path, items: list[Crash]) -> None:
    """Before the session begins."""
    open_state(state_dir)
    (state_dir / DONE_FOLDER).mkdir(exist_ok=True)
    (state_dir / PLAN_FILE).write_text(json.dumps([asdict(item) for item in items]))


def carried_out(state_dir: Path) -> int:
    """How many items were."""
    return len(list((state_dir / DONE_FOLDER).iterdir()))
