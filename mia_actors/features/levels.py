"""Support and resistance from the swing points of the window."""

from dataclasses import dataclass

from mia_actors.features.window import SWING_SIDE_BARS, BarWindow

LEVEL_BARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The nearest level at or below the close, and at or above it; None where there is none."""

    support_ticks: int | None
    resistance_ticks: int | None
    proximity: float | None
    """1 at the nearer of the two, 0 a mean true range away; None without levels or true range."""


def find_levels(window: BarWindow, atr_ticks: float | None) -> Levels:
    """Nearest swing highs and lows of the last 60 bars; a broken resistance counts as support.

    Distance is measured in mean true ranges: the domain's 0.1 % of price is a different distance for a
    mirrored market.
    """
    start = max(len(window) - LEVEL_BARS, 2 * SWING_SIDE_BARS)
    swings = [price for price in window.swing_highs[start:] if price is not None]
    swings += [price for price in window.swing_lows[start:] if price is not None]
    close = window.closes[-1]
    support = max((price for price in swings if price <= close), default=None)
    resistance = min((price for price in swings if price >= close), default=None)
    distances = [abs(close - price) for price in (support, resistance) if price is not None]
    proximity = None
    if distances and atr_ticks is not None:
        nearest = min(distances)
        proximity = max(0.0, 1.0 - nearest / atr_ticks) if atr_ticks else float(nearest == 0)
    return Levels(support_ticks=support, resistance_ticks=resistance, proximity=proximity)
