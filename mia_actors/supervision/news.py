"""What Ray and the kernel report of processes and nodes, as messages to the thread that owns the tree."""

from dataclasses import dataclass
from typing import TypeAlias

from mia_actors.supervision.evidence import Left
from mia_actors.supervision.messages import Became, HostIdentity, StartFailed
from mia_actors.supervision.placement import NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReady:
    """A new host answers and has imported its modules."""

    host_id: str
    identity: HostIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFailed:
    """A new host never came to answer."""

    host_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBecame:
    """A host started its child, or could not."""

    host_id: str
    outcome: Became | StartFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class HostArmed:
    """A host's child is armed since `at_s`."""

    host_id: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStopped:
    """A host's child has drained, or there was a problem with it."""

    host_id: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLost:
    """A host's lifeline ended: its child `finished`, or the process died."""

    host_id: str
    finished: bool
    cause: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBuried:
    """A host's process is certain to be gone."""

    host_id: str
    left: Left | None = None
    """What it left behind, where that is not on the supervisor's node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHung:
    """A host gives no sign of life, or its child's work does not get on."""

    host_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteReady:
    """There is somebody who tends hosts on that node; hosts that are there already are to report to it."""

    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesSeen:
    """Ray's list of nodes is another one than before."""

    nodes: tuple[NodeFacts, ...]


HostNews: TypeAlias = (
    HostReady | HostFailed | HostBecame | HostArmed | HostStopped | HostLost | HostHung | HostBuried
)
News: TypeAlias = HostNews | SiteReady | NodesSeen
