"""The supervision tree as a pure state machine: an event in, effects out. No Ray, no clock, no I/O.

The semantics are those of Erlang/OTP's `supervisor`:

* Children start in order, each when the one before it serves; they stop in exactly the reverse order.
* A permanent child is always restarted, a transient one after a crash, a temporary one never.
* one_for_one restarts the child; one_for_all stops the others (in reverse) and starts all; rest_for_one does
  that to the child and those after it.
* At most `intensity` restarts within any `period_s`. One incident costs one, however many children it takes
  along; each failed attempt to restart costs one more. A failed restart comes back as an event of its own, so
  that everything else is served between two attempts.
* One restart too many: the supervisor stops its children and ends with `shutdown`; its own supervisor
  decides.
* A first start that fails unwinds in reverse and is reported upwards as a failed start.

Where OTP blocks, this machine does not: a supervisor in the middle of a long start still obeys its own
supervisor, a one_for_one sibling is restarted without waiting for its turn, and a start that a sibling's
crash has made pointless is cut short.

Guarantees, whatever the order of events: a child's next life is started only after its last one is certain
to have ended; no event of an earlier life is taken for one of the present; `TreeDown` comes when nothing
runs.
"""

from types import MappingProxyType
from typing import assert_never

from mia_actors.supervision.events import (
    CallHalt,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Effect,
    Event,
    ExitReason,
    Fact,
    HaltHandled,
    KillChild,
    Report,
    RetryDue,
    SetTimer,
    StartChild,
    StartOverdue,
    StartTree,
    StopChild,
    StopOverdue,
    StopTree,
    TreeDown,
)
from mia_actors.supervision.nodes import ChildNode, Node, NodeState, Purpose, SupervisorNode, build_nodes
from mia_actors.supervision.spec import OnBudgetSpent, Restart, Strategy, SupervisorSpec

ALIVE = frozenset({NodeState.STARTING, NodeState.UP, NodeState.STOPPING})
ENDING = frozenset({Purpose.STOP, Purpose.GIVE_UP, Purpose.UNWIND})
SEQUENCES = frozenset({Purpose.START, Purpose.RESTART})


class TreeMachine:
    """One tree from its start to its end."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self.root, nodes = build_nodes(spec)
        self.nodes = MappingProxyType(nodes)
        self.outcome: TreeDown | None = None
        self._effects: list[Effect] = []
        self._now_s = 0.0

    def handle(self, event: Event, now_s: float) -> tuple[Effect, ...]:
        """Takes one event and says what is to be done, in order.

        `now_s` is monotonic. Events of a life that is over change nothing.
        """
        self._now_s = now_s
        match event:
            case StartTree():
                if self.root.state is NodeState.DOWN and self.outcome is None:
                    self._start(self.root)
            case StopTree():
                self._stop_tree()
            case HaltHandled():
                self._halt_handled(event)
            case RetryDue():
                self._retry(event)
            case ChildStarted() | ChildStartFailed() | ChildExited() | StartOverdue() | StopOverdue():
                node = self.nodes[event.child_id]
                if isinstance(node, ChildNode) and node.incarnation == event.incarnation:
                    self._child_event(node, event)
            case _:
                assert_never(event)
        effects, self._effects = tuple(self._effects), []
        return effects

    # --- what happened to a child ---

    def _child_event(
        self,
        node: ChildNode,
        event: ChildStarted | ChildStartFailed | ChildExited | StartOverdue | StopOverdue,
    ) -> None:
        match event:
            case ChildStarted():
                if node.state is NodeState.STARTING and not node.start_overdue:
                    node.state = NodeState.UP
                    self._report(Fact.CHILD_STARTED, node)
                    self._came_up(node)
            case ChildStartFailed():
                self._child_ended(node, ExitReason.CRASH, event.cause)
            case ChildExited():
                self._child_ended(node, event.reason, event.cause)
            case StartOverdue():
                if node.state is NodeState.STARTING:
                    node.start_overdue = True
                    self._effects.append(KillChild(child_id=node.node_id, incarnation=node.incarnation))
            case StopOverdue():
                if node.state is NodeState.STOPPING:
                    self._effects.append(KillChild(child_id=node.node_id, incarnation=node.incarnation))
            case _:
                assert_never(event)

    def _child_ended(self, node: ChildNode, reason: ExitReason, cause: str) -> None:
        before = node.state
        if before not in ALIVE:
            return
        if node.start_overdue:
            cause = f"did not start within {node.spec.start_within_s:g} s"
        node.state = NodeState.DOWN
        node.last_exit, node.last_cause = reason, cause
        if before is NodeState.STARTING:
            self._report(Fact.CHILD_START_FAILED, node, reason=reason, cause=cause)
            self._start_failed(node, cause)
            return
        self._report(Fact.CHILD_EXITED, node, reason=reason, cause=cause)
        if before is NodeState.STOPPING:
            self._gone(node)
        else:
            self._exited(node, reason, cause)

    def _retry(self, event: RetryDue) -> None:
        node = self.nodes[event.node_id]
        if node.state is NodeState.RESTARTING and node.ticket == event.ticket and node.parent is not None:
            cause = node.last_cause if isinstance(node, ChildNode) else node.cause
            self._restart(node.parent, node, cause)

    # --- starting ---

    def _start(self, node: Node) -> None:
        node.state = NodeState.STARTING
        if isinstance(node, ChildNode):
            node.incarnation += 1
            node.start_overdue = False
            self._effects += [
                StartChild(child_id=node.node_id, incarnation=node.incarnation),
                SetTimer(
                    after_s=node.spec.start_within_s,
                    event=StartOverdue(child_id=node.node_id, incarnation=node.incarnation),
                ),
            ]
            return
        node.coming_up = True
        node.restarts_s.clear()
        node.cause = ""
        for child in node.children:
            child.state = NodeState.DOWN
        self._report(Fact.SUPERVISOR_STARTING, node)
        node.purpose, node.stopping_children, node.first, node.cursor = Purpose.START, False, 0, 0
        self._start_next(node)

    def _start_next(self, supervisor: SupervisorNode) -> None:
        while supervisor.cursor < len(supervisor.children):
            node = supervisor.children[supervisor.cursor]
            if node.state is not NodeState.REMOVED:
                self._start(node)
                return
            supervisor.cursor += 1
        supervisor.purpose = Purpose.NONE
        if supervisor.coming_up:
            supervisor.coming_up = False
            supervisor.state = NodeState.UP
            self._report(Fact.SUPERVISOR_STARTED, supervisor)
            self._came_up(supervisor)

    def _came_up(self, node: Node) -> None:
        parent = node.parent
        if parent is not None and self._is_next(parent, node):
            parent.cursor += 1
            self._start_next(parent)

    def _start_failed(self, node: Node, cause: str) -> None:
        parent = node.parent
        if parent is None or parent.purpose in ENDING:
            return
        in_sequence = self._is_next(parent, node)
        if in_sequence and parent.purpose is Purpose.START:
            parent.cause = f"{node.node_id} did not start: {cause}"
            parent.state = NodeState.STOPPING
            self._stop_from(parent, Purpose.UNWIND, 0)
            return
        if in_sequence:
            parent.purpose = Purpose.NONE
        node.state = NodeState.RESTARTING
        node.ticket += 1
        retry = RetryDue(node_id=node.node_id, ticket=node.ticket)
        self._effects.append(SetTimer(after_s=0.0, event=retry))

    def _is_next(self, parent: SupervisorNode, node: Node) -> bool:
        """Whether `parent` is starting its children and waits for this one."""
        return parent.purpose in SEQUENCES and not parent.stopping_children and parent.cursor == node.index

    # --- restarting ---

    def _exited(self, node: Node, reason: ExitReason, cause: str) -> None:
        """A node that nobody asked to stop has ended."""
        parent = node.parent
        if parent is None:
            return
        taken_along = parent.purpose in ENDING or (
            parent.purpose is Purpose.RESTART and parent.stopping_children and node.index >= parent.first
        )
        if node.restart is Restart.TEMPORARY:
            node.state = NodeState.REMOVED
        elif not taken_along and not (node.restart is Restart.TRANSIENT and reason.orderly):
            self._restart(parent, node, cause)

    def _restart(self, parent: SupervisorNode, node: Node, cause: str) -> None:
        if not self._within_budget(parent):
            self._give_up(parent, f"{node.node_id}: {cause}")
            return
        match parent.spec.strategy:
            case Strategy.ONE_FOR_ONE:
                self._start(node)
            case Strategy.ONE_FOR_ALL:
                self._restart_from(parent, 0)
            case Strategy.REST_FOR_ONE:
                self._restart_from(parent, node.index)
            case _:
                assert_never(parent.spec.strategy)

    def _within_budget(self, supervisor: SupervisorNode) -> bool:
        """Counts one restart; False when it is one too many."""
        stamps = supervisor.restarts_s
        while stamps and stamps[0] < self._now_s - supervisor.spec.period_s:
            stamps.popleft()
        stamps.append(self._now_s)
        return len(stamps) <= supervisor.spec.intensity

    def _restart_from(self, supervisor: SupervisorNode, first: int) -> None:
        if supervisor.purpose is Purpose.RESTART and supervisor.stopping_children:
            supervisor.first = min(first, supervisor.first)
        else:
            self._stop_from(supervisor, Purpose.RESTART, first)

    def _give_up(self, supervisor: SupervisorNode, cause: str) -> None:
        spec = supervisor.spec
        supervisor.cause = f"more than {spec.intensity} restarts in {spec.period_s:g} s, last {cause}"
        supervisor.state = NodeState.STOPPING
        self._report(Fact.BUDGET_SPENT, supervisor, cause=supervisor.cause)
        if spec.on_budget_spent is OnBudgetSpent.HALT:
            supervisor.purpose, supervisor.stopping_children = Purpose.GIVE_UP, False
            supervisor.awaiting_halt = True
            self._report(Fact.HALT_REQUESTED, supervisor, cause=supervisor.cause)
            self._effects.append(CallHalt(supervisor_id=supervisor.node_id, cause=supervisor.cause))
        else:
            self._stop_from(supervisor, Purpose.GIVE_UP, 0)

    def _halt_handled(self, event: HaltHandled) -> None:
        node = self.nodes[event.supervisor_id]
        if isinstance(node, SupervisorNode) and node.awaiting_halt:
            node.awaiting_halt = False
            self._stop_from(node, node.purpose, 0)

    # --- stopping ---

    def _stop_tree(self) -> None:
        if self.outcome is not None:
            return
        if self.root.state is NodeState.DOWN:
            self._tree_down(gave_up=False, cause="")
        else:
            self._stop(self.root)

    def _stop(self, node: Node) -> None:
        """Asks a living node to end; `_gone` follows when it has."""
        if isinstance(node, SupervisorNode):
            if node.purpose in ENDING:
                node.purpose = Purpose.STOP
            else:
                self._stop_from(node, Purpose.STOP, 0)
            return
        if node.state is NodeState.STOPPING:
            return
        serving = node.state is NodeState.UP
        node.state = NodeState.STOPPING
        if not serving or node.spec.shutdown_s == 0:
            self._effects.append(KillChild(child_id=node.node_id, incarnation=node.incarnation))
            return
        overdue = StopOverdue(child_id=node.node_id, incarnation=node.incarnation)
        self._effects += [
            StopChild(child_id=node.node_id, incarnation=node.incarnation),
            SetTimer(after_s=node.spec.shutdown_s, event=overdue),
        ]

    def _stop_from(self, supervisor: SupervisorNode, purpose: Purpose, first: int) -> None:
        """Stops the children from the last down to `first`, one after the other, for `purpose`."""
        if purpose is not Purpose.RESTART:
            supervisor.state = NodeState.STOPPING
        supervisor.purpose, supervisor.stopping_children = purpose, True
        supervisor.first, supervisor.cursor = first, len(supervisor.children) - 1
        self._stop_next(supervisor)

    def _stop_next(self, supervisor: SupervisorNode) -> None:
        while supervisor.cursor >= supervisor.first:
            node = supervisor.children[supervisor.cursor]
            if node.state in ALIVE:
                self._stop(node)
                return
            if node.state is NodeState.RESTARTING:
                node.state = NodeState.DOWN
            supervisor.cursor -= 1
        supervisor.stopping_children = False
        self._all_stopped(supervisor)

    def _all_stopped(self, supervisor: SupervisorNode) -> None:
        if supervisor.purpose is Purpose.RESTART:
            supervisor.cursor = supervisor.first
            self._start_next(supervisor)
            return
        told_to, coming_up = supervisor.purpose is Purpose.STOP, supervisor.coming_up
        supervisor.purpose, supervisor.coming_up = Purpose.NONE, False
        left_down = (
            not told_to
            and supervisor.parent is not None
            and supervisor.spec.on_budget_spent is OnBudgetSpent.LEAVE_DOWN
        )
        supervisor.state = NodeState.LEFT_DOWN if left_down else NodeState.DOWN
        fact = Fact.SUPERVISOR_LEFT_DOWN if left_down else Fact.SUPERVISOR_STOPPED
        self._report(fact, supervisor, reason=ExitReason.SHUTDOWN, cause=supervisor.cause)
        if supervisor.parent is None:
            self._tree_down(gave_up=not told_to, cause=supervisor.cause)
        elif told_to:
            self._gone(supervisor)
        elif left_down:
            self._came_up(supervisor)  # as far as its own supervisor is concerned
        elif coming_up:
            self._start_failed(supervisor, supervisor.cause)
        else:
            self._exited(supervisor, ExitReason.SHUTDOWN, supervisor.cause)

    def _gone(self, node: Node) -> None:
        """A node that was told to stop has ended."""
        node.state = NodeState.REMOVED if node.restart is Restart.TEMPORARY else NodeState.DOWN
        if node.parent is not None:
            self._stop_next(node.parent)

    def _tree_down(self, *, gave_up: bool, cause: str) -> None:
        self.outcome = TreeDown(gave_up=gave_up, cause=cause)
        self._report(Fact.TREE_GAVE_UP if gave_up else Fact.TREE_STOPPED, self.root, cause=cause)
        self._effects.append(self.outcome)

    def _report(self, fact: Fact, node: Node, *, reason: ExitReason | None = None, cause: str = "") -> None:
        incarnation = node.incarnation if isinstance(node, ChildNode) else 0
        self._effects.append(
            Report(fact=fact, node_id=node.node_id, incarnation=incarnation, reason=reason, cause=cause)
        )
