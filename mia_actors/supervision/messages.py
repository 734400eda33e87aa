"""What travels between refs, hosts and the supervisor.

Calls and replies travel as bytes: Ray passes bytes on as they are, while its own pickler for objects costs a
fifth of a round trip.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mia_actors.supervision.processes import ProcessId


class ReplyStatus(StrEnum):
    """How a call on the work lane ended."""

    DONE = "done"
    RAISED = "raised"
    """One of our own errors; it is raised again where the call was made."""
    CLOSED = "closed"
    """Not carried out: this incarnation is being stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a child's method."""

    method: str
    args: bytes
    """Packed on their own: what unpacks them has the call in hand already, and can tell equal ones."""
    carrier: Mapping[str, str]
    """Trace context; empty when nothing is traced."""
    sent_s: float | None
    """On the machine-wide monotonic clock; None where the child is on another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer of a child to one call."""

    status: ReplyStatus
    value: Any = None
    error: Exception | None = None


def packed(message: "Call | Reply | Assignment | tuple[Any, ...]") -> bytes:
    """As it travels."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def unpacked(data: bytes) -> Any:
    """What `packed` was given, by a process of the same cluster."""
    return pickle.loads(data)  # noqa: S301 - as Ray itself does, behind its token authentication


class Whereabouts(StrEnum):
    """What the supervisor knows of a child somebody asks for."""

    UP = "up"
    STARTING = "starting"
    """Its process is known; what it is asked now it answers once it is up."""
    COMING = "coming"
    """Not up yet; asking again is worth while."""
    GONE = "gone"
    """Down, and nothing will start it."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The question where a child lives."""

    child_id: str
    newer_than: int
    """Only an incarnation after this one will do."""
    early: bool
    """Whether one that has not started yet will do."""
    known: frozenset[str]
    """Ids of hosts whose handles whoever asks has already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Where a child lives now. `host` is the actor handle of its incarnation when it is up or starting."""

    whereabouts: Whereabouts
    incarnation: int = 0
    host_id: str = ""
    host: Any = None
    """None also where whoever asked has the handle already."""
    process: ProcessId | None = None
    """Of the host; None where nobody knows it."""
    node_id: str = ""
    """Of the machine the process is on."""
    spares: Mapping[str, Any] = field(default_factory=dict)
    """Handles by id of hosts that wait for a part and that whoever asked does not have yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostIdentity:
    """Who a host is; nothing is done to a process whose identity was not asked for."""

    host_id: str
    process: ProcessId
    node_id: str
    child_id: str | None
    incarnation: int
    initialised: bool
    place: str | None = None
    """Name of the node it was made for; None is the driver's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The part a host is to play. `session` is the caller's own record, passed through unread."""

    child_id: str
    incarnation: int
    run: str
    settings: dict[str, Any]
    session: Any
    directory: str
    epoch: int
    """Of the supervisor that assigns it; a host heeds no lower one than it has heard of."""
    keeps_inputs: bool = False
    """Whether it tells inputs apart and keeps each while it is served."""
    quarantined: tuple[str, ...] = ()
    """Names of inputs it is to refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """The child answers. Times are of the machine-wide monotonic clock."""

    received_s: float
    imported_s: float
    constructed_s: float
    started_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailed:
    """The child could not be built or its `start` raised."""

    cause: str
    traceback: str
    declined: bool = False
    """The child has nothing to do; this is no failure."""
