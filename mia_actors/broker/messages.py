"""What the broker actor answers."""

from dataclasses import dataclass

from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class BarClosed:
    """A closed base bar of the session and the executions that happened in it."""

    bar: Bar
    previous_start_ns: int | None
    fills: tuple[Fill, ...]
    """Event time in (end of the bar before, end of this one]."""
    received_monotonic_ns: int
    """When its last 5-second bar came in; for latency, never for a decision."""
