"""How nodes start, end, restart and stop: the strategies, the budget, the order. See `machine` for the rules."""

from collections.abc import Callable
from typing import assert_never

from mia_actors.supervision.backoff import failures_after, wait_s
from mia_actors.supervision.deaths import pattern_met
from mia_actors.supervision.events import (
    CallAnswered,
    CallHalt,
    CallOutcome,
    ExitReason,
    Fact,
    KeepInput,
    KillChild,
    RetryDue,
    SetTimer,
    StartChild,
    StartOverdue,
    StopChild,
    StopOverdue,
    TreeDown,
)
from mia_actors.supervision.nodes import (
    ALIVE,
    ENDING,
    SEQUENCES,
    ChildNode,
    Node,
    NodeState,
    Purpose,
    SupervisorNode,
    Wish,
)
from mia_actors.supervision.reload import plan_level, same_level
from mia_actors.supervision.spec import (
    AutoShutdown,
    OnBudgetSpent,
    Poisoned,
    Restart,
    Strategy,
    SupervisorSpec,
)
from mia_actors.supervision.tree import Tree, dependants_of, spec_of

RESTARTS_ALONE = frozenset({Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE})
NOT_STARTED = frozenset({NodeState.REMOVED, NodeState.HELD})
"""Not even with a group."""
STANDING = frozenset({NodeState.STARTING, NodeState.UP, NodeState.STOPPING, NodeState.RESTARTING})


class Lifecycle:
    """Moves the nodes of one tree from state to state."""

    def __init__(self, tree: Tree, may_start: Callable[[str], bool]) -> None:
        self.outcome: TreeDown | None = None
        self._tree = tree
        self._may_start = may_start

    # --- starting ---

    def start(self, node: Node) -> None:
        """Begins to start it; `came_up` or `start_failed` follows."""
        tree, parent = self._tree, node.parent
        node.state = NodeState.STARTING
        if parent is not None and node.spec.significant:
            parent.significant[node.node_id] = node
        if isinstance(node, ChildNode):
            node.incarnation += 1
            node.start_overdue = node.arm_overdue = node.armed = False
            node.poison = ""
            child_id, incarnation = node.node_id, node.incarnation
            overdue = StartOverdue(child_id=child_id, incarnation=incarnation)
            tree.effects.append(StartChild(child_id=child_id, incarnation=incarnation))
            tree.effects.append(SetTimer(after_s=node.spec.start_within_s, event=overdue))
            return
        if not self._may_start(node.node_id):
            node.state, node.cause = NodeState.DOWN, "it may not start"
            tree.report(Fact.CHILD_START_FAILED, node, cause=node.cause)
            self.start_failed(node, node.cause)
            return
        tree.reset(node)
        tree.report(Fact.SUPERVISOR_STARTING, node)
        node.coming_up = True
        node.cause = ""
        node.window.clear()
        node.significant.clear()
        node.ended_significant.clear()
        node.purpose, node.stopping_children, node.first = Purpose.START, False, 0
        node.awaited = node.left_out = node.members = None
        node.cursor = node.children.first
        self._start_next(node)

    def _start_next(self, supervisor: SupervisorNode) -> None:
        if supervisor.starting_next:
            return  # the loop below is under way: it goes on with what is next
        supervisor.starting_next = True
        while _is_starting(supervisor) and supervisor.cursor is not None:
            node = supervisor.cursor
            left_out = node is supervisor.left_out or not _is_member(supervisor, node)
            if node.state in NOT_STARTED or left_out:
                supervisor.cursor = node.next
            elif node.state in ALIVE:
                break
            else:
                self.start(node)
        supervisor.starting_next = False
        if not _is_starting(supervisor) or supervisor.cursor is not None:
            return
        supervisor.purpose, supervisor.members = Purpose.NONE, None
        if supervisor.coming_up:
            supervisor.coming_up = False
            supervisor.state = NodeState.UP
            self._tree.report(Fact.SUPERVISOR_STARTED, supervisor)
            self.came_up(supervisor)
        self._complete_late(supervisor)

    def came_up(self, node: Node) -> None:
        """It serves: the next one's turn, where its supervisor was waiting for it."""
        self._answer(node, CallOutcome.OK)
        parent = node.parent
        if parent is not None and self._is_next(parent, node):
            parent.cursor = node.next
            self._start_next(parent)

    def declined(self, node: Node) -> None:
        """It wants no process: as good as started; only what would be started again later is kept."""
        node.state = NodeState.DOWN
        if node.restart is Restart.TEMPORARY or _is_copy(node):
            self._tree.remove(node)
        self.came_up(node)

    def start_failed(self, node: Node, cause: str) -> None:
        """It did not come up: a first start unwinds, a call has failed, a restart is tried again."""
        parent = node.parent
        if parent is None:
            return
        call = node.call
        self._answer(node, CallOutcome.START_FAILED, cause)
        if parent.purpose in ENDING:
            return
        in_sequence = self._is_next(parent, node)
        if in_sequence and parent.purpose is Purpose.START:
            parent.cause = f"{node.node_id} did not start: {cause}"
            parent.state = NodeState.STOPPING
            self._stop_from(parent, Purpose.UNWIND, 0)
            return
        if call is not None and not in_sequence:
            if call.wish is Wish.START:
                self._tree.remove(node)
            return
        if in_sequence:
            parent.purpose = Purpose.NONE
            if parent.members is not None:
                self._hold_up(parent, node.next)
                parent.awaited, parent.not_before_s = node, self._tree.now_s
        node.state = NodeState.RESTARTING
        node.waits, node.due_s, node.ticket = False, None, self._tree.next_ticket()
        self._tree.effects.append(SetTimer(after_s=0.0, event=retry_of(node, counted=False)))
        self._complete_late(parent)

    def _is_next(self, parent: SupervisorNode, node: Node) -> bool:
        """Whether `parent` is starting its children and waits for this one."""
        return _is_starting(parent) and parent.cursor is node

    def _answer(self, node: Node, outcome: CallOutcome, cause: str = "") -> None:
        call, node.call = node.call, None
        if call is not None:
            answer = CallAnswered(call_id=call.call_id, outcome=outcome, child_id=node.node_id, cause=cause)
            self._tree.effects.append(answer)

    # --- restarting ---

    def suspect(self, node: ChildNode, inputs: tuple[str, ...]) -> None:
        """It died with these in hand: those of too many deaths are kept, and refused or given up on."""
        rule = node.spec.quarantine
        if rule is None:
            return
        for name in node.suspects.died_with(inputs, rule.after):
            self._tree.effects.append(
                KeepInput(child_id=node.node_id, incarnation=node.incarnation, name=name)
            )
            said = f"{name} was in hand in {node.suspects.counts[name]} deaths"
            if rule.then is Poisoned.GIVE_UP:
                node.poison = said
            else:
                node.suspects.quarantine(name)
                self._tree.report(Fact.INPUT_QUARANTINED, node, cause=said)

    def exited(self, node: Node, reason: ExitReason, cause: str) -> None:
        """A node that nobody asked to stop has ended."""
        parent = node.parent
        if parent is None:
            return
        taken_along = _is_taken_along(parent, node)
        stays_down = node.restart is Restart.TRANSIENT and reason.orderly
        if not stays_down and node.restart is not Restart.TEMPORARY:
            if not taken_along:
                self._restart(parent, node, cause)
            return
        if node.restart is Restart.TEMPORARY or _is_copy(node):
            self._tree.remove(node)
        if node.spec.significant and not taken_along:
            parent.ended_significant.append(node)
            self._complete_late(parent)

    def retry(self, node: Node, ticket: int, *, counted: bool) -> None:
        """Tries a restart that failed or was put off, unless something else has become of the node."""
        parent = node.parent
        if parent is None or node.state is not NodeState.RESTARTING or node.ticket != ticket:
            return
        if _is_taken_along(parent, node):
            return
        if counted:
            members = self._members(parent, node)
            if parent.awaited is node:
                parent.awaited = None
            self._restart_now(parent, node, members)
        else:
            self._restart(parent, node, node.last_cause if isinstance(node, ChildNode) else node.cause)

    def _restart(self, parent: SupervisorNode, node: Node, cause: str) -> None:
        why = _beyond_help(node, cause) if isinstance(node, ChildNode) else None
        if why is not None:
            said = f"{node.node_id} failed for good ({why}): {cause}"
            self._give_up(parent, Fact.PERMANENT_FAILURE, said)
            return
        if not parent.window.admit(self._tree.now_s):
            limits = f"{parent.spec.intensity} restarts in {parent.spec.period_s:g} s"
            self._give_up(parent, Fact.BUDGET_SPENT, f"more than {limits}, last {node.node_id}: {cause}")
            return
        members, due_s = self._members(parent, node), self._due_s(node, cause)
        if due_s is None:
            self._restart_now(parent, node, members)
        elif parent.spec.strategy in RESTARTS_ALONE and members is None:
            self._put_off(node, due_s)
        else:
            latest_s = due_s if parent.awaited is None else max(due_s, parent.not_before_s)
            parent.awaited, parent.not_before_s = node, latest_s
            self._restart_now(parent, node, members)

    def _restart_now(self, parent: SupervisorNode, node: Node, members: set[str] | None) -> None:
        match parent.spec.strategy:
            case Strategy.ONE_FOR_ONE | Strategy.SIMPLE_ONE_FOR_ONE:
                if members is None:
                    if parent.awaited is node:
                        parent.awaited = parent.members = None
                    self.start(node)
                else:
                    self._stop_from(parent, Purpose.RESTART, 0, members=members | _owed(parent))
            case Strategy.ONE_FOR_ALL:
                self._restart_from(parent, 0)
            case Strategy.REST_FOR_ONE:
                self._restart_from(parent, _first_of_rest(node))
            case _:
                assert_never(parent.spec.strategy)

    def _members(self, parent: SupervisorNode, node: Node) -> set[str] | None:
        """It and those that restart with it where the strategy says nobody does; None for nobody.

        Of its dependants those that stand; and those that a restart which failed, or was put off, owes.
        """
        if parent.spec.strategy is not Strategy.ONE_FOR_ONE:
            return None
        owing = parent.awaited is node and parent.members is not None
        found = _owed(parent) if owing else set()
        if node.spec.restart_with_dependants:
            found |= {one.node_id for one in dependants_of(parent, node) if one.state in STANDING}
        return {node.node_id, *found} if found else None

    def _due_s(self, node: Node, cause: str) -> float | None:
        """When its next life may begin; None for at once."""
        backoff = node.spec.backoff if isinstance(node, ChildNode) else None
        if backoff is None or not isinstance(node, ChildNode):
            return None
        after_s = wait_s(backoff, node.node_id, node.incarnation, node.failures)
        node.failures = failures_after(backoff, node.failures)
        self._tree.report(Fact.RESTART_SCHEDULED, node, cause=f"in {after_s:.3f} s, after: {cause}")
        return self._tree.now_s + after_s

    def _put_off(self, node: Node, due_s: float) -> None:
        node.state, node.waits, node.due_s = NodeState.RESTARTING, True, due_s
        node.ticket = self._tree.next_ticket()
        after_s = due_s - self._tree.now_s
        self._tree.effects.append(SetTimer(after_s=after_s, event=retry_of(node, counted=True)))

    def _wait_with(self, supervisor: SupervisorNode, awaited: Node) -> None:
        """The group is stopped and stays so until the one it waits for may start."""
        self._hold_up(supervisor, supervisor.cursor)
        supervisor.cursor = None
        self._put_off(awaited, supervisor.not_before_s)
        supervisor.purpose = Purpose.NONE
        self._complete_late(supervisor)

    def _hold_up(self, supervisor: SupervisorNode, node: Node | None) -> None:
        """This child and those after it, of those that are to be started, wait for another one."""
        while node is not None:
            if node.state not in NOT_STARTED and _is_member(supervisor, node):
                node.state, node.waits, node.due_s = NodeState.RESTARTING, True, None
                node.ticket = self._tree.next_ticket()
            node = node.next

    def not_awaited(self, node: Node) -> None:
        """A call has stopped it for good while its restart was put off: its group goes on without it."""
        parent = node.parent
        if parent is None:
            return
        alone = parent.spec.strategy in RESTARTS_ALONE and parent.members is None
        if parent.members is not None:
            parent.members.discard(node.node_id)
        if parent.awaited is node and not alone:
            parent.awaited = None
            first = _first_of_rest(node) if parent.spec.strategy is Strategy.REST_FOR_ONE else 0
            self._stop_from(parent, Purpose.RESTART, first, left_out=node, members=parent.members)

    def _restart_from(self, supervisor: SupervisorNode, first: int) -> None:
        if (
            supervisor.purpose is Purpose.RESTART
            and supervisor.stopping_children
            and supervisor.members is None
        ):
            supervisor.first = min(first, supervisor.first)
            return
        if supervisor.becoming is not None:
            supervisor.to_start |= supervisor.members or set()
        elif supervisor.members is not None and _is_starting(supervisor):
            first = min([first, *_places_not_begun(supervisor)])
        self._stop_from(supervisor, Purpose.RESTART, first)

    def _give_up(self, supervisor: SupervisorNode, fact: Fact, cause: str) -> None:
        supervisor.cause, supervisor.state = cause, NodeState.STOPPING
        self._tree.report(fact, supervisor, cause=cause)
        if supervisor.spec.on_budget_spent is OnBudgetSpent.HALT:
            supervisor.purpose, supervisor.stopping_children = Purpose.GIVE_UP, False
            supervisor.awaiting_halt = True
            self._tree.report(Fact.HALT_REQUESTED, supervisor, cause=supervisor.cause)
            self._tree.effects.append(CallHalt(supervisor_id=supervisor.node_id, cause=supervisor.cause))
        else:
            self._stop_from(supervisor, Purpose.GIVE_UP, 0)

    def halt_handled(self, supervisor: SupervisorNode) -> None:
        """What waited for the halt hook goes on."""
        if supervisor.awaiting_halt:
            supervisor.awaiting_halt = False
            self._stop_from(supervisor, supervisor.purpose, 0)

    # --- becoming something else ---

    def reload(self, supervisor: SupervisorNode, spec: SupervisorSpec) -> None:
        """Makes a supervisor at rest, and those below it that stay, what a specification says."""
        before = spec_of(supervisor)
        plan = plan_level(before, spec)
        listed = {node.node_id: node for node in supervisor.listed}
        if same_level(before, spec):
            pass  # what differs, if anything does, is further below
        elif supervisor.state is not NodeState.UP or spec.template is not None:
            self._tree.become(supervisor, spec)
        else:
            standing = {
                node.node_id
                for node in supervisor.listed
                if node.node_id in plan.stopped and node.state in STANDING
            }
            supervisor.becoming = spec
            supervisor.to_start = set(plan.added) | (standing & plan.restarted)
            self._stop_from(supervisor, Purpose.RESTART, 0, members=standing)
        for below in spec.children:
            node = listed.get(below.id)
            if (
                isinstance(below, SupervisorSpec)
                and isinstance(node, SupervisorNode)
                and below.id not in plan.restarted
            ):
                self.reload(node, below)

    def _become(self, supervisor: SupervisorNode, spec: SupervisorSpec) -> bool:
        """Now that children are down; False when some are to be stopped first that this stop was not about."""
        stopped = {
            node.node_id
            for node in supervisor.children
            if node.place >= supervisor.first and _is_member(supervisor, node)
        }
        supervisor.to_start |= stopped
        plan = plan_level(spec_of(supervisor), spec)
        left = {
            node.node_id for node in supervisor.listed if node.node_id in plan.stopped and node.state in ALIVE
        }
        if left:
            self._stop_from(supervisor, Purpose.RESTART, 0, members=left)
            return False
        supervisor.becoming = None
        self._tree.become(supervisor, spec)
        wanted, supervisor.to_start = supervisor.to_start, set()
        supervisor.members = {node.node_id for node in supervisor.children if node.node_id in wanted}
        supervisor.left_out = None
        return True

    # --- ending because significant children did ---

    def _complete_late(self, supervisor: SupervisorNode) -> None:
        """Ends a supervisor whose significant children ended, now that it is in the middle of nothing."""
        at_rest = supervisor.purpose is Purpose.NONE and supervisor.state is NodeState.UP
        if not supervisor.ended_significant or not at_rest:
            return
        ended = [node for node in supervisor.ended_significant if node.state not in STANDING]
        supervisor.ended_significant.clear()
        if not ended:
            return
        if supervisor.spec.auto_shutdown is AutoShutdown.ALL_SIGNIFICANT and _any_stands(supervisor):
            return
        supervisor.cause = f"{ended[-1].node_id} is significant and ended"
        self._tree.report(Fact.AUTO_SHUTDOWN, supervisor, cause=supervisor.cause)
        self._stop_from(supervisor, Purpose.COMPLETE, 0)

    # --- stopping ---

    def stop_root(self) -> None:
        """Ends the tree, once."""
        root = self._tree.root
        if self.outcome is not None:
            return
        if root.state is NodeState.DOWN:
            self._tree_down(gave_up=False, cause="")
        else:
            self.stop(root)

    def stop(self, node: Node) -> None:
        """Asks a living node to end; `gone` follows when it has."""
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
        child_id, incarnation, shutdown_s = node.node_id, node.incarnation, node.spec.shutdown_s
        if not serving or shutdown_s == 0:
            self._tree.effects.append(KillChild(child_id=child_id, incarnation=incarnation))
            return
        self._tree.effects.append(StopChild(child_id=child_id, incarnation=incarnation))
        if shutdown_s is not None:
            overdue = StopOverdue(child_id=child_id, incarnation=incarnation)
            self._tree.effects.append(SetTimer(after_s=shutdown_s, event=overdue))

    def _stop_from(
        self,
        supervisor: SupervisorNode,
        purpose: Purpose,
        first: int,
        *,
        left_out: Node | None = None,
        members: set[str] | None = None,
    ) -> None:
        """Stops the children from the last down to place `first`, one after the other, for `purpose`."""
        if purpose is not Purpose.RESTART:
            supervisor.state, supervisor.awaited = NodeState.STOPPING, None
        supervisor.left_out, supervisor.members = left_out, members
        supervisor.purpose, supervisor.stopping_children = purpose, True
        supervisor.first, supervisor.cursor = first, supervisor.children.last
        if supervisor.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE:
            for node in reversed(list(supervisor.children)):
                if node.state in ALIVE:
                    self.stop(node)
                else:
                    self._tree.remove(node)
        self._stop_next(supervisor)

    def _stop_next(self, supervisor: SupervisorNode) -> None:
        if supervisor.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE and len(supervisor.children) > 0:
            return
        if supervisor.stopping_next:
            return  # as above
        supervisor.stopping_next = True
        while supervisor.cursor is not None and supervisor.cursor.place >= supervisor.first:
            node = supervisor.cursor
            if not _is_member(supervisor, node):
                supervisor.cursor = node.previous
                continue
            if node.state in ALIVE:
                self.stop(node)
                if node.state in ALIVE:
                    break
            if node.state is NodeState.RESTARTING:
                node.state = NodeState.DOWN
            if supervisor.purpose in ENDING:
                self._answer(node, CallOutcome.SUPERVISOR_DOWN)  # it was to be started again with its group
            supervisor.cursor = node.previous
        supervisor.stopping_next = False
        if supervisor.cursor is not None and supervisor.cursor.place >= supervisor.first:
            return
        supervisor.stopping_children = False
        self._all_stopped(supervisor)

    def _all_stopped(self, supervisor: SupervisorNode) -> None:
        before, children = supervisor.cursor, supervisor.children
        if supervisor.purpose is Purpose.RESTART:
            becoming = supervisor.becoming
            if becoming is not None:
                if not self._become(supervisor, becoming):
                    return
                before = None
            supervisor.cursor = children.first if before is None else before.next
            awaited = supervisor.awaited
            if awaited is not None and self._tree.now_s < supervisor.not_before_s:
                self._wait_with(supervisor, awaited)
                return
            supervisor.awaited = None
            self._start_next(supervisor)
            return
        if supervisor.becoming is not None:
            self._tree.become(supervisor, supervisor.becoming)
            supervisor.becoming, supervisor.to_start = None, set()
        purpose, coming_up = supervisor.purpose, supervisor.coming_up
        told_to = purpose is Purpose.STOP
        supervisor.purpose, supervisor.coming_up = Purpose.NONE, False
        left_down = (
            purpose in {Purpose.GIVE_UP, Purpose.UNWIND}
            and supervisor.parent is not None
            and supervisor.spec.on_budget_spent is OnBudgetSpent.LEAVE_DOWN
        )
        supervisor.state = NodeState.LEFT_DOWN if left_down else NodeState.DOWN
        fact = Fact.SUPERVISOR_LEFT_DOWN if left_down else Fact.SUPERVISOR_STOPPED
        self._tree.report(fact, supervisor, reason=ExitReason.SHUTDOWN, cause=supervisor.cause)
        if supervisor.parent is None:
            self._tree_down(gave_up=purpose in {Purpose.GIVE_UP, Purpose.UNWIND}, cause=supervisor.cause)
        elif told_to:
            self.gone(supervisor)
        elif left_down:
            self._answer(supervisor, CallOutcome.START_FAILED, supervisor.cause)
            self.came_up(supervisor)  # as far as its own supervisor is concerned
        elif coming_up:
            self.start_failed(supervisor, supervisor.cause)
        else:
            self.exited(supervisor, ExitReason.SHUTDOWN, supervisor.cause)

    def gone(self, node: Node) -> None:
        """A node that was told to stop has ended."""
        parent, call = node.parent, node.call
        node.state = NodeState.HELD if node.held else NodeState.DOWN
        is_copy = _is_copy(node)
        if node.held:
            pass  # it is kept, even if it is temporary
        elif node.restart is Restart.TEMPORARY or is_copy:
            self._tree.remove(node)
        if parent is None:
            return
        if call is not None and call.wish is Wish.TERMINATE:
            self._answer(node, CallOutcome.OK)
        elif parent.purpose in ENDING:
            self._answer(node, CallOutcome.SUPERVISOR_DOWN)
        elif node.state is NodeState.REMOVED:
            self._answer(node, CallOutcome.START_FAILED, "stopped with its group")
        if parent.stopping_children and (is_copy or parent.cursor is node):
            self._stop_next(parent)

    def _tree_down(self, *, gave_up: bool, cause: str) -> None:
        self.outcome = TreeDown(gave_up=gave_up, cause=cause)
        self._tree.report(Fact.TREE_GAVE_UP if gave_up else Fact.TREE_STOPPED, self._tree.root, cause=cause)
        self._tree.effects.append(self.outcome)


def retry_of(node: Node, *, counted: bool) -> RetryDue:
    """The event that tries its restart."""
    return RetryDue(node_id=node.node_id, ticket=node.ticket, counted=counted)


def _beyond_help(node: ChildNode, cause: str) -> str | None:
    """Why no restart helps against what it died of. Whoever starts it anew all the same counts anew."""
    if node.poison:
        node.suspects.acquit()
    return node.poison or pattern_met(node.spec.give_up_on, cause)


def _is_starting(supervisor: SupervisorNode) -> bool:
    """Whether it is starting its children, one after the other."""
    return supervisor.purpose in SEQUENCES and not supervisor.stopping_children


def _is_copy(node: Node) -> bool:
    return node.parent is not None and node.parent.spec.strategy is Strategy.SIMPLE_ONE_FOR_ONE


def _is_taken_along(parent: SupervisorNode, node: Node) -> bool:
    """Whether `parent` is about to stop this node, for another reason than its own end."""
    group_stops = parent.purpose is Purpose.RESTART and parent.stopping_children
    is_of_group = node.place >= parent.first and _is_member(parent, node)
    return parent.purpose in ENDING or (group_stops and is_of_group)


def _is_member(parent: SupervisorNode, node: Node) -> bool:
    """Whether what `parent` is doing to children from `first` on is about this one."""
    return parent.members is None or node.node_id in parent.members


def _first_of_rest(node: Node) -> int:
    """From which place on a rest_for_one restart of this node is: those waiting with it may stand before it."""
    first, before = node.place, node.previous
    while before is not None:
        if before.state is NodeState.RESTARTING and before.waits:
            first = before.place
        elif before.state not in NOT_STARTED:
            break
        before = before.previous
    return first


def _owed(parent: SupervisorNode) -> set[str]:
    """Names of those that a start or restart which is cut short now has stopped, or not started yet."""
    stops = parent.purpose is Purpose.RESTART and parent.stopping_children
    if parent.purpose is Purpose.NONE or stops:
        known = [parent.children.get(name) for name in parent.members or ()]
        return {
            node.node_id
            for node in known
            if node is not None and (stops or node.state is NodeState.RESTARTING)
        }
    place = parent.cursor.place if parent.cursor is not None else 0
    return {
        node.node_id
        for node in parent.children
        if node.place >= place and node.state not in NOT_STARTED and _is_member(parent, node)
    }


def _places_not_begun(parent: SupervisorNode) -> list[int]:
    """Of those that the start under way owes a life and that have none yet."""
    owed = _owed(parent)
    return [node.place for node in parent.children if node.node_id in owed and node.state not in ALIVE]


def _any_stands(supervisor: SupervisorNode) -> bool:
    """Whether a significant child is still there; one being terminated by a call is not."""
    significant = supervisor.significant
    while significant:
        name, node = significant.popitem()
        leaving = node.call is not None and node.call.wish is Wish.TERMINATE
        if node.state in STANDING and not leaving:
            significant[name] = node
            return True
    return False
