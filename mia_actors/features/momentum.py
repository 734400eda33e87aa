"""Momentum of the last bars, standing in for the tick momentum of domain section 3.2."""

from mia_actors.features.window import BarWindow

MOMENTUM_BARS = 20


def read_momentum(window: BarWindow) -> float | None:
    """0.4 · (up - down) / n + 0.6 · (up volume - down volume) / volume over 20 closes, in [-1, 1].

    The feed has no ticks: each bar counts as one, up or down by its close against the previous one. None
    before there are 20 changes, or where nothing was traded.
    """
    if len(window) <= MOMENTUM_BARS:
        return None
    traded = sum(window.volumes[-MOMENTUM_BARS:])
    if traded == 0:
        return None
    directional = sum(window.direction_signs[-MOMENTUM_BARS:]) / MOMENTUM_BARS
    by_volume = sum(window.directed_volumes[-MOMENTUM_BARS:]) / traded
    return 0.4 * directional + 0.6 * by_volume
