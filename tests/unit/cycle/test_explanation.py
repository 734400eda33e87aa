"""Every decision explained from what was stored of it."""

from dataclasses import replace
from typing import Any

import pytest

from mia_actors.core.codec import from_json, to_json
from mia_actors.core.decisions import Decision, Outcome, Reason
from mia_actors.core.units import ES
from mia_actors.cycle.decision import Candidate, DecisionCore
from mia_actors.cycle.explanation import Line, Severity, explain
from mia_actors.cycle.settings import DecisionSettings
from tests.unit.cycle.situations import cycle_inputs, long_market, vote


def _decided(approved: bool = True, *, answered: bool = True, **changes: Any) -> Decision:  # noqa: FBT001, FBT002 - a test
    core, inputs = (
        DecisionCore(DecisionSettings(**changes), ES),
        cycle_inputs(long_market(relative_volume=12.0)),
    )
    found = core.propose(inputs)
    whole = (
        core.conclude(inputs, found, vote(approved=approved, answered=answered))
        if isinstance(found, Candidate)
        else found
    )
    return from_json(Decision, to_json(whole))


def _blocking(decision: Decision) -> list[Line]:
    return [line for line in explain(decision).lines if line.severity is Severity.BLOCKING]


@pytest.mark.parametrize(
    ("changes", "reason", "required"),
    [
        ({"confluence_min": 0.9}, "confluence_too_low", "at least 0.90"),
        ({"confluence_coverage_min": 0.9}, "confluence_coverage", "at least 0.90"),
        ({"confidence_min": 0.95}, "confidence_too_low", "at least 0.95"),
        ({"stop_ticks_max": 9}, "stop_too_wide", "at most 9"),
        ({"approved": False}, "ensemble_rejected", "above 0.60"),
    ],
)
def test_a_refusal_quotes_the_threshold_that_was_used(
    changes: dict[str, Any], reason: str, required: str
) -> None:
    found = _blocking(_decided(**changes))
    assert [(line.reason, line.required) for line in found] == [(reason, required)]


def test_an_entry_is_explained_by_all_it_passed() -> None:
    told = explain(_decided())
    assert told.headline.startswith("entered: BUY 1")
    assert not [line for line in told.lines if line.severity is Severity.BLOCKING]
    names = [line.title for line in told.lines]
    assert names[-5:] == ["strategy smart_money", "model a", "model b", "model c", "data"]
    assert told.lines[-1].severity is Severity.WARNING


def test_what_the_guardian_refused_after_the_decision_blocks_too() -> None:
    late = replace(
        _decided(), outcome=Outcome.REFUSED, reason=Reason.GUARDIAN_REFUSED, detail="no permit: paused"
    )
    assert [(line.reason, line.current) for line in _blocking(late)] == [
        ("guardian_refused", "no permit: paused")
    ]


def test_an_unavailable_strategy_is_a_warning() -> None:
    core = DecisionCore(DecisionSettings(), ES)
    found = core.propose(cycle_inputs(long_market(flow=None)))
    decision = found if isinstance(found, Decision) else core.conclude(cycle_inputs(), found, vote())
    severities = {line.title: line.severity for line in explain(decision).lines}
    assert severities["strategy smart_money"] is Severity.WARNING
    assert severities["strategy battle_navale"] is Severity.INFO


def test_a_journal_of_an_earlier_version_can_still_be_read() -> None:
    text = to_json(_decided()).replace('"gates"', '"forgotten_gates"')
    told = explain(from_json(Decision, text))
    assert told.headline.startswith("entered")
