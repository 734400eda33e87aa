"""Smart-money flow (domain section 4), estimated from bars: this feed has no aggressor side."""

from math import isnan, nan
from typing import NamedTuple

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import Columns

FLOW_BARS = 5
TRADE_BARS = 10
MEAN_BARS = 100
BARS_MIN = 20
SURGE = 2
ESTIMATE_CONFIDENCE = 0.6
PERSISTENCE_UNKNOWN = 0.5


class Flow(NamedTuple):
    """See `core.features.FlowReading`; all NaN where there is none."""

    flow: float
    intensity: float
    persistence: float
    score: float
    confidence: float


@kernel
def read_flow(columns: Columns, first: int, last: int, level_proximity: float) -> Flow:
    """Net flow of five bars, how much volume is behind it, and the signed smart-money score.

    A bar's flow is its bulk-volume estimate V · (C - O) / (H - L). Bars of more than twice the mean volume of
    up to 100 bars (a surge) count double. Intensity is full when the net flow equals half of five mean
    volumes; it replaces the domain's 500 contracts. Persistence is the share of the last five bars whose flow
    has the sign of the net flow. The trades counted in the confidence are the last ten bars on that side.
    Unavailable under 20 bars or without volume.
    """
    count = min(last - first + 1, MEAN_BARS)
    if count < BARS_MIN:
        return Flow(nan, nan, nan, nan, nan)
    traded = 0
    for place in range(last - count + 1, last + 1):
        traded += columns.volumes[place]
    net, weighed = 0.0, 0
    for place in range(last - FLOW_BARS + 1, last + 1):
        volume = columns.volumes[place]
        weight = 2 if volume * count > SURGE * traded else 1
        net += weight * columns.deltas[place]
        weighed += weight * volume
    if weighed == 0:
        return Flow(nan, nan, nan, nan, nan)
    flow = net / weighed
    intensity = min(2 * count * abs(net) / (FLOW_BARS * traded), 1.0)
    sign = int(net > 0) - int(net < 0)
    persistence = PERSISTENCE_UNKNOWN
    if sign:
        persistence = _bars_toward(columns, last, sign, FLOW_BARS) / FLOW_BARS
    trades = _bars_toward(columns, last, sign, TRADE_BARS)
    confidence = _confidence(intensity, trades, persistence, level_proximity)
    alignment = 0.0 if isnan(level_proximity) else level_proximity
    score = sign * _strength(abs(flow), intensity, persistence, confidence, alignment)
    return Flow(flow, intensity, persistence, score, confidence)


@kernel
def _bars_toward(columns: Columns, last: int, sign: int, bars: int) -> int:
    """How many of the last bars have a flow of that sign."""
    found = 0
    for place in range(last - bars + 1, last + 1):
        found += columns.deltas[place] * sign > 0
    return found


@kernel
def _confidence(intensity: float, trades: int, persistence: float, alignment: float) -> float:
    """Domain section 4; without levels their weight 0.15 is left out and the rest renormalised."""
    known = (
        0.30 * intensity
        + 0.20 * min(trades / TRADE_BARS, 1.0)
        + 0.20 * persistence
        + 0.15 * ESTIMATE_CONFIDENCE
    )
    return known / 0.85 if isnan(alignment) else known + 0.15 * alignment


@kernel
def _strength(
    flow: float, intensity: float, persistence: float, confidence: float, alignment: float
) -> float:
    """The score on the flow's side, in [0, 1]: bonuses count for the side that earned them."""
    if flow > 0.4 and intensity > 0.5:
        base = 0.8
    elif flow > 0.2 and persistence > 0.6:
        base = 0.6
    elif intensity > 0.7 or flow <= 0.3:
        return 0.0
    else:
        return flow * confidence * 0.5
    return min(base * confidence * (0.5 + 0.5 * intensity) + 0.2 * persistence + 0.1 * alignment, 1.0)
