"""`mia explain` reads the stored decisions of a session."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mia_actors.cli import explain_command
from mia_actors.cli.app import app, results
from mia_actors.core.decisions import Decision
from mia_actors.core.units import ES
from mia_actors.cycle.decision import Candidate, DecisionCore
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal
from tests.unit.cycle.situations import cycle_inputs, short_market, vote

ENTERED, REFUSED, CLOSED = (
    "ESZ3@20131008T140000Z",
    "ESZ3@20131008T141500Z",
    "ESZ3@20131008T220500Z",
)


def _decided(at: str, *, approved: bool = True) -> Decision:
    core, inputs = DecisionCore(DecisionSettings(), ES), cycle_inputs(short_market(), at=at)
    found = core.propose(inputs)
    return core.conclude(inputs, found, vote(approved=approved)) if isinstance(found, Candidate) else found


@pytest.fixture(autouse=True)
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    journal = DecisionJournal.open(tmp_path / DECISIONS_FILE)
    for decision in (
        _decided("2013-10-08T10:00"),
        _decided("2013-10-08T10:15", approved=False),
        _decided("2013-10-08T18:05"),
    ):
        journal.add(decision, held_contracts=0, completed=True)
    journal.close()
    monkeypatch.setattr(explain_command, "newest_session", lambda *_: (None, tmp_path))
    monkeypatch.setattr(results, "width", 160)
    return tmp_path


def _asked(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def _cycles(*arguments: str) -> list[str]:
    return [one["cycle_id"] for one in json.loads(_asked("--json", *arguments))["cycles"]]


@pytest.mark.parametrize(
    ("arguments", "cycles"),
    [
        ((), [REFUSED]),
        (("--last", "5"), [ENTERED, REFUSED]),
        (("--outcome", "entered"), [ENTERED]),
        (("--outcome", "no_signal"), [CLOSED]),
        (("--reason", "outside_trading_hours"), [CLOSED]),
        (("--date", "2013-10-08", "--last", "9"), [ENTERED, REFUSED]),
        (("--date", "2013-10-09"), [CLOSED]),
        ((ENTERED,), [ENTERED]),
    ],
)
def test_what_is_asked_for_is_explained(arguments: tuple[str, ...], cycles: list[str]) -> None:
    assert _cycles(*arguments) == cycles


def test_people_see_the_gate_that_said_no_and_what_it_wanted() -> None:
    shown = _asked()
    assert "refused, ensemble rejected" in shown
    assert "✗  ensemble " in shown
    assert "above 0.60" in shown
    assert "✓  confluence " in shown
    assert "Tue 2013-10-08 10:15 New York" in shown


@pytest.mark.parametrize("arguments", [("no-such-cycle",), ("--date", "2013-10-01"), ("--outcome", "maybe")])
def test_what_is_not_there_is_refused(arguments: tuple[str, ...]) -> None:
    _asked(*arguments, code=2)


def test_a_session_without_decisions_says_so(session: Path) -> None:
    (session / DECISIONS_FILE).unlink()
    _asked(code=2)
