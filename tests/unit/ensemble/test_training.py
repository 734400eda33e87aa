import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mia_actors.ensemble
from mia_actors.core.errors import PermanentError
from mia_actors.core.features import EnsembleVector
from mia_actors.ensemble import export
from mia_actors.ensemble.card_plots import PLOT_FILES
from mia_actors.ensemble.export import train_and_export
from mia_actors.ensemble.manifest import EnsembleWeights, Manifest, Scores
from mia_actors.ensemble.registry import load
from mia_actors.ensemble.serving import EnsembleServer
from mia_actors.ensemble.training import TrainingSettings, train
from mia_actors.ensemble.training_set import TrainingSet

Stored = tuple[Path, Manifest]
MakeSamples = Callable[..., TrainingSet]
MakeSettings = Callable[..., TrainingSettings]
FILES = {
    "random_forest.onnx",
    "xgboost.onnx",
    "logistic_regression.onnx",
    "manifest.json",
    "MODEL_CARD.md",
    *PLOT_FILES,
}


def _ensemble(scores: tuple[Scores, ...]) -> Scores:
    return next(found for found in scores if found.model == "ensemble")


def test_a_version_has_its_files_and_is_current(stored: Stored) -> None:
    """The layout others rely on, and nothing left over from writing it."""
    directory, manifest = stored
    assert {path.name for path in (directory / manifest.version).iterdir()} == FILES
    assert (directory / "CURRENT").read_text() == f"{manifest.version}\n"
    names = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    assert names == {manifest.version, "CURRENT", "HISTORY"}


def test_training_twice_gives_the_same_version_and_bytes(
    stored: Stored, make_samples: MakeSamples, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Equal samples and settings: equal files, to the byte, and so an equal name."""
    directory, manifest = stored
    again = train_and_export(make_samples(), tmp_path, make_settings())
    assert again == manifest
    for name in FILES:
        first = (directory / manifest.version / name).read_bytes()
        assert (tmp_path / again.version / name).read_bytes() == first, name


def test_another_seed_or_other_samples_give_another_version(
    stored: Stored, make_samples: MakeSamples, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """The name is made of the content."""
    _, manifest = stored
    other_seed = train_and_export(make_samples(), tmp_path, make_settings(seed=9), promoted=False)
    other_samples = train_and_export(make_samples(seed=4), tmp_path, make_settings(), promoted=False)
    assert len({manifest.version, other_seed.version, other_samples.version}) == 3
    assert not (tmp_path / "CURRENT").exists()


def test_the_version_names_product_timeframe_and_training_years(stored: Stored) -> None:
    """The years are those trained on; the holdout is not among them."""
    _, manifest = stored
    assert manifest.version.startswith("es-5m-2015-2015-")


def test_a_learnable_market_is_learned(stored: Stored) -> None:
    """Where momentum and trend decide, the holdout shows it: no row or column is scrambled on the way."""
    _, manifest = stored
    scores = _ensemble(manifest.evidence.holdout.scores)
    assert scores.auc is not None
    assert scores.auc > 0.85
    assert scores.log_loss < scores.log_loss_of_base_rate
    assert scores.net_usd_mean_approved is not None
    assert scores.net_usd_mean_approved > scores.net_usd_mean


def test_a_random_market_is_reported_as_random(
    make_samples: MakeSamples, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Shuffled labels: stored all the same, with evidence that says the models know nothing."""
    samples = make_samples(1200)
    order = np.random.default_rng(1).permutation(1200)
    shuffled = TrainingSet(
        **{name: getattr(samples, name) for name in TrainingSet.__slots__}
        | {"y": samples.y[order], "net_usd": samples.net_usd[order]}
    )
    manifest = train_and_export(shuffled, tmp_path, make_settings())
    scores = _ensemble(manifest.evidence.holdout.scores)
    assert scores.auc is not None
    assert 0.35 < scores.auc < 0.65
    card = (tmp_path / manifest.version / "MODEL_CARD.md").read_text()
    assert "no better than the base rate alone" in card
    assert "is NOT shown to earn money" in card


def test_classes_are_balanced_so_that_one_half_means_the_base_rate(
    make_samples: MakeSamples, make_settings: MakeSettings
) -> None:
    """One trade in ten is good, yet the mean P(good) of each model lies near one half, not near 0.1."""
    samples = make_samples(1000, base_rate=0.1)
    noise = TrainingSet(
        **{name: getattr(samples, name) for name in TrainingSet.__slots__}
        | {"x": np.random.default_rng(7).random((1000, 8))}
    )
    shallow = make_settings(forest_depth=2, boost_depth=1, boost_trees=3, boost_subsample=1.0)
    trained = train(noise, shallow)
    for name, p_good in trained.models.p_good(trained.x[trained.holdout.test]).items():
        assert p_good.mean() == pytest.approx(0.5, abs=0.06), name


def test_every_fold_scores_every_model_and_the_ensemble(stored: Stored) -> None:
    """Two folds and the holdout, four rows each; the holdout is measured on the files' own training rows."""
    _, manifest = stored
    for fold in (*manifest.evidence.folds, manifest.evidence.holdout):
        models = [scores.model for scores in fold.scores]
        assert models == ["random_forest", "xgboost", "logistic_regression", "ensemble"]
    assert len(manifest.evidence.folds) == 2
    assert manifest.evidence.holdout.train_samples == manifest.training.samples
    assert manifest.training.window_until < manifest.evidence.holdout.test_from


def test_the_holdout_changes_nothing_about_the_models(
    stored: Stored, make_samples: MakeSamples, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """Other outcomes in the holdout give other evidence and the same files."""
    _, manifest = stored
    samples = make_samples()
    first = 480  # the last fifth of 600
    y = samples.y.copy()
    y[first:] = 1 - y[first:]
    turned = TrainingSet(**{name: getattr(samples, name) for name in TrainingSet.__slots__} | {"y": y})
    other = train_and_export(turned, tmp_path, make_settings())
    assert [file.sha256 for file in other.files] == [file.sha256 for file in manifest.files]
    assert other.evidence.holdout != manifest.evidence.holdout
    assert other.evidence.folds == manifest.evidence.folds


def test_served_votes_equal_the_training_libraries(
    stored: Stored, make_samples: MakeSamples, make_settings: MakeSettings
) -> None:
    """One row at a time through ONNX Runtime against scikit-learn and XGBoost in one batch."""
    directory, _ = stored
    samples = make_samples()
    trained = train(samples, make_settings())
    native = trained.models.p_good(trained.x[trained.holdout.test])
    server = EnsembleServer.of(load(directory))
    for place, row in enumerate(trained.holdout.test):
        vector = EnsembleVector(values=tuple(samples.x[row]))
        vote = server.vote(vector, threshold=0.6, weights=EnsembleWeights())
        for name, p_good in vote.p_good_by_model:
            assert p_good == pytest.approx(native[name][place], abs=1e-5)


def test_a_conversion_that_changes_answers_is_refused_and_writes_nothing(
    make_samples: MakeSamples, make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forest's file holds another model: no version appears."""
    honest = export.onnx_bytes
    logistic = train(make_samples(), make_settings()).models.by_name["logistic_regression"]

    def swapped(name: str, model: object) -> bytes:
        return honest(name, logistic if name == "random_forest" else model)

    monkeypatch.setattr(export, "onnx_bytes", swapped)
    with pytest.raises(PermanentError, match="random_forest: ONNX and training library differ"):
        train_and_export(make_samples(), tmp_path / "out", make_settings())
    assert not (tmp_path / "out").exists()


def test_the_card_shows_the_numbers_of_the_manifest(stored: Stored) -> None:
    """Verdict, prior, hashes and the holdout row."""
    directory, manifest = stored
    card = (directory / manifest.version / "MODEL_CARD.md").read_text()
    scores = _ensemble(manifest.evidence.holdout.scores)
    assert f"{scores.log_loss:.4f} ({scores.log_loss_of_base_rate:.4f})" in card
    assert "1.50 times those odds" in card
    assert manifest.training.label in card
    for file in manifest.files:
        assert file.sha256 in card


def test_serving_loads_no_training_library_and_no_pickle() -> None:
    """A process that can vote has not imported scikit-learn, XGBoost or a converter."""
    code = (
        "import sys, mia_actors.ensemble.actor; training = {'sklearn', 'xgboost', 'skl2onnx', 'onnxmltools', "
        "'onnx', 'joblib'}; print(sorted(training & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_the_package_never_unpickles() -> None:
    """No module of the package names a loader that can run code of a model file."""
    directory = Path(mia_actors.ensemble.__file__).parent
    sources = list(directory.glob("*.py"))
    assert len(sources) > 5
    for source in sources:
        text = source.read_text(encoding="utf-8")
        for word in ("import pickle", "from pickle", "joblib", "cloudpickle", "dill", "allow_pickle=True"):
            assert word not in text, f"{source.name} names {word}"
