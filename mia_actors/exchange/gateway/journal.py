"""What happened to a gateway's market, in a file, so that a gateway that dies is followed by one that goes on.

One line for each change, appended after it was applied and before anybody is told of it: a client that had an
answer finds what it was told, one whose connection ended without an answer has to ask. The lines are in the page
cache then, not on the disk: they outlive the process and not the machine. A simulation is not asked for more.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from mia_actors.core.codec import from_json, prepare, to_json
from mia_actors.core.errors import ConfigError, InvariantViolated, OrderRejected
from mia_actors.core.market import Bar
from mia_actors.exchange.gateway.market import (
    Acknowledged,
    AllCancelled,
    BarShown,
    Cancelled,
    Closed,
    MarketChange,
    Modified,
    NumbersForgotten,
    SimulatedMarket,
    Started,
    Struck,
    Submitted,
)

VERSION = 1
KINDS: dict[str, type[MarketChange]] = {
    "start": Started,
    "ack": Acknowledged,
    "bar": BarShown,
    "submit": Submitted,
    "modify": Modified,
    "cancel": Cancelled,
    "cancel_all": AllCancelled,
    "close": Closed,
    "fault": Struck,
    "forget_numbers": NumbersForgotten,
}
NAMES = {kind: name for name, kind in KINDS.items()}


class Damaged(Exception):
    """A whole line that is none of ours: not what a killed writer leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surviving:
    """What there is in a journal's bytes."""

    tape: str | None
    """The tape it was written for; None when not even that was written."""
    changes: tuple[MarketChange, ...]
    length: int
    """Bytes of all whole lines; what follows them was being written when the writer died."""


def tape_line(market: SimulatedMarket) -> str:
    """The first line: which market the changes belong to."""
    document = {
        "journal": VERSION,
        "contract": market.contract.instrument,
        "bars": len(market.bars),
        "first_bar_start_ns": market.bars[0].start_ns,
        "last_bar_end_ns": market.last_bar_end_ns,
        "crc32": _checksum(market.bars),
    }
    if market.costs.fill_share_max is not None:
        document["fill_share"] = str(market.costs.fill_share_max)
    return json.dumps(document)


def line_of(change: MarketChange) -> bytes:
    """A change as it is written."""
    return f"{NAMES[type(change)]} {to_json(change)}\n".encode()


def surviving(data: bytes) -> Surviving:
    """Reads what was written whole.

    Raises:
        Damaged: with the number of the line.
    """
    lines = data.split(b"\n")[:-1]
    return Surviving(
        tape=lines[0].decode(errors="replace") if lines else None,
        changes=tuple(_change(number, line) for number, line in enumerate(lines[1:], start=2)),
        length=sum(len(line) + 1 for line in lines),
    )


def replay(market: SimulatedMarket, changes: Iterable[MarketChange]) -> None:
    """Makes a new market what the changes made of the one they were written for.

    Raises:
        Damaged: one of them does not fit.
    """
    for number, change in enumerate(changes, start=2):
        try:
            market.apply(change)
        except (InvariantViolated, OrderRejected) as error:
            raise Damaged(f"line {number}: {error}") from error


class GatewayJournal:
    """One gateway's file, held alone for as long as it is open. A context manager."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def open(cls, path: Path, market: SimulatedMarket) -> Self:
        """Makes the file, or replays what there is into `market`, which must be new, and goes on behind it.

        Raises:
            ConfigError: another gateway writes it, it cannot be written, it is of another tape or damaged.
        """
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"--journal {path}: {os.strerror(error.errno or 0)}") from error
        try:
            journal = cls(path, handle)
            journal._begin(market)
        except BaseException:
            os.close(handle)
            raise
        prepare(*KINDS.values())
        return journal

    def append(self, change: MarketChange) -> None:
        """Writes one change.

        Raises:
            SystemExit: it could not be written. What is not in the journal must never be told, so the process ends.
        """
        try:
            self._write(line_of(change))
        except OSError as error:
            raise SystemExit(
                f"--journal {self._path}: {error.strerror}; what happened last was not told"
            ) from None

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, market: SimulatedMarket) -> None:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"--journal {self._path}: another gateway writes it; name another file"
            ) from None
        try:
            found = surviving(self._path.read_bytes())
            if found.tape not in {None, tape_line(market)}:
                raise ConfigError(
                    f"--journal {self._path}: is of another tape ({found.tape}); name another file"
                )
            replay(market, found.changes)
            os.ftruncate(self._handle, found.length)
            if found.tape is None:
                self._write(tape_line(market).encode() + b"\n")
        except Damaged as error:
            raise ConfigError(f"--journal {self._path}: is damaged, {error}; name another file") from error
        except OSError as error:
            raise ConfigError(f"--journal {self._path}: {error.strerror}; name another file") from error

    def _write(self, line: bytes) -> None:
        written = os.write(self._handle, line)
        if written != len(line):
            raise OSError(0, f"only {written} of {len(line)} bytes could be written")


def _change(number: int, line: bytes) -> MarketChange:
    name, _, body = line.decode(errors="replace").partition(" ")
    kind: Any = KINDS.get(name)
    if kind is None:
        raise Damaged(f"line {number}: {name[:20]!r} is no change")
    try:
        found: MarketChange = from_json(kind, body)
    except ValidationError as error:
        raise Damaged(f"line {number}: {error.errors()[0]['msg']}") from error
    return found


def _checksum(bars: Iterable[Bar]) -> int:
    rows = (
        f"{bar.start_ns},{bar.open_ticks},{bar.high_ticks},{bar.low_ticks},{bar.close_ticks},{bar.volume}"
        for bar in bars
    )
    return zlib.crc32("\n".join(rows).encode())
