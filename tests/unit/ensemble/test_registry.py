import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.ensemble.manifest import EnsembleWeights, Manifest
from mia_actors.ensemble.promotion import promote
from mia_actors.ensemble.registry import load, versions
from mia_actors.ensemble.serving import EnsembleServer, OnnxModel
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.ensemble.training_set import TrainingSet

Stored = tuple[Path, Manifest]


@pytest.fixture
def models(stored: Stored, tmp_path: Path) -> Path:
    """A copy to damage."""
    directory = tmp_path / "models"
    shutil.copytree(stored[0], directory)
    return directory


def _rewrite(models: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes the manifest and renames the version so that it fits its content again."""
    version = (models / "CURRENT").read_text().strip()
    path = models / version / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    renamed = Manifest.model_validate(content)
    renamed = renamed.model_copy(update={"version": renamed.version_expected()})
    path.write_text(renamed.model_dump_json())
    (models / version).rename(models / renamed.version)
    (models / "CURRENT").write_text(renamed.version)


def test_what_was_stored_is_loaded(stored: Stored) -> None:
    """Manifest and bytes come back as written."""
    directory, manifest = stored
    found = load(directory, entry_timeframe=Timeframe.M5)
    assert found.manifest == manifest
    assert [name for name, _ in found.contents] == ["random_forest", "xgboost", "logistic_regression"]


def test_a_missing_directory_names_itself_and_the_remedy(tmp_path: Path) -> None:
    """The first thing a new user sees."""
    with pytest.raises(ConfigError, match=r"nowhere is not a directory; train one with `mia train`"):
        load(tmp_path / "nowhere")


def test_a_missing_current_is_refused(models: Path) -> None:
    """Versions are there but none is chosen."""
    (models / "CURRENT").unlink()
    with pytest.raises(ConfigError, match="CURRENT is missing"):
        load(models)


@pytest.mark.parametrize("text", ["", "../../etc", "/etc", "a b", "UPPER"])
def test_current_can_not_lead_out_of_the_directory(models: Path, text: str) -> None:
    """Only a version name is accepted, never a path."""
    (models / "CURRENT").write_text(text)
    with pytest.raises(ConfigError, match="not a version name"):
        load(models)


def test_an_unknown_current_lists_what_is_stored(models: Path, stored: Stored) -> None:
    """A typing error in CURRENT shows the names that would work."""
    (models / "CURRENT").write_text("es-5m-1999-1999-00000000")
    with pytest.raises(ConfigError, match=rf"missing; versions stored: {stored[1].version}"):
        load(models)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "manifest.json: the file"), ("{}", "schema_version: Field required"), ("[1]", "manifest.json")],
)
def test_a_malformed_manifest_is_refused(models: Path, stored: Stored, text: str, message: str) -> None:
    """The message names the file and the first thing wrong."""
    (models / stored[1].version / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(models)


def test_an_unknown_key_in_the_manifest_is_refused(models: Path, stored: Stored) -> None:
    """Written by another program version, or by hand."""
    path = models / stored[1].version / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "approved_by": "nobody"}))
    with pytest.raises(ConfigError, match="approved_by: Extra inputs"):
        load(models)


def test_a_prettier_number_in_the_evidence_is_refused(models: Path, stored: Stored) -> None:
    """The version's name is made of the manifest's content, so evidence can not be improved by hand."""
    path = models / stored[1].version / "manifest.json"
    content = json.loads(path.read_text())
    content["evidence"]["holdout"]["scores"][3]["auc"] = 0.99
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="altered or moved"):
        load(models)


@pytest.mark.parametrize("name", ["random_forest.onnx", "xgboost.onnx", "logistic_regression.onnx"])
def test_one_changed_byte_in_a_file_is_refused(models: Path, stored: Stored, name: str) -> None:
    """The hash of each file is checked, not only that of the first."""
    path = models / stored[1].version / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ConfigError, match=rf"{name} is not the file the manifest names"):
        load(models)


def test_a_missing_file_is_refused(models: Path, stored: Stored) -> None:
    """Two of three models are no ensemble."""
    (models / stored[1].version / "xgboost.onnx").unlink()
    with pytest.raises(ConfigError, match=r"xgboost\.onnx is missing"):
        load(models)


def test_a_manifest_that_names_two_models_is_refused(models: Path, stored: Stored) -> None:
    """Each model once."""
    path = models / stored[1].version / "manifest.json"
    content = json.loads(path.read_text())
    content["files"].pop()
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="needed is each of"):
        load(models)


def test_other_features_are_refused(models: Path) -> None:
    """Names in another order are other features."""

    def swap(content: dict[str, Any]) -> None:
        names = content["feature_names"]
        names[0], names[1] = names[1], names[0]

    _rewrite(models, swap)
    with pytest.raises(ConfigError, match=r"trend_alignment, momentum_flow.*this program makes schema 1"):
        load(models)


def test_another_feature_schema_is_refused(models: Path) -> None:
    """Same names, other meaning: the schema's number counts."""
    _rewrite(models, lambda content: content.update(feature_schema_version=2))
    with pytest.raises(ConfigError, match="trained on feature schema 2"):
        load(models)


def test_another_entry_timeframe_is_refused(models: Path) -> None:
    """A model of 5-minute entries does not judge 15-minute ones."""
    with pytest.raises(ConfigError, match="entries on 5m bars, configured is 15m; set entry_timeframe to 5m"):
        load(models, entry_timeframe=Timeframe.M15)


def test_a_file_that_is_no_model_is_refused_even_with_the_right_hash() -> None:
    """ONNX Runtime's own complaint comes back as ours."""
    with pytest.raises(ConfigError, match="xgboost does not load in ONNX Runtime"):
        OnnxModel("xgboost", b"not a model")


def test_a_runtime_that_answers_otherwise_is_refused(models: Path) -> None:
    """The probes measured at export are asked again at load."""

    def shift(content: dict[str, Any]) -> None:
        content["probes"][0]["p_good_by_model"]["xgboost"] = 0.123

    _rewrite(models, shift)
    with pytest.raises(ConfigError, match=r"xgboost answers .* to a probe"):
        EnsembleServer.of(load(models))


def test_promote_switches_between_verified_versions(
    models: Path,
    stored: Stored,
    make_samples: Callable[..., TrainingSet],
    make_settings: Callable[..., TrainingSettings],
) -> None:
    """Forward and back; a version that does not verify never becomes current."""
    from mia_actors.ensemble.export import train_and_export

    first = stored[1].version
    second = train_and_export(make_samples(seed=5), models, make_settings(), promoted=False).version
    assert versions(models) == tuple(sorted((first, second)))
    promote(models, second)
    assert load(models).manifest.version == second
    promote(models, first)
    (models / second / "xgboost.onnx").write_bytes(b"x")
    with pytest.raises(ConfigError, match="is not the file"):
        promote(models, second)
    assert load(models).manifest.version == first


def test_weights_must_add_up_to_one() -> None:
    """Half a vote is a configuration error, not a lower P(good)."""
    with pytest.raises(ValueError, match=r"add up to 0\.9"):
        EnsembleWeights(random_forest=0.5, xgboost=0.3, logistic_regression=0.1)
