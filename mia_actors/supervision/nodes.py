"""The mutable state of a tree: one node for each child and each supervisor. Only the machine changes it."""

from dataclasses import dataclass, field
from enum import StrEnum

from mia_actors.supervision.deaths import Deaths
from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.restart_window import RestartWindow
from mia_actors.supervision.siblings import Siblings
from mia_actors.supervision.spec import ChildSpec, Restart, SupervisorSpec
from mia_actors.supervision.suspects import Suspects


class NodeState(StrEnum):
    """Where a child or supervisor stands."""

    DOWN = "down"
    STARTING = "starting"
    UP = "up"
    RESTARTING = "restarting"
    """Its restart failed and is about to be tried again, or is put off."""
    STOPPING = "stopping"
    REMOVED = "removed"
    """A temporary child that ended, or one that was deleted; only a new start of its supervisor brings it back."""
    LEFT_DOWN = "left_down"
    """A supervisor that gave up and is not to be started again by its own failure."""
    HELD = "held"
    """Kept down by a call until another call releases it."""


class Purpose(StrEnum):
    """What a supervisor is in the middle of."""

    NONE = "none"
    START = "start"
    """Its children in order; a failure unwinds."""
    RESTART = "restart"
    """From the end down to `first` stop, from `first` to the end start; a failure is tried again."""
    UNWIND = "unwind"
    """A first start that failed: stop what came up, then report the failure."""
    COMPLETE = "complete"
    """Its significant children have ended: stop all, then end."""
    GIVE_UP = "give_up"
    """The budget is spent: stop all, then end."""
    STOP = "stop"
    """Told to: stop all, then report."""


ALIVE = frozenset({NodeState.STARTING, NodeState.UP, NodeState.STOPPING})
GONE = frozenset({NodeState.REMOVED, NodeState.LEFT_DOWN, NodeState.HELD})
ENDING = frozenset({Purpose.STOP, Purpose.GIVE_UP, Purpose.UNWIND, Purpose.COMPLETE})
SEQUENCES = frozenset({Purpose.START, Purpose.RESTART})


class Wish(StrEnum):
    """What the caller of an administration call waits for."""

    START = "start"
    """A new child; when it cannot start it is forgotten."""
    RESTART = "restart"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call that is answered when its child is up, or down."""

    call_id: int
    wish: Wish


@dataclass(slots=True, eq=False)
class ChildNode:
    """A child."""

    node_id: str
    spec: ChildSpec
    parent: "SupervisorNode"
    restart: Restart
    added: bool = False
    """By a call; it is forgotten when it is removed, and when its supervisor starts anew."""
    lives_before: int = 0
    """Its incarnations begin after this number: those up to it may have been of others of its name."""
    incarnation: int = 0
    state: NodeState = NodeState.DOWN
    ticket: int = 0
    waits: bool = False
    """While it is restarting: the restart is put off, until `due_s`, or None: with its group."""
    due_s: float | None = None
    held: bool = False
    """To be kept down from now on; it is `HELD` once it has ended."""
    failures: int = 0
    """In a row, without a stable time between them: how far its backoff has grown."""
    up_since_s: float | None = None
    deaths: Deaths = field(default_factory=Deaths)
    suspects: Suspects = field(default_factory=Suspects)
    poison: str = ""
    """The input because of which its supervisor is to give up instead of restarting it."""
    start_overdue: bool = False
    armed: bool = False
    """In this life."""
    arm_overdue: bool = False
    last_exit: ExitReason | None = None
    last_cause: str = ""
    call: PendingCall | None = None
    place: int = 0
    previous: "Node | None" = None
    next: "Node | None" = None


@dataclass(slots=True, eq=False)
class SupervisorNode:
    """A supervisor. Its children are in start order."""

    node_id: str
    spec: SupervisorSpec
    parent: "SupervisorNode | None"
    restart: Restart
    window: RestartWindow
    added: bool = False
    """By a call; see `ChildNode`."""
    state: NodeState = NodeState.DOWN
    ticket: int = 0
    waits: bool = False
    """See `ChildNode`."""
    due_s: float | None = None
    held: bool = False
    listed: "tuple[Node, ...]" = ()
    """The children it starts with; calls add and remove others."""
    children: Siblings = field(default_factory=Siblings)
    copies: int = 0
    """How many copies of its template were made so far."""
    significant: "dict[str, Node]" = field(default_factory=dict)
    """Its significant children that were started; some may have ended since."""
    ended_significant: "list[Node]" = field(default_factory=list)
    """Those that ended while others were being started: what follows waits until they are up."""
    purpose: Purpose = Purpose.NONE
    stopping_children: bool = False
    """The purpose's first half, stopping, is under way."""
    awaiting_halt: bool = False
    first: int = 0
    """Lowest place the purpose is about."""
    cursor: "Node | None" = None
    """The child being stopped or started."""
    starting_next: bool = False
    """The loop over the children to be started is under way; so, below, that over those to be stopped."""
    stopping_next: bool = False
    dependants: "dict[str, list[Node]]" = field(default_factory=dict)
    """By the name of a child those that depend on it directly, also some that are removed by now."""
    members: set[str] | None = None
    """Names of those a restart is about, or owed to, where it is not a whole group's; None: all from `first` on."""
    awaited: "Node | None" = None
    """The one whose backoff its group waits for: nothing of the group starts before `not_before_s`."""
    not_before_s: float = 0.0
    left_out: "Node | None" = None
    """The one that a group restart does not start, because a call stopped it while the group waited for it."""
    becoming: SupervisorSpec | None = None
    """What a reload makes of it once those that go or change are down."""
    to_start: set[str] = field(default_factory=set)
    """Names of those that are to be started then."""
    coming_up: bool = False
    """Its own supervisor waits to hear whether it came up."""
    cause: str = ""
    call: PendingCall | None = None
    place: int = 0
    previous: "Node | None" = None
    next: "Node | None" = None

    def restarts_in_window(self, now_s: float) -> int:
        """Restarts that count against the budget at `now_s`."""
        return self.window.count(now_s)


Node = ChildNode | SupervisorNode


def is_gone(node: Node) -> bool:
    """Whether nothing will start this node as things stand: it ended for good, or what it belongs to did."""
    parent = node.parent
    if parent is None:
        return node.state is NodeState.STOPPING
    ended = node.state is NodeState.DOWN and parent.state is NodeState.UP and parent.purpose is Purpose.NONE
    return ended or node.state in GONE or is_gone(parent)
