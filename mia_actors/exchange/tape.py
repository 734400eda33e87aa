"""A tape: the bars one session is made of, chosen from a file or generated."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.core.units import Contract, product
from mia_actors.exchange.contract_names import NAMES_ALLOWED, contract_of
from mia_actors.exchange.synthetic import is_synthetic, synthetic_bars
from mia_actors.exchange.tape_checks import PRICES, RowChecks, base_timeframe
from mia_actors.exchange.tape_file import TapeFile, TapeIndex, Whole

FILE_HISTORY_DAYS = 5
DATES_LISTED_MAX = 15
LONGEST_WEEKEND_DAYS = 4
"""Bars between the close before a long weekend and the next one belong to the day after it."""
_HOUR_NS = 3600 * NS_PER_S

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSelection:
    """Which part of which tape. `date` and the times narrow each other down."""

    source: str
    """`synthetic`, `synthetic:SEED`, or the path of a Parquet or CSV file."""
    date: dt.date | None = None
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
    """Reads or generates the part selected; quick for one day of a large file.

    Raises:
        ConfigError: names file, row, time, column, what is wrong and the remedy.
    """
    if selection.history_days is not None and selection.history_days < 0:
        raise ConfigError(f"history_days {selection.history_days}: allowed: 0 or more")
    if is_synthetic(selection.source):
        return _synthetic(selection)
    return _FileTape(selection).load()


def contracts_of(source: str) -> tuple[str, ...]:
    """Names of the contracts in a tape's file, as the file writes them.

    Raises:
        ConfigError: the file cannot be read.
    """
    return tuple(TapeFile(Path(source)).index().contract_names)


class _FileTape:
    """Loading one selection from one file, step by step."""

    def __init__(self, selection: TapeSelection) -> None:
        self._selection = selection
        self._file = TapeFile(Path(selection.source))
        self._index: TapeIndex = self._file.index()
        self._contracts = tuple(_contract_or_none(name) for name in self._index.contract_names)

    def load(self) -> Tape:
        in_time = self._in_time()
        code = self._front_code(in_time) if self._selection.contract is None else self._named_code()
        contract = self._contract(code)
        ours = self._index.contract_codes == code
        if not (ours & in_time).any():
            raise ConfigError(self._nothing_there(ours, f"of {self._index.contract_names[code]} "))
        base = base_timeframe(str(self._file.path), self._index.times_ns, self._index.contract_codes, code)
        starts_ns = int(self._index.times_ns[ours & in_time].min())
        rows = np.flatnonzero(ours & (in_time | self._in_history(ours, starts_ns)))
        bars = self._bars(rows, contract, base)
        split = int(np.count_nonzero(self._index.times_ns[rows] < starts_ns))
        return Tape(
            source_name=self._file.path.name,
            contract=contract,
            base_timeframe=base,
            history=bars[:split],
            bars=bars[split:],
        )

    def _contract(self, code: int) -> Contract:
        found = self._contracts[code]
        if found is None:
            name = self._index.contract_names[code]
            raise ConfigError(
                f"tape {self._file.path}, column contract: {name!r} is not a name this system reads; "
                f"allowed: {NAMES_ALLOWED}"
            )
        return found

    def _in_time(self) -> Mask:
        times_ns = self._index.times_ns
        chosen: Mask = np.ones(times_ns.size, dtype=bool)
        if self._selection.from_ns is not None:
            chosen &= times_ns >= self._selection.from_ns
        if self._selection.to_ns is not None:
            chosen &= times_ns < self._selection.to_ns
        if self._selection.date is not None:
            chosen &= _on_trade_date(times_ns, self._selection.date)
        return chosen

    def _in_history(self, ours: Mask, starts_ns: int) -> Mask:
        days = self._selection.history_days
        days = FILE_HISTORY_DAYS if days is None else days
        before = ours & (self._index.times_ns < starts_ns)
        dates = trade_dates_of(self._index.times_ns[before])
        if days == 0 or not dates:
            return np.zeros(before.size, dtype=bool)
        first_ns = session_bounds_ns(dates[max(0, len(dates) - days)])[0]
        inside: Mask = before & (self._index.times_ns >= first_ns)
        return inside

    def _front_code(self, in_time: Mask) -> int:
        rows = np.flatnonzero(in_time)
        if not rows.size:
            raise ConfigError(self._nothing_there(np.ones(in_time.size, dtype=bool), ""))
        volume = np.nan_to_num(self._file.numbers(("volume",), rows)["volume"])
        by_code = np.bincount(self._index.contract_codes[rows], weights=volume)
        traded = np.bincount(self._index.contract_codes[rows]) > 0
        return int(np.argmax(np.where(traded, by_code, -1.0)))

    def _named_code(self) -> int:
        name = self._selection.contract
        for code, own in enumerate(self._index.contract_names):
            contract = self._contracts[code]
            known = (
                (own,) if contract is None else (own, contract.month, contract.instrument, contract.expiry)
            )
            if name in known:
                return code
        raise ConfigError(
            f"tape {self._file.path}: contract {name!r} is not on it; "
            f"it has {', '.join(self._index.contract_names)}"
        )

    def _nothing_there(self, rows: Mask, of_contract: str) -> str:
        """What was asked for, and what there is instead."""
        selection = self._selection
        asked = [f"trade date {selection.date}"] if selection.date else []
        asked += [f"from {iso_utc(selection.from_ns)}"] if selection.from_ns is not None else []
        asked += [f"before {iso_utc(selection.to_ns)}"] if selection.to_ns is not None else []
        dates = trade_dates_of(self._index.times_ns[rows])
        if len(dates) <= DATES_LISTED_MAX:
            there = ", ".join(day.isoformat() for day in dates)
        else:
            there = f"{len(dates)} from {dates[0]} to {dates[-1]}"
        return (
            f"tape {self._file.path}: no bars {of_contract}on {' '.join(asked)}; trade dates there: {there}; "
            f"contracts on the tape: {', '.join(self._index.contract_names)}"
        )

    def _bars(self, rows: Whole, contract: Contract, base: Timeframe) -> tuple[Bar, ...]:
        times_ns = self._index.times_ns[rows]
        checks = RowChecks(self._file.where, rows, times_ns)
        checks.times(base)
        numbers = self._file.numbers((*PRICES, "volume"), rows)
        ticks = checks.ticks(numbers, product(contract.symbol))
        columns = (times_ns, *(ticks[column] for column in PRICES), checks.volumes(numbers["volume"]))
        return tuple(
            Bar(
                instrument=contract.instrument,
                timeframe=base,
                start_ns=start_ns,
                open_ticks=first,
                high_ticks=high,
                low_ticks=low,
                close_ticks=last,
                volume=volume,
            )
            for start_ns, first, high, low, last, volume in zip(
                *(column.tolist() for column in columns), strict=True
            )
        )


def _synthetic(selection: TapeSelection) -> Tape:
    contract, history, bars = synthetic_bars(
        selection.source,
        day=selection.date,
        from_ns=selection.from_ns,
        to_ns=selection.to_ns,
        contract_name=selection.contract,
        history_days=selection.history_days,
    )
    return Tape(
        source_name=selection.source,
        contract=contract,
        base_timeframe=Timeframe.M1,
        history=history,
        bars=bars,
    )


def trade_dates_of(times_ns: Whole) -> tuple[dt.date, ...]:
    """The trade dates of these moments, each once, in order."""
    hours = np.unique(times_ns // _HOUR_NS)
    return tuple(sorted({trade_date(hour * _HOUR_NS) for hour in hours.tolist()}))


def _on_trade_date(times_ns: Whole, day: dt.date) -> Mask:
    first_ns, _ = session_bounds_ns(day - dt.timedelta(days=LONGEST_WEEKEND_DAYS))
    _, end_ns = session_bounds_ns(day)
    near = (times_ns >= first_ns) & (times_ns < end_ns)
    hours = times_ns // _HOUR_NS
    wanted = [hour for hour in np.unique(hours[near]).tolist() if trade_date(hour * _HOUR_NS) == day]
    found: Mask = near & np.isin(hours, wanted)
    return found


def _contract_or_none(name: str) -> Contract | None:
    try:
        return contract_of(name)
    except ConfigError:
        return None
