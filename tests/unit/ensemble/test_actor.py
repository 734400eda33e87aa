from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import ValidationError

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError, InvariantViolated
from mia_actors.core.features import EnsembleVector
from mia_actors.core.market import Timeframe
from mia_actors.core.session import SessionInfo
from mia_actors.ensemble.actor import Ensemble, EnsembleSettings
from mia_actors.ensemble.manifest import Manifest
from mia_actors.supervision.child import ChildContext, parse_settings

Stored = tuple[Path, Manifest]
GOOD = EnsembleVector(values=(1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5))
BAD = EnsembleVector(values=(0.0, 0.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5))

NOON_NS = 1_381_248_000 * 10**9


def context_of(config_dir: Path, base_timeframe: Timeframe = Timeframe.M5) -> ChildContext:
    session = SessionInfo(
        session_id="s",
        state_dir=str(config_dir),
        session_dir=str(config_dir),
        symbol="ES",
        contract_month=None,
        base_timeframe=base_timeframe,
        lockstep=True,
        control_host="127.0.0.1",
        control_port=0,
        connections=(),
        config_dir=str(config_dir),
    )

    def unused(*_: object) -> NoReturn:
        raise AssertionError("the ensemble asks nobody")

    return ChildContext(
        child_id="ensemble",
        incarnation=1,
        session=session,
        clock=SystemClock(),
        refs=unused,
        finish=unused,
        crash=unused,
    )


def _started(stored: Stored, **settings: object) -> Ensemble:
    directory = stored[0]
    chosen = EnsembleSettings.model_validate({"models": directory.name, **settings})
    ensemble = Ensemble(chosen, context_of(directory.parent))
    ensemble.start()
    return ensemble


def test_it_votes_with_the_models_beside_the_configuration(stored: Stored) -> None:
    """`models` is relative to supervision.yaml; the trained market tells good from bad."""
    ensemble = _started(stored)
    good, bad = ensemble.vote(GOOD, NOON_NS), ensemble.vote(BAD, NOON_NS)
    assert good.approved
    assert good.model_version == stored[1].version
    assert not bad.approved


def test_the_threshold_is_that_of_the_settings(stored: Stored) -> None:
    """0.99 approves nothing that 0.60 approves."""
    vote = _started(stored, approve_above=0.99).vote(GOOD, NOON_NS)
    assert vote.threshold == 0.99
    assert not vote.approved


def test_a_repeated_question_gets_the_same_answer(stored: Stored) -> None:
    """Also from the next incarnation, which has an empty cache."""
    assert _started(stored).vote(GOOD, NOON_NS) == _started(stored).vote(GOOD, NOON_NS)


def test_figures_are_plain_numbers_for_the_monitor(stored: Stored) -> None:
    """Counts, hit rate and inference times of the votes that were not cached."""
    ensemble = _started(stored)
    assert "inference_p50_ms" not in ensemble.figures()
    for vector in (GOOD, GOOD, BAD, EnsembleVector(values=(2.0,) * 8)):
        ensemble.vote(vector, NOON_NS)
    figures = ensemble.figures()
    assert figures["votes"] == 4
    assert figures["approved"] == 2
    assert figures["failed"] == 1
    assert figures["cache_hits"] == 1
    assert figures["cache_hit_rate"] == 0.25
    assert 0 < figures["inference_p50_ms"] <= figures["inference_p99_ms"]
    assert all(isinstance(value, float) for value in figures.values())


def test_without_models_it_does_not_start(tmp_path: Path) -> None:
    """No fallback votes in their place."""
    ensemble = Ensemble(EnsembleSettings(), context_of(tmp_path))
    with pytest.raises(ConfigError, match="models is not a directory"):
        ensemble.start()


def test_models_for_other_entries_do_not_start(stored: Stored) -> None:
    """The configured entry timeframe is checked against the manifest."""
    with pytest.raises(ConfigError, match="entries on 5m bars, configured is 15m"):
        _started(stored, entry_timeframe="15m")


def test_asked_before_start_it_crashes(stored: Stored) -> None:
    """A bug of the shell is not a vote."""
    ensemble = Ensemble(EnsembleSettings(), context_of(stored[0].parent))
    with pytest.raises(InvariantViolated):
        ensemble.vote(GOOD, NOON_NS)


@pytest.mark.parametrize(
    "settings",
    [
        {"approve_above": 0.4},
        {"approve_above": 1.0},
        {"cache_entries": -1},
        {"weights": {"random_forest": 0.9}},
        {"approve": 0.6},
    ],
)
def test_settings_out_of_bounds_or_unknown_are_refused(settings: dict[str, object]) -> None:
    """A gate below the base rate, weights of 1.4, a misspelt key."""
    with pytest.raises(ValidationError):
        parse_settings(EnsembleSettings, settings)


def test_settings_are_read_as_supervision_yaml_gives_them() -> None:
    """Strict JSON with text for path and timeframe."""
    found = parse_settings(
        EnsembleSettings, {"models": "models", "approve_above": 0.60, "entry_timeframe": "5m"}
    )
    assert found == EnsembleSettings()
