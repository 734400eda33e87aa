"""What models are trained from: labelled samples in order of time, checked before anything is fitted."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.errors import PermanentError
from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.core.market import Timeframe

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingSet:
    """Samples of proposals that reached the ensemble, each with what became of it.

    All arrays have n rows, oldest decision first.
    """

    x: FloatArray
    """[n, 8] in the order of `ENSEMBLE_FEATURES`, each in [0, 1]."""
    y: IntArray
    """[n] 1: the trade was good, 0: it was not."""
    event_time_ns: IntArray
    """[n] when the decision was taken."""
    label_end_ns: IntArray
    """[n] when its outcome was known: nothing decided before this may learn from it."""
    net_usd: FloatArray
    """[n] result of one contract after costs."""
    source: str
    """Where the samples come from, for the model card."""
    label: str
    """What makes a sample good, in words, for the model card."""
    instrument: str
    """Product symbol, such as `ES`."""
    base_timeframe: Timeframe
    """Shortest bars the features were made of."""
    entry_timeframe: Timeframe
    """Bars at whose end the decisions were taken."""

    @property
    def count(self) -> int:
        """Samples."""
        return int(self.y.shape[0])

    def digest(self) -> str:
        """SHA-256 of every number in the set: the same data give the same model version."""
        found = sha256()
        for array in (self.x, self.y, self.event_time_ns, self.label_end_ns, self.net_usd):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def check(samples: TrainingSet, *, samples_min: int) -> None:
    """Refuses a set no honest model can come from; nothing missing is ever made up.

    Raises:
        PermanentError: too few, misshapen, not a number, out of range, out of order, one class only.
    """
    if samples.count < samples_min:
        raise PermanentError(
            f"training set: {samples.count} samples from {samples.source}, "
            f"at least {samples_min} are needed; give a longer tape"
        )
    _check_shapes(samples)
    _check_values(samples)
    _check_times(samples)


def _check_shapes(samples: TrainingSet) -> None:
    expected = (samples.count, len(ENSEMBLE_FEATURES))
    if samples.x.shape != expected:
        raise PermanentError(f"training set: features have shape {samples.x.shape}, not {expected}")
    for name in ("y", "event_time_ns", "label_end_ns", "net_usd"):
        shape = getattr(samples, name).shape
        if shape != (samples.count,):
            raise PermanentError(f"training set: {name} has shape {shape}, not {(samples.count,)}")


def _check_values(samples: TrainingSet) -> None:
    usable = (samples.x >= 0.0) & (samples.x <= 1.0)  # NaN compares false
    if not usable.all():
        row, column = np.argwhere(~usable)[0]
        raise PermanentError(
            f"training set: sample {row}, {ENSEMBLE_FEATURES[column]} is {samples.x[row, column]}, "
            "allowed is 0 to 1; an unavailable feature must not become a sample"
        )
    if not np.isfinite(samples.net_usd).all():
        row = int(np.argwhere(~np.isfinite(samples.net_usd))[0, 0])
        raise PermanentError(f"training set: sample {row} has net_usd {samples.net_usd[row]}")
    classes = set(np.unique(samples.y).tolist())
    if not classes <= {0, 1}:
        raise PermanentError(f"training set: labels are {sorted(classes)}, allowed are 0 and 1")
    if len(classes) < 2:
        raise PermanentError(f"training set: all {samples.count} samples have label {classes.pop()}")


def _check_times(samples: TrainingSet) -> None:
    if (np.diff(samples.event_time_ns) < 0).any():
        row = int(np.argmax(np.diff(samples.event_time_ns) < 0)) + 1
        raise PermanentError(
            f"training set: sample {row} is older than the one before it; sort by event time"
        )
    if (samples.label_end_ns < samples.event_time_ns).any():
        row = int(np.argmax(samples.label_end_ns < samples.event_time_ns))
        raise PermanentError(f"training set: sample {row} has its outcome before its decision")
