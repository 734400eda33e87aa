"""Loads the kernels: a spare process imports this before it waits, so that a restarted actor finds them ready.

Run as a module it fills the cache of compiled kernels, which takes some twenty seconds once after an installation.
"""

from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.kernel import note_full_cache
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Side
from mia_actors.core.units import ES
from mia_actors.cycle.confidence import confidence
from mia_actors.cycle.screen import screen
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.features.stream import FeatureStream
from mia_actors.features.tape_features import TapeFeatures
from mia_actors.risk.brackets import bracket
from mia_actors.strategies.confluence import confluence
from mia_actors.strategies.registry import evaluate_strategies

FIRST_NS = 1_381_240_800_000_000_000
"""2013-10-08 14:00 UTC, in trading hours."""
BARS = 60
FRAME = Timeframe.M5


def load_live() -> None:
    """Runs every kernel of a live session once: compiled by this process, or read from the cache."""
    stream = FeatureStream(FRAME)
    found: TimeframeFeatures | None = None
    for bar in _bars():
        found = stream.add(bar)
    if found is None:
        raise AssertionError("a closed bar has features")
    features = {FRAME: found}
    readings = evaluate_strategies(DecisionSettings().strategies, features, FRAME)
    confluence(features, FRAME, readings)
    confidence(features, FRAME, readings, Side.BUY, 0.5)
    bracket(found, Side.BUY, 0.5)


def fill_cache() -> None:
    """The same, and those of a backtest."""
    load_live()
    screen(TapeFeatures(_bars()), DecisionSettings(), ES)
    note_full_cache()


def _bars() -> list[Bar]:
    return [
        Bar(
            instrument="",
            timeframe=FRAME,
            start_ns=FIRST_NS + number * FRAME.ns,
            open_ticks=6_600 + 2 * number,
            high_ticks=6_603 + 2 * number,
            low_ticks=6_599 + 2 * number,
            close_ticks=6_602 + 2 * number,
            volume=100 + number,
        )
        for number in range(BARS)
    ]


if __name__ == "__main__":
    fill_cache()
else:
    load_live()
