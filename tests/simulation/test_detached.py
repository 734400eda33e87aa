"""Sessions in a process of their own: by the Python API, and by `mia up` and `mia down`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mia_actors import AutomationConfig, MIAAutomationSystem
from mia_actors.core.errors import ConfigError
from tests.simulation.session_driver import ROOT, TAPE, command


def _config(config: Path, state: Path, **changes: Any) -> AutomationConfig:
    return AutomationConfig(config=config, state=state, tape=TAPE[1], begin=TAPE[3], until=TAPE[5], **changes)


def test_a_session_of_the_api_ends_with_its_tape_and_the_ledger_of_the_backtest(
    config: Path, reference: tuple[dict[str, Any], str], tmp_path: Path
) -> None:
    system = MIAAutomationSystem(_config(config, tmp_path / "state", pace="lockstep"))
    session = system.start()
    assert system.get_status()["session_id"] == session
    assert system.wait(within_s=300) == 0
    status = system.get_status()
    summary = status["summary"]
    assert isinstance(summary, dict)
    assert summary["ledger_sha256"] == reference[0]["ledger_sha256"]
    assert (status["running"], system.stop()) == (False, False)


def test_a_detached_session_is_seen_by_others_and_ends_when_asked(config: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    chosen = _config(config, state, pace="60x")
    arguments = ("--config", str(config), "--state", str(state), "--json")
    said = subprocess.run(
        command("up", *arguments, *chosen.arguments()[4:]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    session = json.loads(said.stdout)["session_id"]
    other = MIAAutomationSystem(chosen)
    status = other.get_status()
    assert (status["session_id"], status["running"], status["summary"]) == (session, True, None)
    with pytest.raises(ConfigError, match="a session runs already"):
        other.start()
    ended = subprocess.run(command("down", *arguments), cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == {"session_id": session}
    assert other.get_status()["running"] is False
    assert other.get_status()["summary"] is not None


def test_a_session_that_cannot_start_says_why(config: Path, tmp_path: Path) -> None:
    system = MIAAutomationSystem(AutomationConfig(config=config, state=tmp_path / "s", tape="no.parquet"))
    with pytest.raises(ConfigError, match=r"no\.parquet: no such file"):
        system.start()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"broker": "paper", "tape": "synthetic"}, "trades the market as it comes; tape: sim only"),
        ({"broker": "live"}, "needs live_account"),
        ({"pace": "fast"}, "pace"),
        ({"cycles": 0}, "cycles"),
        ({"contract": "ESZ6"}, "contract"),
        ({"paces": "60x"}, "paces"),
    ],
)
def test_options_that_contradict_are_refused_when_they_are_given(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AutomationConfig.model_validate(changes)
