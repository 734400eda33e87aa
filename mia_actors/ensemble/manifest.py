"""The manifest of a model version: what it is, what it was made of, what was measured."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mia_actors.core.market import Timeframe

MANIFEST_FILE = "manifest.json"
MODEL_CARD_FILE = "MODEL_CARD.md"
CURRENT_FILE = "CURRENT"
ENSEMBLE_NAME = "ensemble"
VERSION_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
WEIGHTS_SUM_TOLERANCE = 1e-9

Number = TypeVar("Number", float, NDArray[np.float64])

Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
ModelName = Literal["random_forest", "xgboost", "logistic_regression"]
MODEL_NAMES: tuple[ModelName, ...] = ("random_forest", "xgboost", "logistic_regression")
Probability = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class EnsembleWeights(_Record):
    """Weight of each model in the vote; they add up to 1."""

    random_forest: float = Field(default=0.50, ge=0, le=1, description="Weight of the random forest.")
    xgboost: float = Field(default=0.30, ge=0, le=1, description="Weight of the boosted trees.")
    logistic_regression: float = Field(
        default=0.20, ge=0, le=1, description="Weight of the logistic regression."
    )

    @model_validator(mode="after")
    def _adds_up_to_one(self) -> Self:
        total = self.random_forest + self.xgboost + self.logistic_regression
        if abs(total - 1.0) > WEIGHTS_SUM_TOLERANCE:
            raise ValueError(f"weights add up to {total:g}, not to 1")
        return self

    def mean(self, p_good_by_model: Mapping[str, Number]) -> Number:
        """Weighted mean of the models' P(good), one row or many, summed in the order of `MODEL_NAMES`.

        Raises:
            KeyError: a model's answer is missing.
        """
        return (
            self.random_forest * p_good_by_model["random_forest"]
            + self.xgboost * p_good_by_model["xgboost"]
            + self.logistic_regression * p_good_by_model["logistic_regression"]
        )


class ModelFile(_Record):
    """One stored model; its bytes are what counts, so they are named by hash and size."""

    model: ModelName
    file: str = Field(pattern=r"^[a-z_]+\.onnx$", description="File name beside the manifest.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the file's bytes.")
    size_bytes: int = Field(gt=0, description="Of the file.")
    native_difference_max: float = Field(
        ge=0, description="Largest |P(good) by ONNX - P(good) by the training library| on the holdout."
    )


class Scores(_Record):
    """How one model did on samples it had not seen. None: not defined on these samples.

    "Approved" means P(good) above the threshold under the balanced prior. Accuracy, precision, recall and F1
    are taken at that gate. Brier score and log loss are taken after P(good) was moved back to the base rate
    of the samples trained on, beside what always answering that base rate scores.
    """

    model: str
    samples: int
    base_rate: Probability
    """Share of good samples."""
    accuracy: Probability
    majority_accuracy: Probability
    """Accuracy of always naming the more frequent class."""
    approved: int
    precision: Probability | None
    recall: Probability | None
    f1: Probability | None
    auc: Probability | None
    brier: float
    brier_of_base_rate: float
    log_loss: float
    log_loss_of_base_rate: float
    net_usd_mean: float
    """Mean result of all samples, one contract, after costs."""
    net_usd_mean_approved: float | None
    net_usd_standard_error_approved: float | None
    """Of the mean above; overlapping trades make it too small."""


class FoldEvidence(_Record):
    """One chronological test: fitted on the past, measured on what came after."""

    name: str
    test_from: str
    test_until: str
    train_samples: int
    purged_samples: int
    """Older samples left out because their outcome was not known, plus the embargo, when the test began."""
    scores: tuple[Scores, ...]


class Evidence(_Record):
    """Measured quality, good or bad."""

    folds: tuple[FoldEvidence, ...]
    holdout: FoldEvidence
    """Of the very files stored; used for no choice."""


class TrainingFacts(_Record):
    """What the stored models were fitted on."""

    source: str
    samples_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    label: str
    window_from: str
    window_until: str
    samples: int
    base_rate: Probability
    prior: Literal["balanced"]
    """Classes weigh the same in training, so P(good) 0.5 means the base rate."""
    seed: int
    parameters: Mapping[str, float | int | None]
    libraries: Mapping[str, str]


class Probe(_Record):
    """A fixed input with the answers measured at export: the self-test of whoever loads the files."""

    values: tuple[Probability, ...]
    p_good_by_model: Mapping[ModelName, Probability]


class Manifest(_Record):
    """Everything about one model version; `version` ends in a hash of all the rest."""

    schema_version: Literal[1]
    version: Version
    feature_schema_version: int
    feature_names: tuple[str, ...]
    instrument: str
    base_timeframe: Timeframe
    entry_timeframe: Timeframe
    files: tuple[ModelFile, ...]
    weights: EnsembleWeights
    approve_above: Probability
    training: TrainingFacts
    evidence: Evidence
    probes: tuple[Probe, ...]

    @model_validator(mode="after")
    def _has_each_model_once(self) -> Self:
        named = sorted(file.model for file in self.files)
        if named != sorted(MODEL_NAMES):
            raise ValueError(f"files name the models {named}, needed is each of {sorted(MODEL_NAMES)} once")
        return self

    def digest(self) -> str:
        """SHA-256 of the content without the version name."""
        text = self.model_copy(update={"version": ""}).model_dump_json()
        return sha256(text.encode()).hexdigest()

    def version_expected(self) -> str:
        """The name this content must have, such as `es-5m-2015-2020-1a2b3c4d`."""
        first, last = self.training.window_from[:4], self.training.window_until[:4]
        return f"{self.instrument.lower()}-{self.entry_timeframe}-{first}-{last}-{self.digest()[:8]}"
