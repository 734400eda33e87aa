"""The only place that draws identifiers; everything else is given an `IdSource`."""

import random
import uuid
from typing import Protocol

from mia_actors.core.clock import utc_datetime


class IdSource(Protocol):
    """Where names that need no meaning come from."""

    def new_id(self) -> str:
        """A short identifier not given before."""
        ...


class RandomIds:
    """Identifiers from the operating system's random source."""

    def new_id(self) -> str:
        """Twelve hexadecimal digits."""
        return uuid.uuid4().hex[:12]


class CountedIds:
    """Identifiers for tests: 1, 2, 3."""

    def __init__(self) -> None:
        self._count = 0

    def new_id(self) -> str:
        """The next number."""
        self._count += 1
        return str(self._count)


def seeded_random(seed: int) -> random.Random:
    """A random source of its own for simulation and tests; never for a decision."""
    return random.Random(seed)  # noqa: S311 - simulation, not secrets


def cycle_id(instrument: str, bar_end_ns: int) -> str:
    """Identity of a cycle: instrument and end of its base bar."""
    return f"{instrument}@{utc_datetime(bar_end_ns).strftime('%Y%m%dT%H%M%SZ')}"
