"""The mutable state of a tree: one node for each child and each supervisor. Only the machine changes it."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.spec import ChildSpec, Restart, SupervisorSpec


class NodeState(StrEnum):
    """Where a child or supervisor stands."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    RESTARTING = "restarting"
    """Its restart failed and is about to be tried again."""
    STOPPING = "stopping"
    REMOVED = "removed"
    """A temporary child that ended; only a new start of its supervisor brings it back."""
    LEFT_DOWN = "left_down"
    """A supervisor that gave up and is not to be started again by its own failure."""


class Purpose(StrEnum):
    """What a supervisor is in the middle of."""

    NONE = "none"
    START = "start"
    """Its children in order; a failure unwinds."""
    RESTART = "restart"
    """From the end down to `first` stop, from `first` to the end start; a failure is tried again."""
    UNWIND = "unwind"
    """A first start that failed: stop what came up, then report the failure."""
    GIVE_UP = "give_up"
    """The budget is spent: stop all, then end."""
    STOP = "stop"
    """Told to: stop all, then report."""


@dataclass(slots=True)
class ChildNode:
    """A child."""

    spec: ChildSpec
    parent: "SupervisorNode"
    index: int
    state: NodeState = NodeState.DOWN
    ticket: int = 0
    incarnation: int = 0
    start_overdue: bool = False
    last_exit: ExitReason | None = None
    last_cause: str = ""

    @property
    def node_id(self) -> str:
        """Its name in the tree."""
        return self.spec.id

    @property
    def restart(self) -> Restart:
        """Which ends are followed by a restart."""
        return self.spec.restart


@dataclass(slots=True)
class SupervisorNode:
    """A supervisor. Its children are in start order."""

    spec: SupervisorSpec
    parent: "SupervisorNode | None"
    index: int
    state: NodeState = NodeState.DOWN
    ticket: int = 0
    children: "list[ChildNode | SupervisorNode]" = field(default_factory=list)
    restarts_s: deque[float] = field(default_factory=deque)
    """When it restarted within the present window, oldest first."""
    purpose: Purpose = Purpose.NONE
    stopping_children: bool = False
    """The purpose's first half, stopping, is under way."""
    awaiting_halt: bool = False
    first: int = 0
    """Lowest index the purpose is about."""
    cursor: int = 0
    """Index of the child being stopped or started."""
    coming_up: bool = False
    """Its own supervisor waits to hear whether it came up."""
    cause: str = ""

    @property
    def node_id(self) -> str:
        """Its name in the tree."""
        return self.spec.id

    @property
    def restart(self) -> Restart:
        """Which ends are followed by a restart."""
        return self.spec.restart

    def restarts_in_window(self, now_s: float) -> int:
        """Restarts that count against the budget at `now_s`."""
        threshold_s = now_s - self.spec.period_s
        return sum(1 for stamp_s in self.restarts_s if stamp_s >= threshold_s)


Node = ChildNode | SupervisorNode


def build_nodes(spec: SupervisorSpec) -> tuple[SupervisorNode, dict[str, Node]]:
    """The nodes of a tree, all down, and an index of them by name."""
    index: dict[str, Node] = {}

    def build(one: SupervisorSpec, parent: SupervisorNode | None, place: int) -> SupervisorNode:
        node = SupervisorNode(spec=one, parent=parent, index=place)
        index[one.id] = node
        for number, below in enumerate(one.children):
            if isinstance(below, SupervisorSpec):
                node.children.append(build(below, node, number))
            else:
                child = ChildNode(spec=below, parent=node, index=number)
                index[below.id] = child
                node.children.append(child)
        return node

    return build(spec, None, 0), index


def is_gone(node: Node) -> bool:
    """Whether nothing will start this node as things stand: it ended for good, or what it belongs to did."""
    parent = node.parent
    if parent is None:
        return node.state is NodeState.STOPPING
    ended = node.state is NodeState.DOWN and parent.state is NodeState.UP and parent.purpose is Purpose.NONE
    return ended or node.state in {NodeState.REMOVED, NodeState.LEFT_DOWN} or is_gone(parent)
