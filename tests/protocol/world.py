"""The state of the permit and halt protocol: everything that matters for what can happen next."""

from typing import NamedTuple

from mia_actors.guardian.permits import Executors
from tests.protocol.parties import Gate, Permit
from tests.protocol.pure_latch import Look, PureLatch

OLDER, NEWER = 1, 2


class Bounds(NamedTuple):
    """How far the world goes."""

    ttl: int = 2
    """Ticks a lease lives."""
    drift: int = 1
    """Ticks by which any two clocks may differ, at any time and from one tick to the next."""
    findings: int = 1
    """Halts the guardian finds a reason for."""
    consoles: int = 1
    """Halts that come from outside the guardian."""
    resumes: int = 1
    slow_answers: bool = True
    """Whether anything may happen between the two looks of a grant: at the clock, and at the store."""
    late_messages: bool = True
    """Whether a question still arrives that the executor has given up, and an order whose permit has run out."""
    guardian_restarts: int = 1
    gate_restarts: int = 1


class Request(NamedTuple):
    """An executor's question on its way; `current` while the executor still waits for its answer."""

    executor: int
    current: bool


class Answer(NamedTuple):
    """A permit on its way to the executor that waits for it."""

    permit: Permit


class Order(NamedTuple):
    """An entry on its way to the broker."""

    permit: Permit


Message = Request | Answer | Order


class Holder(NamedTuple):
    """An executor's memory: when it asked, by its own clock, and what it got."""

    asked: int | None = None
    permit: Permit | None = None


class Guardian(NamedTuple):
    """A guardian's life. `taken` is a question being answered, with what was read for it so far."""

    life: int
    clear: int
    taken: tuple[Request, object] | None = None
    heeding: tuple[int, bool] | None = None
    """A request that was read, and whether the latch was lowered for it."""


class World(NamedTuple):
    """Everything that matters for what can happen next. Times are relative to now."""

    latch: PureLatch
    life: int
    """On disk: the newest guardian."""
    executors: Executors
    """On disk: who asked, who was leased to."""
    guardian: Guardian
    holders: tuple[Holder, Holder]
    gate: Gate
    slow: tuple[int, int]
    """By how much the clocks of the executors and of the gate are behind the guardian's."""
    messages: frozenset[Message]
    console: int
    """Steps the console has done of: ask, lower, mark as handled."""
    seen: tuple[Look, int] | None
    """What the person looked at, and how many words had been said by then."""
    left: Bounds
    halted_for: int | None
    """Ghost: ticks since a halt has been on disk; None while none is."""
    words: int
    """Ghost: how often a halt was said."""
    released: int
    """Ghost: how many of those a person has seen and released."""
    passed: tuple[int, int]
    """Ghost: the highest epoch and executor whose order ever passed the gate."""
    broken: str
    """Ghost: the invariant the last step broke."""
