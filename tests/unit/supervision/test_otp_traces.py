"""The same scenario must leave the trace that the supervisor of Erlang/OTP left when it ran it."""

import json
from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.scenario import main, parse_scenario, trace_lines

SCENARIOS = Path(__file__).parents[2] / "otp_reference" / "scenarios"
NAMES = sorted(path.name.removesuffix(".scenario.json") for path in SCENARIOS.glob("*.scenario.json"))


@pytest.mark.parametrize("name", NAMES)
def test_the_trace_equals_that_of_otp_line_for_line(name: str) -> None:
    scenario = parse_scenario((SCENARIOS / f"{name}.scenario.json").read_text())
    recorded = (SCENARIOS / f"{name}.trace.jsonl").read_text().splitlines()
    assert trace_lines(scenario) == recorded


def test_there_are_recorded_traces() -> None:
    assert len(NAMES) >= 78


def test_the_command_prints_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SCENARIOS / "intensity_zero.scenario.json")]) == 0
    assert capsys.readouterr().out == (SCENARIOS / "intensity_zero.trace.jsonl").read_text()


@pytest.mark.parametrize(
    "text", ["", "{}", json.dumps({"supervisor": {}, "children": [{"restart": "never"}]})]
)
def test_what_is_not_a_scenario_is_refused_with_its_name(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.scenario.json"
    path.write_text(text)
    assert main([str(path)]) == 2
    assert "wrong.scenario.json: not a scenario" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        parse_scenario(text)
