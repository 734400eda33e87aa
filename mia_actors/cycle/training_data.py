"""Samples of the decision core as the arrays that models are fitted on."""

from collections.abc import Iterable

import numpy as np

from mia_actors.core.errors import PermanentError
from mia_actors.core.market import Timeframe
from mia_actors.cycle.dataset import LABEL, Sample
from mia_actors.ensemble.training_set import TrainingSet


def training_set(
    found: Iterable[Sample], *, source: str, instrument: str, base: Timeframe, entry: Timeframe
) -> TrainingSet:
    """All samples in order of time, whatever contracts they are of.

    Raises:
        PermanentError: there is none.
    """
    samples = sorted(found, key=lambda sample: sample.event_time_ns)
    if not samples:
        raise PermanentError(f"{source}: no signal in all its bars; nothing to learn from")
    return TrainingSet(
        x=np.array([sample.vector for sample in samples], dtype=np.float64),
        y=np.array([int(sample.is_good) for sample in samples], dtype=np.int64),
        event_time_ns=np.array([sample.event_time_ns for sample in samples], dtype=np.int64),
        label_end_ns=np.array([sample.label_end_ns for sample in samples], dtype=np.int64),
        net_usd=np.array([float(sample.net_usd) for sample in samples], dtype=np.float64),
        source=source,
        label=LABEL,
        instrument=instrument,
        base_timeframe=base,
        entry_timeframe=entry,
    )
