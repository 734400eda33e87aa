"""Smart-money flow (domain section 4), estimated from bars: this feed has no aggressor side."""

from mia_actors.core.features import FlowReading
from mia_actors.features.window import BarWindow

FLOW_BARS = 5
TRADE_BARS = 10
MEAN_BARS = 100
BARS_MIN = 20
SURGE = 2
ESTIMATE_CONFIDENCE = 0.6
PERSISTENCE_UNKNOWN = 0.5


def read_flow(window: BarWindow, level_proximity: float | None) -> FlowReading | None:
    """Net flow of five bars, how much volume is behind it, and the signed smart-money score.

    A bar's flow is its bulk-volume estimate V · (C - O) / (H - L). Bars of more than twice the mean volume of
    up to 100 bars (a surge) count double. Intensity is full when the net flow equals half of five mean
    volumes; it replaces the domain's 500 contracts. Persistence is the share of the last five bars whose flow
    has the sign of the net flow. The trades counted in the confidence are the last ten bars on that side.
    None under 20 bars or without volume.
    """
    volumes = window.volumes
    count = min(len(volumes), MEAN_BARS)
    if count < BARS_MIN:
        return None
    traded = sum(volumes[-MEAN_BARS:])
    net, weighed = 0.0, 0
    deltas = window.deltas
    for delta, volume in zip(deltas[-FLOW_BARS:], volumes[-FLOW_BARS:], strict=True):
        weight = 2 if volume * count > SURGE * traded else 1
        net += weight * delta
        weighed += weight * volume
    if weighed == 0:
        return None
    flow = net / weighed
    intensity = min(2 * count * abs(net) / (FLOW_BARS * traded), 1.0)
    sign = (net > 0) - (net < 0)
    trades = sum([delta * sign > 0 for delta in deltas[-TRADE_BARS:]])
    persistence = PERSISTENCE_UNKNOWN
    if sign:
        persistence = sum([delta * sign > 0 for delta in deltas[-FLOW_BARS:]]) / FLOW_BARS
    confidence = _confidence(intensity, trades, persistence, level_proximity)
    return FlowReading(
        flow=flow,
        intensity=intensity,
        persistence=persistence,
        score=sign * _strength(abs(flow), intensity, persistence, confidence, level_proximity or 0.0),
        confidence=confidence,
        estimated=True,
    )


def _confidence(intensity: float, trades: int, persistence: float, alignment: float | None) -> float:
    """Domain section 4; without levels their weight 0.15 is left out and the rest renormalised."""
    known = (
        0.30 * intensity
        + 0.20 * min(trades / TRADE_BARS, 1.0)
        + 0.20 * persistence
        + 0.15 * ESTIMATE_CONFIDENCE
    )
    return known / 0.85 if alignment is None else known + 0.15 * alignment


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
