"""The supervision tree as a pure state machine: an event in, effects out. No Ray, no clock, no I/O.

The semantics are those of Erlang/OTP's `supervisor`:

* Children start in order, each when the one before it serves; they stop in exactly the reverse order.
* A permanent child is always restarted, a transient one after a crash, a temporary one never.
* one_for_one restarts the child; one_for_all stops the others (in reverse) and starts all; rest_for_one does
  that to the child and those after it.
* At most `intensity` restarts within any `period_s`. One incident costs one, however many children it takes
  along; each failed attempt to restart costs one more. A failed restart comes back as an event of its own, so
  that everything else is served between two attempts.
* A simple_one_for_one supervisor starts with no children; copies of its template are added by calls, restarted
  alone, and stopped all at once.
* One restart too many: the supervisor stops its children and ends with `shutdown`; its own supervisor
  decides.
* A first start that fails unwinds in reverse and is reported upwards as a failed start.
* A significant child that ends by itself and is not restarted ends its supervisor with `shutdown`, where
  `auto_shutdown` says so.
* A child whose start says that there is nothing to do counts as started and has no process.
* Children are added, terminated, restarted and deleted by calls; each is answered once. What a call changed
  lasts until the supervisor itself starts anew.

Where OTP blocks, this machine does not: a supervisor in the middle of a long start still obeys its own
supervisor, a one_for_one sibling is restarted without waiting for its turn, and a start that a sibling's
crash has made pointless is cut short.

Beyond OTP, where a child says so and only there: `backoff` puts its restart off. Its siblings and the end of
the tree do not wait for it; the group that restarts with it does, stopped. `give_up_on` names causes that no
restart helps against: they spend the budget at once. `quarantine` counts deaths by the inputs in hand; one of too many
is refused by the lives that follow, or spends the budget at once. A child that a call holds stays down, whatever is
restarted, until a call releases it.

Guarantees, whatever the order of events: a child's next life is started only after its last one is certain
to have ended; no event of an earlier life is taken for one of the present; `TreeDown` comes when nothing
runs.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Self, TypeAlias, assert_never

from mia_actors.supervision.administration import Administration, ChildCounts, ChildEntry
from mia_actors.supervision.events import (
    ArmOverdue,
    Call,
    ChildArmed,
    ChildDeclined,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Effect,
    Event,
    ExitReason,
    Fact,
    HaltHandled,
    KillChild,
    ReloadCall,
    RetryDue,
    SetTimer,
    StartOverdue,
    StartTree,
    StopOverdue,
    StopTree,
    TreeDown,
)
from mia_actors.supervision.lifecycle import Lifecycle, retry_of
from mia_actors.supervision.nodes import ALIVE, ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.reloading import Reloading
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.tree import Tree, spec_of
from mia_actors.supervision.tree_state import TreeState, restore, state_of

ChildEvent: TypeAlias = (
    ChildStarted
    | ChildStartFailed
    | ChildDeclined
    | ChildExited
    | ChildArmed
    | StartOverdue
    | ArmOverdue
    | StopOverdue
)


class TreeMachine:
    """One tree from its start to its end."""

    def __init__(self, spec: SupervisorSpec, *, may_start: Callable[[str], bool] | None = None) -> None:
        """`may_start` is asked before a nested supervisor starts: False makes that start fail."""
        self._tree = Tree(spec)
        self._lifecycle = Lifecycle(self._tree, may_start or _always)
        self._administration = Administration(self._tree, self._lifecycle)
        self._reloading = Reloading(self._tree, self._lifecycle)
        self.root = self._tree.root
        self.nodes = MappingProxyType(self._tree.nodes)

    @classmethod
    def resumed(cls, spec: SupervisorSpec, state: TreeState) -> Self:
        """A tree as another supervisor left it: up, but for what is down for good.

        It must be told by `ChildExited` which of its children live no more.
        """
        machine = cls(state.spec or spec)
        restore(machine._tree, state)
        return machine

    def state(self, *, epoch: int) -> TreeState:
        """What another supervisor needs to go on."""
        return state_of(self._tree, epoch=epoch, ended=self.outcome is not None)

    def timers(self, now_s: float) -> tuple[SetTimer, ...]:
        """The timers a resumed tree waits for: restarts that were put off, children that are to be armed."""
        put_off = tuple(
            SetTimer(after_s=max(0.0, node.due_s - now_s), event=retry_of(node, counted=True))
            for node in self._tree.nodes.values()
            if node.state is NodeState.RESTARTING and node.waits and node.due_s is not None
        )
        unarmed = tuple(
            _arm_timer(node, node.spec.armed_within_s)
            for node in self._tree.nodes.values()
            if isinstance(node, ChildNode)
            and node.state is NodeState.UP
            and not node.armed
            and node.spec.armed_within_s is not None
        )
        return (*put_off, *unarmed)

    @property
    def spec(self) -> SupervisorSpec:
        """The specification as it is now, reloads included; what calls added is not in it."""
        return spec_of(self._tree.root)

    @property
    def outcome(self) -> TreeDown | None:
        """How the tree ended, once it has."""
        return self._lifecycle.outcome

    def handle(self, event: Event, now_s: float) -> tuple[Effect, ...]:
        """Takes one event and says what is to be done, in order.

        `now_s` is monotonic. Events of a life that is over change nothing.
        """
        tree = self._tree
        tree.now_s = now_s
        if isinstance(event, ChildEvent):
            node = tree.nodes.get(event.child_id)
            if isinstance(node, ChildNode) and node.incarnation == event.incarnation:
                self._child_event(node, event)
        else:
            self._tree_event(event)
        self._administration.go_on()
        self._reloading.go_on()
        effects = tuple(tree.effects)
        tree.effects.clear()
        return effects

    def _tree_event(self, event: RetryDue | StartTree | StopTree | HaltHandled | ReloadCall | Call) -> None:
        match event:
            case RetryDue():
                failed = self._tree.nodes.get(event.node_id)
                if failed is not None:
                    self._lifecycle.retry(failed, event.ticket, counted=event.counted)
            case StartTree():
                if self.root.state is NodeState.DOWN and self.outcome is None:
                    self._lifecycle.start(self.root)
            case StopTree():
                self._lifecycle.stop_root()
            case HaltHandled():
                supervisor = self._tree.nodes.get(event.supervisor_id)
                if isinstance(supervisor, SupervisorNode):
                    self._lifecycle.halt_handled(supervisor)
            case ReloadCall():
                self._reloading.take(event)
            case _:
                self._administration.take(event)

    def count_children(self, supervisor_id: str) -> ChildCounts | None:
        """How many children a supervisor has; None when it is not up."""
        return self._administration.count_children(supervisor_id)

    def which_children(self, supervisor_id: str) -> tuple[ChildEntry, ...] | None:
        """The children of a supervisor in start order; None when it is not up."""
        return self._administration.which_children(supervisor_id)

    # --- what happened to a child ---

    def _child_event(self, node: ChildNode, event: ChildEvent) -> None:
        match event:
            case ChildStarted():
                self._child_started(node)
            case ChildStartFailed():
                self._child_ended(node, ExitReason.CRASH, event.cause)
            case ChildDeclined():
                self._child_declined(node, event.cause)
            case ChildExited():
                self._child_ended(node, event.reason, event.cause, event.inputs)
            case ChildArmed():
                if node.state is NodeState.UP and not node.armed:
                    node.armed = True
                    self._tree.report(Fact.CHILD_ARMED, node)
            case StartOverdue() | ArmOverdue() | StopOverdue():
                self._overdue(node, event)
            case _:
                assert_never(event)

    def _child_started(self, node: ChildNode) -> None:
        if node.state is not NodeState.STARTING or node.start_overdue:
            return
        node.state, node.up_since_s = NodeState.UP, self._tree.now_s
        self._tree.report(Fact.CHILD_STARTED, node)
        if node.spec.armed_within_s is not None:
            self._tree.effects.append(_arm_timer(node, node.spec.armed_within_s))
        self._lifecycle.came_up(node)

    def _overdue(self, node: ChildNode, event: StartOverdue | ArmOverdue | StopOverdue) -> None:
        """Kills the child where it still is in what it had time enough for."""
        match event:
            case StartOverdue():
                overdue = node.start_overdue = node.state is NodeState.STARTING
            case ArmOverdue():
                overdue = node.arm_overdue = node.state is NodeState.UP and not node.armed
            case StopOverdue():
                overdue = node.state is NodeState.STOPPING
        if overdue:
            self._tree.effects.append(KillChild(child_id=node.node_id, incarnation=node.incarnation))

    def _child_declined(self, node: ChildNode, cause: str) -> None:
        if node.state is NodeState.STARTING and not node.start_overdue:
            node.last_cause = cause
            self._tree.report(Fact.CHILD_DECLINED, node, cause=cause)
            self._lifecycle.declined(node)
        else:
            self._child_ended(node, ExitReason.KILLED, cause)

    def _child_ended(
        self, node: ChildNode, reason: ExitReason, cause: str, inputs: tuple[str, ...] = ()
    ) -> None:
        before = node.state
        if before not in ALIVE:
            return
        if node.start_overdue:
            cause = f"did not start within {node.spec.start_within_s:g} s"
        elif node.arm_overdue and before is NodeState.UP:
            cause = f"was not armed within {node.spec.armed_within_s:g} s"
        node.state = NodeState.DOWN
        self._forget_failures(node)
        node.last_exit, node.last_cause = reason, cause
        if before is not NodeState.STOPPING:
            node.deaths.add(reason, cause)
            if not (reason.orderly or node.start_overdue or node.arm_overdue):
                self._lifecycle.suspect(node, inputs)
        if before is NodeState.STARTING:
            self._tree.report(Fact.CHILD_START_FAILED, node, reason=reason, cause=cause)
            self._lifecycle.start_failed(node, cause)
            return
        self._tree.report(Fact.CHILD_EXITED, node, reason=reason, cause=cause)
        if before is NodeState.STOPPING:
            self._lifecycle.gone(node)
        else:
            self._lifecycle.exited(node, reason, cause)

    def _forget_failures(self, node: ChildNode) -> None:
        """After a life that was long enough a failure is the first one again."""
        up_since_s, node.up_since_s, backoff = node.up_since_s, None, node.spec.backoff
        if backoff is None or up_since_s is None:
            return
        if self._tree.now_s - up_since_s >= backoff.stable_after_s:
            node.failures = 0


def _arm_timer(node: ChildNode, within_s: float) -> SetTimer:
    overdue = ArmOverdue(child_id=node.node_id, incarnation=node.incarnation)
    return SetTimer(after_s=within_s, event=overdue)


def _always(_: str) -> bool:
    return True
