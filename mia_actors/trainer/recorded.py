"""What sessions have recorded, as training samples: the same producer as `mia train`, over their market journals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mia_actors.core.errors import PermanentError
from mia_actors.core.market import Bar
from mia_actors.core.units import Product
from mia_actors.cycle.dataset import samples_of
from mia_actors.cycle.outcomes import LabelCosts
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.cycle.training_data import training_set
from mia_actors.ensemble.training_set import TrainingSet
from mia_actors.store.market_journal import MarketJournal

SESSIONS, MARKET_FILE = "sessions", "market.db"
SOURCE = "recorded sessions"


def recorded_bars(state_dir: Path, *, sessions_max: int) -> dict[str, list[Bar]]:
    """Base bars by instrument in order of time, from the newest sessions of a state directory; each bar once."""
    files = sorted((state_dir / SESSIONS).glob(f"*/{MARKET_FILE}"))[-sessions_max:]
    found: dict[str, dict[int, Bar]] = {}
    for file in files:
        with MarketJournal.open_readonly(file) as journal:
            for bar in journal.base_bars(None, 2**62):
                found.setdefault(bar.instrument, {})[bar.start_ns] = bar
    return {name: [bars[start] for start in sorted(bars)] for name, bars in found.items()}


def recorded_samples(
    bars: Mapping[str, Sequence[Bar]], *, settings: DecisionSettings, product: Product
) -> TrainingSet:
    """Labelled samples of all instruments in order of time.

    Raises:
        PermanentError: there is none, or the bars are of different lengths.
    """
    lengths = {bar.timeframe for one in bars.values() for bar in one[:1]}
    if len(lengths) != 1:
        raise PermanentError(f"{SOURCE}: bars of one length are needed, found {sorted(lengths) or 'none'}")
    samples = (
        sample
        for one in bars.values()
        for sample in samples_of(one, settings=settings, product=product, costs=LabelCosts())
    )
    return training_set(
        samples,
        source=SOURCE,
        instrument=product.symbol,
        base=lengths.pop(),
        entry=settings.entry_timeframe,
    )
