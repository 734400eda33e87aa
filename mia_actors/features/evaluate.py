"""All readings of one timeframe: a pure function of its window."""

import numpy as np

from mia_actors.core.features import TimeframeFeatures
from mia_actors.features.readings import RECORD, features_of, read_into
from mia_actors.features.window import BarWindow


def evaluate(window: BarWindow) -> TimeframeFeatures:
    """Readings as of the end of the last bar.

    Guarantees: the same bars in the window give the same bits, whatever was in it before, and so does a backtest
    that reads a whole tape; bars mirrored in price give every signed reading negated, every unsigned one equal, and
    support and resistance exchanged, to the bit; no reading is NaN.

    Raises:
        ValueError: the window is empty.
    """
    records = np.zeros(1, dtype=RECORD)
    read_into(records, 0, *window.view)
    return features_of(records[0].item(), window.timeframe)
