"""A small market of our own making, in which good trades are those with high momentum and trend."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.market import Timeframe
from mia_actors.ensemble.export import train_and_export
from mia_actors.ensemble.manifest import Manifest
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.ensemble.training_set import TrainingSet

START_NS = 1_420_070_400 * NS_PER_S  # 2015-01-01
HOUR_NS = 3600 * NS_PER_S


def small_samples(count: int = 600, *, seed: int = 3, base_rate: float = 0.3) -> TrainingSet:
    source = np.random.default_rng(seed)
    x = source.random((count, 8))
    strength = x[:, 0] + x[:, 1] + source.normal(0.0, 0.25, count)
    y = (strength > np.quantile(strength, 1.0 - base_rate)).astype(np.int64)
    event_time_ns = START_NS + np.arange(count, dtype=np.int64) * HOUR_NS
    return TrainingSet(
        x=x,
        y=y,
        event_time_ns=event_time_ns,
        label_end_ns=event_time_ns + 2 * HOUR_NS,
        net_usd=np.where(y == 1, 100.0, -60.0),
        source=f"synthetic, seed {seed}",
        label="momentum and trend are high",
        instrument="ES",
        base_timeframe=Timeframe.M5,
        entry_timeframe=Timeframe.M5,
    )


def _settings(**changes: object) -> TrainingSettings:
    small = {
        "samples_min": 100,
        "folds": 2,
        "embargo_s": 3600,
        "forest_trees": 12,
        "forest_depth": 5,
        "boost_trees": 12,
        "boost_depth": 3,
        "boost_rate": 0.3,
    }
    return TrainingSettings.model_validate({**small, **changes})


@pytest.fixture
def make_samples() -> Callable[..., TrainingSet]:
    """Samples an hour apart, each known two hours later: `make_samples(count, seed=, base_rate=)`."""
    return small_samples


@pytest.fixture
def make_settings() -> Callable[..., TrainingSettings]:
    """Few and shallow trees, few samples, with the changes given."""
    return _settings


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A models directory with one version; copy it before you damage it."""
    directory = tmp_path_factory.mktemp("models")
    return directory, train_and_export(small_samples(), directory, _settings())


@pytest.fixture(scope="session")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A directory with three versions, none promoted; copy it before you change it."""
    directory = tmp_path_factory.mktemp("models")
    made = [
        train_and_export(small_samples(), directory, _settings(seed=seed), promoted=False)
        for seed in (1, 2, 3)
    ]
    return directory, [manifest.version for manifest in made]
