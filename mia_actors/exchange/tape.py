"""A tape: the bars one session is made of, chosen from a file or generated."""

from dataclasses import dataclass
from datetime import date

from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.units import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSelection:
    """Which part of which tape. `date` and the times narrow each other down."""

    source: str
    """`synthetic`, `synthetic:SEED`, or the path of a Parquet or CSV file."""
    date: date | None = None
    """CME trade date."""
    from_ns: int | None = None
    """First start of a bar, UTC."""
    to_ns: int | None = None
    """Bars start before this, UTC."""
    contract: str | None = None
    """`YYYYMM`, the tape's own name or IB's local symbol; None: most volume in the part chosen."""
    history_days: int | None = None
    """Trade dates of the same contract before the first bar; None: 5 of a file, 10 of `synthetic`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """Base bars of one contract, in order of time, every one checked."""

    source_name: str
    contract: Contract
    base_timeframe: Timeframe
    history: tuple[Bar, ...]
    """Base bars before the session, for warm-up; may be empty."""
    bars: tuple[Bar, ...]
    """The session's base bars, at least one."""


def load_tape(selection: TapeSelection) -> Tape:
    """Reads or generates the part selected.

    Raises:
        ConfigError: names file, row, time, column, what is wrong and the remedy.
    """
    raise NotImplementedError
