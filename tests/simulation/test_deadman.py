"""Everything killed with a position open: the deadman latches, cancels and flattens; the stop rested all the while."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mia_actors.cli.assignment import Assignment, read_assignment
from mia_actors.core.clock import SystemClock
from mia_actors.core.orders import OrderState
from mia_actors.exchange.gateway.control_client import ControlClient
from mia_actors.guardian import console
from mia_actors.guardian.deadman import DEADMAN
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.snapshot import read_tree
from tests.simulation.session_driver import ROOT, Session, command, entering, hasty_config

Kill = Callable[[Session, "subprocess.Popen[str]"], None]
WITHIN_S = 60.0
HALTED = 3
RAY_SERVERS = ("gcs_server", "raylet/raylet")


@contextmanager
def control_of(session: Session) -> Iterator[tuple[ControlClient, Assignment]]:
    assert session.folder is not None
    assignment = read_assignment(session.folder)
    client = ControlClient(assignment.session.control_host, assignment.session.control_port)
    try:
        yield client, assignment
    finally:
        client.close()


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline_s = time.monotonic() + WITHIN_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"did not happen in time: {what}"
        time.sleep(0.02)
    return found


def orders_by_purpose(control: ControlClient) -> dict[str, str]:
    """State of the newest order of each purpose."""
    return {order["order_ref"].split(".")[3]: order["state"] for order in control.orders()}


def holds_a_protected_position(control: ControlClient) -> bool:
    found = orders_by_purpose(control)
    return (found.get("entry"), found.get("stop")) == ("filled", "working")


def ray_whole(session: Session) -> list[ProcessId]:
    """GCS and raylet first, then everything that runs below them; each by pid and start time."""
    recorded = json.loads((session.state / "ray.json").read_text())["processes"]
    assert session.folder is not None
    tree = read_tree(session.folder)
    assert tree is not None
    processes = [ProcessId(**entry) for entry in recorded] + [view.process for view in tree.processes]
    living = [process for process in dict.fromkeys(processes) if process.alive()]
    return sorted(living, key=lambda process: not is_server(process))


def is_server(process: ProcessId) -> bool:
    command = Path(f"/proc/{process.pid}/cmdline").read_text()
    return any(name in command for name in RAY_SERVERS)


def deadman_of(process_pid: int) -> ProcessId:
    children = Path(f"/proc/{process_pid}/task/{process_pid}/children").read_text().split()
    (found,) = [pid for pid in children if b"\0deadman\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    identity = ProcessId.of(int(found))
    assert identity is not None
    return identity


def kill_ray(session: Session, process: "subprocess.Popen[str]") -> None:
    del process
    ray = ray_whole(session)
    assert [is_server(one) for one in ray[:2]] == [True, True]
    for one in ray:
        one.send(signal.SIGKILL)


def kill_command(session: Session, process: "subprocess.Popen[str]") -> None:
    """Its Ray is ended by the reaper; the simulated market stays as long as the deadman does."""
    del session
    process.kill()


@pytest.mark.parametrize("kill", [kill_ray, kill_command])
def test_the_deadman_flattens_and_the_stop_rested_until_then(
    make_session: Callable[..., Session], tmp_path: Path, kill: Kill
) -> None:
    session = make_session(config=hasty_config(tmp_path))
    process = session.start()
    try:
        session.wait(process, entering)
        watched(session, process, kill)
    finally:
        process.kill()  # harmless when it has ended
        process.communicate()


def watched(session: Session, process: "subprocess.Popen[str]", kill: Kill) -> None:
    clock = SystemClock()
    with control_of(session) as (control, assignment):
        until(lambda: holds_a_protected_position(control), "an entry fills")
        deadman = deadman_of(process.pid)
        kill(session, process)
        killed_at_s = time.monotonic()
        while not console.read_state(session.state, clock).halted:
            assert time.monotonic() - killed_at_s < WITHIN_S
            assert holds_a_protected_position(control)
            time.sleep(0.02)
        halted_s = time.monotonic() - killed_at_s
        found = until(
            lambda: (seen := console.read_state(session.state, clock)).confirmed_flat and seen, "flat"
        )
        flat_s = time.monotonic() - killed_at_s
        orders = orders_by_purpose(control)
    limit_s = assignment.settings.limit_s
    sys.stdout.write(f"limit {limit_s:g} s, latched after {halted_s:.2f} s, flat after {flat_s:.2f} s\n")
    assert (found.who, found.outcome) == (DEADMAN, "FLAT")
    assert (orders["stop"], orders["target"], orders["halt"]) == ("cancelled", "cancelled", "filled")
    (offset,) = console.guardian_orders(session.state, assignment.session.session_id)
    assert offset.state is OrderState.FILLED
    assert process.wait(WITHIN_S) != 0
    assert deadman.wait_gone(WITHIN_S)
    outlives_everything(session)


def outlives_everything(session: Session) -> None:
    """Guardian and Ray were killed whole; a new command with a new Ray refuses, until a person resumes."""
    refused = session.start()
    refused.communicate(timeout=WITHIN_S)
    assert refused.returncode == HALTED
    options = ("--reason", "looked", "--yes", "--config", str(session.config), "--state", str(session.state))
    subprocess.run(command("resume", *options), cwd=ROOT, check=True, capture_output=True)
    assert not console.read_state(session.state, SystemClock()).halted
