"""The trade dates of a tape, and the contract that is traded on each."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from mia_actors.core.errors import ConfigError
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.contract_names import contract_of
from mia_actors.exchange.synthetic import is_synthetic
from mia_actors.exchange.tape import Tape, TapeSelection
from mia_actors.exchange.tape_file import TapeFile
from mia_actors.features.columns import IntArray
from mia_actors.features.tape_features import trade_days_of

ALL_CONTRACTS = "all"
"""Of `--contract`: on each trade date the front one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeDay:
    """A trade date, and the bars of one contract on it."""

    day: date
    contract: str | None
    """Its name, as a selection takes it; None: a generated tape has but one at a time."""
    first_ns: int
    """Start of the first bar."""
    last_ns: int
    """Start of the last bar."""


def days_of(tape: Tape) -> tuple[TapeDay, ...]:
    """Those of a tape that was loaded, without its history."""
    contract = None if is_synthetic(tape.source_name) else tape.contract.month
    starts: dict[date, list[int]] = {}
    for bar in tape.bars:
        starts.setdefault(trade_date(bar.start_ns), []).append(bar.start_ns)
    return tuple(
        TapeDay(day=day, contract=contract, first_ns=found[0], last_ns=found[-1])
        for day, found in sorted(starts.items())
    )


def front_days(selection: TapeSelection) -> tuple[TapeDay, ...]:
    """Every trade date of a file with the contract that had most volume on it; never back to an earlier expiry.

    The times of the selection count, its contract does not.

    Raises:
        ConfigError: the source is generated, cannot be read, names a contract nobody knows, or has no bars in the part
            chosen.
    """
    if is_synthetic(selection.source):
        raise ConfigError(f"--contract {ALL_CONTRACTS}: {selection.source} has one contract; leave it out")
    if selection.date is not None:
        raise ConfigError(f"--contract {ALL_CONTRACTS}: one trade date has one front contract; leave it out")
    file = TapeFile(Path(selection.source))
    index = file.index()
    chosen = np.ones(len(index.times_ns), dtype=bool)
    if selection.from_ns is not None:
        chosen &= index.times_ns >= selection.from_ns
    if selection.to_ns is not None:
        chosen &= index.times_ns < selection.to_ns
    rows = np.flatnonzero(chosen)
    if not len(rows):
        raise ConfigError(f"tape {selection.source}: no bars in the part chosen")
    volumes = np.nan_to_num(file.numbers(("volume",), rows)["volume"])
    codes, times_ns = index.contract_codes[rows], index.times_ns[rows]
    days = trade_days_of(times_ns)
    expiries = np.array([int(contract_of(name).expiry) for name in index.contract_names])
    front = int(np.argmin(expiries))
    found = []
    for day in np.unique(days):
        inside = days == day
        of_day = np.unique(codes[inside])
        allowed = of_day[expiries[of_day] >= expiries[front]]
        if len(allowed):
            by_code = np.bincount(codes[inside], weights=volumes[inside])
            front = int(allowed[np.argmax(by_code[allowed])])
            found.append(_day(int(day), index.contract_names[front], times_ns[inside & (codes == front)]))
    return tuple(found)


def _day(ordinal: int, contract: str, times_ns: IntArray) -> TapeDay:
    return TapeDay(
        day=date.fromordinal(ordinal),
        contract=contract,
        first_ns=int(times_ns.min()),
        last_ns=int(times_ns.max()),
    )
