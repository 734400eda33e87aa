"""Which version votes at which event time of a session (ADR 19).

A session votes with the version that was current when its ensemble first started. A swap counts from an event time that
no vote had reached when it was asked for. Both are kept in the session's folder, so that a vote is a function of its
vector and its event time, whoever gives it: the first incarnation, one that came after a SIGKILL, or a replay.
"""

import json
import os
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from mia_actors.core.errors import ConfigError

SCHEDULE_FILE = "models.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """A version and the event time from which it votes."""

    version: str
    from_ns: int


def begin_schedule(session: Path, current: str) -> tuple[Swap, ...]:
    """The schedule of a session, begun with `current` by whoever comes first; later calls change nothing.

    Raises:
        ConfigError: the file is damaged.
    """
    path = session / SCHEDULE_FILE
    if not path.exists():
        fresh = path.with_name(f".{SCHEDULE_FILE}.{os.getpid()}")
        _write(fresh, (Swap(version=current, from_ns=0),))
        try:
            os.link(fresh, path)  # of two that begin it, the second finds it begun
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return read_schedule(session)


def read_schedule(session: Path) -> tuple[Swap, ...]:
    """In order of time.

    Raises:
        ConfigError: it is missing or damaged.
    """
    return read_schedule_file(session / SCHEDULE_FILE)


def read_schedule_file(path: Path) -> tuple[Swap, ...]:
    """The same of a file by its own name.

    Raises:
        ConfigError: see `read_schedule`.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = tuple(Swap(version=str(row["version"]), from_ns=int(row["from_ns"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: the session's schedule of models cannot be read ({error})") from error
    if not found or found[0].from_ns != 0 or any(a.from_ns >= b.from_ns for a, b in pairwise(found)):
        raise ConfigError(f"{path}: not a schedule of models: it begins at 0 and goes on in order of time")
    return found


def schedule_swap(session: Path, swap: Swap) -> Swap:
    """Adds a swap; returns it.

    Raises:
        ConfigError: the session has no schedule yet, or a swap at that time or later is in it already.
    """
    known = read_schedule(session)
    if swap.from_ns <= known[-1].from_ns:
        raise ConfigError(
            f"the session swaps to {known[-1].version} later than that already; try again after it"
        )
    path = session / SCHEDULE_FILE
    fresh = path.with_name(f".{SCHEDULE_FILE}.{os.getpid()}")
    _write(fresh, (*known, swap))
    fresh.replace(path)
    return swap


def version_at(schedule: tuple[Swap, ...], event_time_ns: int) -> str:
    """The version that votes at an event time."""
    return next(swap.version for swap in reversed(schedule) if swap.from_ns <= event_time_ns)


def _write(path: Path, schedule: tuple[Swap, ...]) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump([asdict(swap) for swap in schedule], file, indent=1)
        file.flush()
        os.fsync(file.fileno())
