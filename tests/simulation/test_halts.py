"""A person's halt while orders work: cancelled, flat, latched, and nothing trades until somebody resumes."""

import getpass
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from mia_actors.core.clock import SystemClock
from mia_actors.guardian import console
from tests.simulation.session_driver import ROOT, TAPE, Session, after_cycles, command, entering

PACED = (*TAPE, "--pace", "60x")


def _mia(*arguments: str, state: Path, config: Path) -> "subprocess.CompletedProcess[str]":
    options = ("--config", str(config), "--state", str(state))
    return subprocess.run(
        command(*arguments, *options), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_halt_in_mid_session_cancels_flattens_and_latches(session: Session) -> None:
    process = session.start()
    session.wait(process, entering)
    console.request(session.state, "halt", reason="drill", who=getpass.getuser(), clock=SystemClock())
    code, document = session.result(process)
    assert code == 3
    assert document["guardian"] == {"state": "halted", "level": "CATASTROPHE"}
    assert document["final_position"] == 0
    found = console.read_state(session.state, SystemClock())
    assert (found.halted, found.confirmed_flat, found.reason) == (True, True, "drill")

    refused = _mia("run", *TAPE, state=session.state, config=session.config)
    assert refused.returncode == 3
    assert "trading is halted since" in refused.stderr
    assert 'mia resume --reason "..."' in refused.stderr

    assert _mia("resume", "--reason", " ", state=session.state, config=session.config).returncode == 2
    released = _mia(
        "resume", "--reason", "drill is over", "--yes", "--json", state=session.state, config=session.config
    )
    assert released.returncode == 0
    assert json.loads(released.stdout)["state"] == "active"

    code, document = session.run()
    assert code == 0
    assert document["guardian"]["state"] == "active"


def test_the_halt_command_waits_until_the_account_is_flat(make_session: Callable[..., Session]) -> None:
    """Against a paced market, through the command a person types."""
    session = make_session(arguments=PACED)
    process = session.start()
    session.wait(process, after_cycles(1))
    halted = _mia("halt", "--reason", "enough", "--json", state=session.state, config=session.config)
    assert halted.returncode == 0, halted.stderr
    document = json.loads(halted.stdout)
    assert (document["state"], document["confirmed_flat"], document["reason"]) == ("halted", True, "enough")
    code, _ = session.result(process)
    assert code == 3
