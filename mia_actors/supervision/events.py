"""What goes into the tree's state machine and what comes out of it: closed sets, told apart by type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from mia_actors.supervision.spec import ChildSpec, SupervisorSpec


class ExitReason(StrEnum):
    """How a child's process ended. An orderly end is `NORMAL` or `SHUTDOWN`."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    CRASH = "crash"
    KILLED = "killed"
    HUNG = "hung"
    """Killed because it gave no sign of life, or its work did not get on."""

    @property
    def orderly(self) -> bool:
        """Whether a transient child stays down after it."""
        return self in {ExitReason.NORMAL, ExitReason.SHUTDOWN}


# --- in: what was asked and what happened ---


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTree:
    """Start everything, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTree:
    """Stop everything, in reverse order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStarted:
    """The child serves."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildArmed:
    """The child is ready for everything: it has reconciled with whatever it has to agree with."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildStartFailed:
    """The child did not come up, and its process is certain to be gone."""

    child_id: str
    incarnation: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildDeclined:
    """The child has nothing to do and needs no process; that of its start is certain to be gone."""

    child_id: str
    incarnation: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildExited:
    """The child's process is certain to be gone."""

    child_id: str
    incarnation: int
    reason: ExitReason
    cause: str
    inputs: tuple[str, ...] = ()
    """Names of those it had in hand, where the end was nobody's wish."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOverdue:
    """Timer: the child had time enough to start."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOverdue:
    """Timer: the child had time enough to be armed."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopOverdue:
    """Timer: the child had time enough to stop."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDue:
    """Timer: a restart that failed or was put off is tried. An older `ticket` than the node's is void."""

    node_id: str
    ticket: int
    counted: bool = False
    """It was put off, and counts against the budget already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltHandled:
    """The halt hook has returned, or its time is up."""

    supervisor_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChildCall:
    """Add a child after all others and start it. Answered, like every call, by `CallAnswered`."""

    call_id: int = 0
    supervisor_id: str
    spec: ChildSpec | SupervisorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCopyCall:
    """Start one more copy of a simple_one_for_one supervisor's template, its settings completed by these."""

    call_id: int = 0
    supervisor_id: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateChildCall:
    """Stop a child and keep it down; a temporary one and a copy are forgotten."""

    call_id: int = 0
    supervisor_id: str
    child_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartChildCall:
    """Start a child that is down."""

    call_id: int = 0
    supervisor_id: str
    child_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteChildCall:
    """Forget a child that is down."""

    call_id: int = 0
    supervisor_id: str
    child_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChildCall:
    """Stop a child and keep it down, whatever restarts, until it is released."""

    call_id: int = 0
    supervisor_id: str
    child_id: str
    cause: str = ""
    """Of the person who asks, for the event log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChildCall:
    """Start a child that is held, and let it be restarted again."""

    call_id: int = 0
    supervisor_id: str
    child_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadCall:
    """Make the running tree what this specification says; see `reload`. Answered when it has begun."""

    call_id: int = 0
    tree: SupervisorSpec


Call: TypeAlias = (
    StartChildCall
    | StartCopyCall
    | TerminateChildCall
    | RestartChildCall
    | DeleteChildCall
    | HoldChildCall
    | ReleaseChildCall
)
TimerEvent: TypeAlias = StartOverdue | ArmOverdue | StopOverdue | RetryDue
Event: TypeAlias = (
    StartTree
    | StopTree
    | ChildStarted
    | ChildStartFailed
    | ChildDeclined
    | ChildExited
    | ChildArmed
    | HaltHandled
    | TimerEvent
    | Call
    | ReloadCall
)


# --- out: what is to be done ---


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChild:
    """Give the child a process. Answered by `ChildStarted`, `ChildStartFailed`, `ChildDeclined` or `ChildExited`."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopChild:
    """Ask the child to stop, then end its process. Answered by `ChildExited`."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KillChild:
    """End the child's process without asking. Answered by `ChildExited` or `ChildStartFailed`."""

    child_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTimer:
    """Send `event` back after `after_s`. Timers are never cancelled: a late one is recognised as such."""

    after_s: float
    event: TimerEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHalt:
    """Call the halt hook. Answered by `HaltHandled`, whatever the hook does."""

    supervisor_id: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepInput:
    """Keep an input that a life of the child had in hand, for people to look at."""

    child_id: str
    incarnation: int
    name: str


class Fact(StrEnum):
    """What the event log tells of the tree."""

    SUPERVISOR_STARTING = "supervisor.starting"
    SUPERVISOR_STARTED = "supervisor.started"
    SUPERVISOR_STOPPED = "supervisor.stopped"
    SUPERVISOR_LEFT_DOWN = "supervisor.left_down"
    BUDGET_SPENT = "supervision.budget_spent"
    PERMANENT_FAILURE = "supervision.permanent_failure"
    AUTO_SHUTDOWN = "supervision.auto_shutdown"
    HALT_REQUESTED = "supervision.halt_requested"
    CHILD_STARTED = "child.started"
    CHILD_ARMED = "child.armed"
    TREE_RELOADED = "tree.reloaded"
    SUPERVISOR_RELOADED = "supervisor.reloaded"
    CHILD_START_FAILED = "child.start_failed"
    CHILD_DECLINED = "child.declined"
    CHILD_EXITED = "child.exited"
    INPUT_QUARANTINED = "child.input_quarantined"
    CHILD_HELD = "child.held"
    CHILD_RELEASED = "child.released"
    RESTART_SCHEDULED = "child.restart_scheduled"
    TREE_STOPPED = "supervision.tree_stopped"
    TREE_GAVE_UP = "supervision.tree_gave_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Write a fact to the event log. `incarnation` is 0 for supervisors."""

    fact: Fact
    node_id: str
    incarnation: int = 0
    reason: ExitReason | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeDown:
    """Nothing of the tree runs any more and nothing will. `gave_up` when nobody asked for it."""

    gave_up: bool
    cause: str


class CallOutcome(StrEnum):
    """How a call ended. The names of the errors are OTP's where it has one."""

    OK = "ok"
    ALREADY_STARTED = "already_started"
    ALREADY_PRESENT = "already_present"
    """The child is known and down: restart or delete it."""
    RUNNING = "running"
    RESTARTING = "restarting"
    NOT_FOUND = "not_found"
    START_FAILED = "start_failed"
    HELD = "held"
    """The child is kept down: release it first."""
    NOT_HELD = "not_held"
    MAX_CHILDREN = "max_children"
    """The supervisor has as many copies as it may have."""
    INVALID_SPEC = "invalid_spec"
    """The supervisor cannot have such a child, or its id is another's."""
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """The supervisor's children are copies, which are started by their template and end by their own name."""
    NOT_RUNNING = "not_running"
    """The supervisor that was asked."""
    SUPERVISOR_DOWN = "supervisor_down"
    """It ended before the answer was known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    """Give a caller its answer. `child_id` is the child it is about: that of a new copy is not known before."""

    call_id: int
    outcome: CallOutcome
    child_id: str = ""
    cause: str = ""


Effect: TypeAlias = (
    StartChild | StopChild | KillChild | SetTimer | CallHalt | CallAnswered | KeepInput | Report | TreeDown
)
