"""Stores trained models as one version: ONNX files proved equal to the originals, manifest, model card."""

import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mia_actors.core.clock import iso_utc
from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.core.features import ENSEMBLE_FEATURES, ENSEMBLE_SCHEMA_VERSION
from mia_actors.ensemble.card_plots import draw_plots
from mia_actors.ensemble.manifest import (
    MANIFEST_FILE,
    MODEL_CARD_FILE,
    MODEL_NAMES,
    Manifest,
    ModelFile,
    ModelName,
    Probe,
    TrainingFacts,
)
from mia_actors.ensemble.model_card import model_card, plots_section
from mia_actors.ensemble.promotion import promote
from mia_actors.ensemble.serving import OnnxModel
from mia_actors.ensemble.training import (
    Float32Array,
    Trained,
    TrainingSettings,
    library_versions,
    train,
)
from mia_actors.ensemble.training_set import TrainingSet

NATIVE_DIFFERENCE_MAX = 1e-5
SKLEARN_OPSET = {"": 17, "ai.onnx.ml": 3}
XGBOOST_OPSET = 15
PROBE_LEVELS = (0.1, 0.5, 0.9)
PENDING_PREFIX = ".pending-"


def train_and_export(
    samples: TrainingSet, out_dir: Path, settings: TrainingSettings | None = None, *, promoted: bool = True
) -> Manifest:
    """Trains, validates, stores the version under `out_dir` and, if `promoted`, makes it the current one.

    Equal samples, settings and library versions give the same version with the same bytes.

    Raises:
        PermanentError: the samples cannot give an honest model, or ONNX and training library disagree.
        ConfigError: a training library is not installed.
    """
    settings = settings or TrainingSettings()
    trained = train(samples, settings)
    contents = {name: onnx_bytes(name, trained.models.by_name[name]) for name in MODEL_NAMES}
    manifest = _manifest(samples, settings, trained, contents)
    _write(out_dir, manifest, contents, lambda folder: draw_plots(folder, samples, settings, trained))
    if promoted:
        promote(out_dir, manifest.version, reason="trained")
    return manifest


def onnx_bytes(name: str, model: Any) -> bytes:
    """One fitted model as an ONNX file.

    Raises:
        ConfigError: an export library is not installed.
    """
    try:
        graph = _xgboost_graph(name, model) if name == "xgboost" else _sklearn_graph(name, model)
    except ImportError as error:
        raise ConfigError(
            f"export needs {error.name}, which is not installed; "
            "install the training extra: pip install 'mia-actors[train]'"
        ) from error
    return bytes(graph.SerializeToString())


def _xgboost_graph(name: str, model: Any) -> Any:
    from onnxmltools import convert_xgboost  # noqa: PLC0415 - training only
    from onnxmltools.convert.common.data_types import FloatTensorType  # noqa: PLC0415 - training only

    inputs = [(OnnxModel.INPUT, FloatTensorType([None, len(ENSEMBLE_FEATURES)]))]
    return convert_xgboost(model, name=name, initial_types=inputs, target_opset=XGBOOST_OPSET)


def _sklearn_graph(name: str, model: Any) -> Any:
    from skl2onnx import convert_sklearn  # noqa: PLC0415 - training only
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 - training only

    inputs = [(OnnxModel.INPUT, FloatTensorType([None, len(ENSEMBLE_FEATURES)]))]
    options = {id(model): {"zipmap": False}}
    # Without a name the converter draws a random one, and no two exports are equal.
    return convert_sklearn(
        model, name=name, initial_types=inputs, options=options, target_opset=SKLEARN_OPSET
    )


def _manifest(
    samples: TrainingSet, settings: TrainingSettings, trained: Trained, contents: Mapping[ModelName, bytes]
) -> Manifest:
    served = {name: OnnxModel(name, content) for name, content in contents.items()}
    train_rows = trained.holdout.train
    draft = Manifest(
        schema_version=1,
        version="draft",
        feature_schema_version=ENSEMBLE_SCHEMA_VERSION,
        feature_names=ENSEMBLE_FEATURES,
        instrument=samples.instrument,
        base_timeframe=samples.base_timeframe,
        entry_timeframe=samples.entry_timeframe,
        files=_proved_files(trained, contents, served),
        weights=settings.weights,
        approve_above=settings.approve_above,
        training=TrainingFacts(
            source=samples.source,
            samples_sha256=samples.digest(),
            label=samples.label,
            window_from=iso_utc(int(samples.event_time_ns[train_rows[0]])),
            window_until=iso_utc(int(samples.event_time_ns[train_rows[-1]])),
            samples=len(train_rows),
            base_rate=float(samples.y[train_rows].mean()),
            prior="balanced",
            seed=settings.seed,
            parameters=settings.parameters(),
            libraries=library_versions(),
        ),
        evidence=trained.evidence,
        probes=tuple(_probe(level, served) for level in PROBE_LEVELS),
    )
    return draft.model_copy(update={"version": draft.version_expected()})


def _proved_files(
    trained: Trained, contents: Mapping[ModelName, bytes], served: Mapping[ModelName, OnnxModel]
) -> tuple[ModelFile, ...]:
    """The files' records, each model compared with its original on the whole holdout.

    Raises:
        PermanentError: a model changed its answers on the way to ONNX; nothing is written.
    """
    x = np.ascontiguousarray(trained.x[trained.holdout.test])
    native = trained.models.p_good(x)
    files = []
    for name, content in contents.items():
        difference = float(np.abs(served[name].p_good(x) - native[name]).max())
        if not difference <= NATIVE_DIFFERENCE_MAX:
            raise PermanentError(
                f"{name}: ONNX and training library differ by {difference:.2g} on the holdout, "
                f"allowed is {NATIVE_DIFFERENCE_MAX:g}; nothing was written"
            )
        files.append(
            ModelFile(
                model=name,
                file=f"{name}.onnx",
                sha256=sha256(content).hexdigest(),
                size_bytes=len(content),
                native_difference_max=difference,
            )
        )
    return tuple(files)


def _probe(level: float, served: Mapping[ModelName, OnnxModel]) -> Probe:
    values = (level,) * len(ENSEMBLE_FEATURES)
    x: Float32Array = np.array([values], dtype=np.float32)
    return Probe(
        values=values, p_good_by_model={name: float(model.p_good(x)[0]) for name, model in served.items()}
    )


def _write(
    out_dir: Path,
    manifest: Manifest,
    contents: Mapping[ModelName, bytes],
    draw: Callable[[Path], None],
) -> None:
    """All files appear together under the version's name, or none does."""
    pending = out_dir / f"{PENDING_PREFIX}{manifest.version}"
    shutil.rmtree(pending, ignore_errors=True)
    pending.mkdir(parents=True)
    for file in manifest.files:
        (pending / file.file).write_bytes(contents[file.model])
    (pending / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draw(pending)
    card = model_card(manifest) + plots_section()
    (pending / MODEL_CARD_FILE).write_text(card, encoding="utf-8")
    final = out_dir / manifest.version
    shutil.rmtree(final, ignore_errors=True)
    pending.rename(final)
