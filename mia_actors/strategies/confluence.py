"""Canonical confluence (domain section 2.2): directional, over the inputs there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.features import StrategyReading, TimeframeFeatures
from mia_actors.core.kernel import kernel
from mia_actors.core.market import Timeframe
from mia_actors.strategies import mtf_confluence

GAMMA_PROXIMITY = "gamma_proximity"
VOLUME_CONFIRMATION = "volume_confirmation"
VWAP_TREND = "vwap_trend"
PATTERN_STRENGTH = "pattern_strength"
MTF = mtf_confluence.NAME
SMART_MONEY = "smart_money"
ORDER_BOOK_IMBALANCE = "order_book_imbalance"
OPTIONS_BIAS = "options_bias"

WEIGHTS = {
    GAMMA_PROXIMITY: 0.25,
    VOLUME_CONFIRMATION: 0.18,
    VWAP_TREND: 0.15,
    PATTERN_STRENGTH: 0.15,
    MTF: 0.12,
    SMART_MONEY: 0.10,
    ORDER_BOOK_IMBALANCE: 0.03,
    OPTIONS_BIAS: 0.02,
}
UNSIGNED = frozenset({GAMMA_PROXIMITY, VOLUME_CONFIRMATION})
_WEIGHTS = np.array(list(WEIGHTS.values()))
_UNSIGNED = np.array([name in UNSIGNED for name in WEIGHTS])


class ConfluencePart(NamedTuple):
    """One input: its share of the weights and what it said."""

    name: str
    weight: float
    value: float | None
    """Signed in [-1, 1]; in [0, 1] for the names in `UNSIGNED`; None when unavailable."""
    available: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfluenceReading:
    """How much of what is known speaks for one side."""

    value: float
    """Signed in [-1, 1]: the side it favours, and how much."""
    coverage: float
    """Sum of the weights whose inputs are available, in [0, 1]."""
    parts: tuple[ConfluencePart, ...]


def confluence(
    features: Mapping[Timeframe, TimeframeFeatures],
    entry_timeframe: Timeframe,
    readings: Sequence[StrategyReading],
) -> ConfluenceReading:
    """Confluence of the entry timeframe; the multi-timeframe part is read from `readings`.

    The domain scores a long: signed inputs x count (x + 1) / 2, unsigned ones u as they are, and a trade
    needs 0.60. For a short, signed inputs count (1 - x) / 2. Here the side is the one the signed inputs
    favour: with D their weighted sum over the available weight, and U the same of 2u - 1 (an unsigned input
    supports whichever side there is), value = sign(D) · max(|D| + U, 0). So for the side that the value
    favours, (side.sign · value + 1) / 2 is exactly the domain's score renormalised over the available inputs,
    down to 0.50, and it compares with the gate of 0.60 (|value| of 0.20); for the other side it is below
    0.50. Weak unsigned inputs take a side's support away but never give it to the other side.

    Gamma, order book and options do not exist in a feed of bars: they are unavailable, and the coverage is at
    most 0.70. No context factor (session, volatility, gamma phase) is applied here; each is applied once,
    elsewhere.
    """
    own = features.get(entry_timeframe)
    values = _values(own, readings)
    found, coverage = weigh(np.array([nan if (one := values.get(name)) is None else one for name in WEIGHTS]))
    parts = [
        ConfluencePart(name, weight, values.get(name), values.get(name) is not None)
        for name, weight in WEIGHTS.items()
    ]
    return ConfluenceReading(value=found, coverage=coverage, parts=tuple(parts))


@kernel
def weigh(values: NDArray[np.float64]) -> tuple[float, float]:
    """Value and coverage of `confluence` from its inputs in the order of `WEIGHTS`; NaN is unavailable."""
    directed = unsigned = coverage = 0.0
    for place in range(len(values)):
        if isnan(values[place]):
            continue
        coverage += _WEIGHTS[place]
        if _UNSIGNED[place]:
            unsigned += _WEIGHTS[place] * (2 * values[place] - 1)
        else:
            directed += _WEIGHTS[place] * values[place]
    if coverage == 0 or directed == 0:
        return 0.0, coverage
    strength = max(0.0, (abs(directed) + unsigned) / coverage)
    return (strength if directed > 0 else -strength), coverage


def _values(own: TimeframeFeatures | None, readings: Sequence[StrategyReading]) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        reading.strategy: reading.score
        for reading in readings
        if reading.available and reading.strategy == mtf_confluence.NAME
    }
    if own is not None:
        values[VOLUME_CONFIRMATION] = own.volume_confirmation
        values[VWAP_TREND] = own.vwap_trend
        values[PATTERN_STRENGTH] = own.pattern_strength
        values[SMART_MONEY] = own.flow.score if own.flow else None
    return values
