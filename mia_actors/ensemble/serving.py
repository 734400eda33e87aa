"""Votes on one proposal: three ONNX models, a weighted mean, and a "no" for all that is not clearly a yes.

Guarantees:
- approved only when every model answered and the weighted P(good) is above the threshold;
- bad input, a failing model or a senseless answer is a refusal with its reason, never an exception;
- the cache changes how soon a vote comes and its `cached` mark, nothing else;
- equal vectors get equal votes, in any process that serves the same files.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.core.features import (
    ENSEMBLE_FEATURES,
    ENSEMBLE_SCHEMA_VERSION,
    EnsembleVector,
    EnsembleVote,
)
from mia_actors.ensemble.manifest import MODEL_NAMES, EnsembleWeights, Probe
from mia_actors.ensemble.registry import REMEDY, ModelSet

CACHE_ENTRIES = 500
PROBE_TOLERANCE = 1e-4
PROBABILITY_SLACK = 1e-5  # what summing in float32 may leave outside [0, 1]
WARM_UP_ROUNDS = 5

Float32Array = NDArray[np.float32]
Answers = tuple[tuple[str, float], ...]


class Model(Protocol):
    """One model that says how likely each row is good."""

    def p_good(self, x: Float32Array) -> NDArray[np.float64]:
        """P(good) of each row of [n, 8]."""
        ...


class OnnxModel:
    """One model in ONNX Runtime: one thread, no spinning, the same sums in every process."""

    INPUT: ClassVar[str] = "features"
    OUTPUT: ClassVar[str] = "probabilities"

    def __init__(self, name: str, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ConfigError(f"models: {name} does not load in ONNX Runtime: {error}; {REMEDY}") from error
        self._check_interface(name)

    def _check_interface(self, name: str) -> None:
        inputs = [(found.name, found.shape[-1], found.type) for found in self._session.get_inputs()]
        outputs = [found.name for found in self._session.get_outputs()]
        if inputs != [(self.INPUT, len(ENSEMBLE_FEATURES), "tensor(float)")] or self.OUTPUT not in outputs:
            raise ConfigError(f"models: {name} has inputs {inputs} and outputs {outputs}; {REMEDY}")

    def p_good(self, x: Float32Array) -> NDArray[np.float64]:
        """P(good) of each row of [n, 8]."""
        (probabilities,) = self._session.run([self.OUTPUT], {self.INPUT: x})
        return np.asarray(probabilities[:, 1], dtype=np.float64)


@dataclass(slots=True, kw_only=True)
class ServingCounts:
    """What was asked and answered since this server was built."""

    votes: int = 0
    approved: int = 0
    failed: int = 0
    """Refusals because there was no answer to weigh: bad input or a failing model."""
    cache_hits: int = 0

    @property
    def cache_hit_rate(self) -> float:
        """Share of all votes that came from the cache."""
        return self.cache_hits / self.votes if self.votes else 0.0


class EnsembleServer:
    """Votes of one model version. One caller at a time."""

    def __init__(
        self, models: Mapping[str, Model], *, version: str, cache_entries: int = CACHE_ENTRIES
    ) -> None:
        self._models = [(name, models[name]) for name in MODEL_NAMES]
        self._version = version
        self._cache_entries = cache_entries
        self._cache: OrderedDict[bytes, Answers] = OrderedDict()
        self.counts = ServingCounts()

    @classmethod
    def of(cls, model_set: ModelSet, *, cache_entries: int = CACHE_ENTRIES) -> Self:
        """A server over verified files, proved to answer what was measured when they were stored.

        Raises:
            ConfigError: a file is no such model, or answers otherwise on this machine.
        """
        models = {name: OnnxModel(name, content) for name, content in model_set.contents}
        for _ in range(WARM_UP_ROUNDS):
            for probe in model_set.manifest.probes:
                _check_probe(models, probe)
        return cls(models, version=model_set.manifest.version, cache_entries=cache_entries)

    @property
    def cached_entries(self) -> int:
        """Vectors whose answers are remembered."""
        return len(self._cache)

    def vote(self, vector: EnsembleVector, *, threshold: float, weights: EnsembleWeights) -> EnsembleVote:
        """Approves when the weighted P(good) is above `threshold`; all else is a refusal that says why."""
        self.counts.votes += 1
        try:
            answers, cached = self._answers(vector)
        except Exception as error:  # noqa: BLE001 - whatever fails, the answer is no
            self.counts.failed += 1
            said = f"{type(error).__name__}: {error}"
            return refusal(said, threshold=threshold, version=self._version)
        self.counts.cache_hits += cached
        p_good = weights.mean(dict(answers))
        approved = p_good > threshold
        self.counts.approved += approved
        each = ", ".join(f"{name} {value:.3f}" for name, value in answers)
        values = [value for _, value in answers]
        return EnsembleVote(
            approved=approved,
            p_good=p_good,
            p_good_by_model=answers,
            agreement=1.0 - (max(values) - min(values)),
            threshold=threshold,
            model_version=self._version,
            cached=cached,
            reason=f"P(good) {p_good:.3f} is {'above' if approved else 'not above'} {threshold:.3f} ({each})",
        )

    def _answers(self, vector: EnsembleVector) -> tuple[Answers, bool]:
        x = _input(vector)
        key = x.tobytes()
        known = self._cache.get(key)
        if known is not None:
            self._cache.move_to_end(key)
            return known, True
        answers = tuple((name, _probability(name, model.p_good(x))) for name, model in self._models)
        if self._cache_entries > 0:
            if len(self._cache) >= self._cache_entries:
                self._cache.popitem(last=False)
            self._cache[key] = answers
        return answers, False


def refusal(reason: str, *, threshold: float, version: str) -> EnsembleVote:
    """The vote where there is no answer."""
    return EnsembleVote(
        approved=False,
        p_good=0.0,
        p_good_by_model=(),
        agreement=0.0,
        threshold=threshold,
        model_version=version,
        cached=False,
        reason=reason,
    )


def _input(vector: EnsembleVector) -> Float32Array:
    if vector.schema_version != ENSEMBLE_SCHEMA_VERSION:
        raise PermanentError(
            f"the vector has feature schema {vector.schema_version}, the models {ENSEMBLE_SCHEMA_VERSION}"
        )
    for name, value in zip(ENSEMBLE_FEATURES, vector.values, strict=True):
        if not 0.0 <= value <= 1.0:  # NaN compares false
            raise PermanentError(f"feature {name} is {value}, allowed is 0 to 1")
    return np.array([vector.values], dtype=np.float32)


def _probability(name: str, answered: NDArray[np.float64]) -> float:
    value = float(answered[0])
    if not -PROBABILITY_SLACK <= value <= 1.0 + PROBABILITY_SLACK:
        raise PermanentError(f"{name} answered {value}, which is no probability")
    return min(max(value, 0.0), 1.0)


def _check_probe(models: Mapping[str, Model], probe: Probe) -> None:
    x = np.array([probe.values], dtype=np.float32)
    for name, expected in probe.p_good_by_model.items():
        found = float(models[name].p_good(x)[0])
        if not abs(found - expected) <= PROBE_TOLERANCE:
            raise ConfigError(
                f"models: {name} answers {found:.6f} to a probe, measured when it was stored was "
                f"{expected:.6f}; this ONNX Runtime ({onnxruntime.__version__}) serves it wrongly; {REMEDY}"
            )
