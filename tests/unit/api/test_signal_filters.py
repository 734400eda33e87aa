"""The two parts of the public API that need no session."""

import subprocess
import sys
from datetime import date, datetime
from math import inf, nan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mia_actors import GammaCyclesAnalyzer, MLEnsembleFilter
from mia_actors.api.gamma_cycles import GammaCyclesConfig
from mia_actors.core.clock import time_ns_of
from mia_actors.core.features import ENSEMBLE_FEATURES, EnsembleVector

ROOT = Path(__file__).parents[3]
NEW_YORK = ZoneInfo("America/New_York")
SOUND = dict.fromkeys(ENSEMBLE_FEATURES, 0.5)


@pytest.fixture(scope="module")
def models() -> MLEnsembleFilter:
    return MLEnsembleFilter(ROOT / "models")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_approval_is_p_good_above_the_threshold_and_nothing_else(
    models: MLEnsembleFilter, values: list[float]
) -> None:
    found = models.predict_signal_quality(dict(zip(ENSEMBLE_FEATURES, values, strict=True)))
    assert found.approved == (found.confidence > found.threshold == 0.60)
    assert set(found.p_good_by_model) == {"random_forest", "xgboost", "logistic_regression"}


def test_a_mapping_and_a_vector_get_the_same_answer(models: MLEnsembleFilter) -> None:
    by_name = models.predict_signal_quality(SOUND)
    by_vector = models.predict_signal_quality(EnsembleVector(values=(0.5,) * 8))
    assert (by_name.confidence, by_vector.cached) == (by_vector.confidence, True)
    assert by_name.model_version


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({}, "unavailable: momentum_flow"),
        (SOUND | {"time_factor": None}, "unavailable: time_factor"),
        (SOUND | {"vibes": 1.0}, "not a feature of the ensemble: vibes"),
        (SOUND | {"time_factor": "high"}, "not a number: time_factor"),
        (SOUND | {"time_factor": nan}, "feature time_factor is nan"),
        (SOUND | {"time_factor": inf}, "feature time_factor is inf"),
        (SOUND | {"time_factor": 1.01}, "feature time_factor is 1.01"),
    ],
)
def test_what_is_missing_or_senseless_is_rejected(
    models: MLEnsembleFilter, features: dict[str, Any], reason: str
) -> None:
    found = models.predict_signal_quality(features)
    assert (found.approved, found.confidence, found.p_good_by_model) == (False, 0.0, {})
    assert reason in found.reason


def test_without_models_everything_is_rejected(tmp_path: Path) -> None:
    models = MLEnsembleFilter(tmp_path / "none")
    found = models.predict_signal_quality(SOUND)
    assert (models.is_available, found.approved, found.model_version) == (False, False, "")
    assert "is not a directory" in found.reason


class Noon:
    """A clock that stands."""

    def now_ns(self) -> int:
        return time_ns_of(datetime(2013, 10, 8, 12, tzinfo=NEW_YORK))

    def monotonic_s(self) -> float:
        return 0.0

    def sleep_s(self, duration_s: float) -> None:
        raise AssertionError


def test_good_friday_moves_the_expiry_to_thursday() -> None:
    found = GammaCyclesAnalyzer().analyze_gamma_cycle(datetime(2025, 4, 14, 10, tzinfo=NEW_YORK))
    assert (found.next_expiry, found.days_to_expiry) == (date(2025, 4, 17), 3)
    assert (found.phase, found.factor, found.size_multiplier) == ("gamma_peak", 1.30, 1.2)
    assert found.expected_volatility == "moderate"


def test_now_is_the_clocks() -> None:
    found = GammaCyclesAnalyzer(clock=Noon()).analyze_gamma_cycle()
    assert (found.day, found.next_expiry) == (date(2013, 10, 8), date(2013, 10, 18))


def test_factors_can_be_set_and_a_moment_needs_its_zone() -> None:
    analyzer = GammaCyclesAnalyzer(GammaCyclesConfig(gamma_moderate_factor=1.5), clock=Noon())
    assert analyzer.analyze_gamma_cycle().factor == 1.5
    with pytest.raises(ValueError, match="no time zone"):
        analyzer.analyze_gamma_cycle(datetime(2025, 4, 14, 10))  # noqa: DTZ001 - that is what is refused


def test_the_example_runs() -> None:
    found = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "signal_quality.py")],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.splitlines()
    assert found[0].startswith("approved ")
    assert found[1] == "approved False: unavailable: momentum_flow"
    assert found[2].startswith("2025-04-17: expiry_week")


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = (
        "import mia_actors, sys; print(sorted({'ray', 'numpy', 'numba', 'onnxruntime'} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", heavy], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert said.stdout.strip() == "[]"
