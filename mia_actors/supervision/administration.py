"""Calls on a running tree: start, terminate, restart, delete and hold children, count and list them.

The answers are those of OTP's `supervisor`; it has no calls to hold and to release. A call waits while its
supervisor is in the middle of a start or a group restart, and while the child it is about is being stopped; it
never waits for a start that hangs.
"""

from collections import deque
from dataclasses import dataclass
from typing import assert_never

from pydantic_core import PydanticCustomError

from mia_actors.supervision.events import (
    Call,
    CallAnswered,
    CallOutcome,
    DeleteChildCall,
    Fact,
    HoldChildCall,
    ReleaseChildCall,
    RestartChildCall,
    StartChildCall,
    StartCopyCall,
    TerminateChildCall,
)
from mia_actors.supervision.lifecycle import Lifecycle
from mia_actors.supervision.nodes import (
    ENDING,
    ChildNode,
    Node,
    NodeState,
    PendingCall,
    Purpose,
    SupervisorNode,
    Wish,
)
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.tree import Tree

HAS_PROCESS = frozenset({NodeState.STARTING, NodeState.UP})
KEPT_DOWN = frozenset({NodeState.DOWN, NodeState.LEFT_DOWN})

WHY_NOT = {NodeState.RESTARTING: CallOutcome.RESTARTING, NodeState.HELD: CallOutcome.HELD}
"""Why a child is neither restarted nor deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildCounts:
    """How many children a supervisor has. Those that are down or restarting are not active."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildEntry:
    """One child of a supervisor."""

    child_id: str
    state: NodeState
    incarnation: int
    """0 for a supervisor."""
    is_supervisor: bool
    spec: ChildSpec | SupervisorSpec


class Administration:
    """Takes calls and gives each one answer, now or when it is known."""

    def __init__(self, tree: Tree, lifecycle: Lifecycle) -> None:
        self._tree = tree
        self._lifecycle = lifecycle
        self._waiting: deque[Call] = deque()

    def take(self, call: Call) -> None:
        """Deals with a call; it may have to wait."""
        if not self._deal_with(call, waited=False):
            self._waiting.append(call)

    def go_on(self) -> None:
        """Deals with the calls that waited and need not any more."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, deque()
        for call in waiting:
            if not self._deal_with(call, waited=True):
                self._waiting.append(call)

    def count_children(self, supervisor_id: str) -> ChildCounts | None:
        """None when there is no such supervisor, or it is not up."""
        supervisor = self._running(supervisor_id)
        if supervisor is None:
            return None
        nodes = [node for node in supervisor.children if node.state is not NodeState.REMOVED]
        supervisors = sum(isinstance(node, SupervisorNode) for node in nodes)
        return ChildCounts(
            specs=len(nodes) if supervisor.spec.template is None else 1,
            active=sum(node.state in HAS_PROCESS or node.state is NodeState.STOPPING for node in nodes),
            supervisors=supervisors,
            workers=len(nodes) - supervisors,
        )

    def which_children(self, supervisor_id: str) -> tuple[ChildEntry, ...] | None:
        """In start order; None when there is no such supervisor, or it is not up."""
        supervisor = self._running(supervisor_id)
        if supervisor is None:
            return None
        return tuple(
            ChildEntry(
                child_id=node.node_id,
                state=node.state,
                incarnation=node.incarnation if isinstance(node, ChildNode) else 0,
                is_supervisor=isinstance(node, SupervisorNode),
                spec=node.spec,
            )
            for node in supervisor.children
            if node.state is not NodeState.REMOVED
        )

    def _running(self, supervisor_id: str) -> SupervisorNode | None:
        node = self._tree.nodes.get(supervisor_id)
        return node if isinstance(node, SupervisorNode) and node.state is NodeState.UP else None

    # --- one call ---

    def _deal_with(self, call: Call, *, waited: bool) -> bool:
        """Whether the call need not wait (any longer)."""
        supervisor = self._tree.nodes.get(call.supervisor_id)
        if isinstance(supervisor, SupervisorNode) and supervisor.purpose not in ENDING:
            if supervisor.purpose is not Purpose.NONE or supervisor.coming_up:
                return False
            if supervisor.state is NodeState.UP:
                return self._ask(supervisor, call)
        return self._say(call, CallOutcome.SUPERVISOR_DOWN if waited else CallOutcome.NOT_RUNNING)

    def _ask(self, supervisor: SupervisorNode, call: Call) -> bool:
        match call:
            case StartChildCall():
                return self._start_child(supervisor, call)
            case StartCopyCall():
                return self._start_copy(supervisor, call)
            case HoldChildCall():
                return self._hold(supervisor, call)
            case ReleaseChildCall():
                return self._release(supervisor, call)
            case TerminateChildCall():
                return self._terminate(supervisor, call)
            case RestartChildCall() | DeleteChildCall():
                return self._restart_or_delete(supervisor, call)
            case _:
                assert_never(call)

    def _start_child(self, supervisor: SupervisorNode, call: StartChildCall) -> bool:
        spec = call.spec
        if supervisor.spec.template is not None:
            return self._say(call, CallOutcome.SIMPLE_ONE_FOR_ONE, spec.id)
        unfit = _why_unfit(supervisor, spec)
        if unfit is not None:
            return self._say(call, CallOutcome.INVALID_SPEC, spec.id, unfit)
        known = _member(supervisor, spec.id)
        if known is not None:
            if known.state is NodeState.STOPPING:
                return False
            started = known.state in HAS_PROCESS
            return self._say(
                call, CallOutcome.ALREADY_STARTED if started else CallOutcome.ALREADY_PRESENT, spec.id
            )
        node = self._tree.add(supervisor, spec)
        if node is None:
            return self._say(call, CallOutcome.INVALID_SPEC, spec.id, "an id is used elsewhere in the tree")
        self._start(node, call, Wish.START)
        return True

    def _start_copy(self, supervisor: SupervisorNode, call: StartCopyCall) -> bool:
        template = supervisor.spec.template
        if template is None:
            return self._say(call, CallOutcome.INVALID_SPEC, cause="the supervisor has no template")
        limit = supervisor.spec.max_children
        if limit is not None and len(supervisor.children) >= limit:
            return self._say(call, CallOutcome.MAX_CHILDREN, cause=f"it may have {limit}")
        node: Node | None = None
        while node is None:
            supervisor.copies += 1
            name = f"{template.id}.{supervisor.copies}"
            settings = {**template.settings, **call.settings}
            node = self._tree.add(supervisor, template.model_copy(update={"id": name, "settings": settings}))
        self._start(node, call, Wish.START)
        return True

    def _terminate(self, supervisor: SupervisorNode, call: TerminateChildCall) -> bool:
        node = _member(supervisor, call.child_id)
        if node is None:
            return self._say(call, _outcome_of_absent(supervisor, call.child_id), call.child_id)
        if node.state is NodeState.STOPPING:
            return False
        if node.state in HAS_PROCESS:
            self._stop(node, call, "terminated by another call")
            return True
        self._say_pending(node, "terminated by another call")
        node.state = NodeState.HELD if node.held else NodeState.DOWN
        if supervisor.spec.template is not None:
            self._tree.remove(node)
        self._say(call, CallOutcome.OK, call.child_id)
        self._lifecycle.not_awaited(node)
        return True

    def _hold(self, supervisor: SupervisorNode, call: HoldChildCall) -> bool:
        if supervisor.spec.template is not None:
            return self._say(call, CallOutcome.SIMPLE_ONE_FOR_ONE, call.child_id)
        node = _member(supervisor, call.child_id)
        if node is None:
            return self._say(call, CallOutcome.NOT_FOUND, call.child_id)
        if not node.held:
            node.held = True
            self._tree.report(Fact.CHILD_HELD, node, cause=call.cause)
        if node.state in HAS_PROCESS:
            self._stop(node, call, "held by another call")
            return True
        if node.state is NodeState.STOPPING:
            self._lifecycle.stop(
                node
            )  # a supervisor that ends by itself is told to, so that it is not restarted
            return False
        self._say_pending(node, "held by another call")
        node.state = NodeState.HELD
        self._say(call, CallOutcome.OK, call.child_id)
        self._lifecycle.not_awaited(node)
        return True

    def _release(self, supervisor: SupervisorNode, call: ReleaseChildCall) -> bool:
        node = _member(supervisor, call.child_id)
        if node is None:
            return self._say(call, CallOutcome.NOT_FOUND, call.child_id)
        if not node.held:
            return self._say(call, CallOutcome.NOT_HELD, call.child_id)
        if node.state is not NodeState.HELD:
            return False
        node.held = False
        self._tree.report(Fact.CHILD_RELEASED, node)
        self._start(node, call, Wish.RESTART)
        return True

    def _restart_or_delete(
        self, supervisor: SupervisorNode, call: RestartChildCall | DeleteChildCall
    ) -> bool:
        if supervisor.spec.template is not None:
            return self._say(call, CallOutcome.SIMPLE_ONE_FOR_ONE, call.child_id)
        node = _member(supervisor, call.child_id)
        if node is None:
            return self._say(call, CallOutcome.NOT_FOUND, call.child_id)
        if node.state in KEPT_DOWN:
            if isinstance(call, RestartChildCall):
                self._start(node, call, Wish.RESTART)
                return True
            self._tree.remove(node)
            return self._say(call, CallOutcome.OK, call.child_id)
        if node.state is NodeState.STOPPING:
            return False
        return self._say(call, WHY_NOT.get(node.state, CallOutcome.RUNNING), call.child_id)

    def _start(self, node: Node, call: Call, wish: Wish) -> None:
        node.call = PendingCall(call.call_id, wish)
        self._lifecycle.start(node)

    def _stop(self, node: Node, call: Call, instead: str) -> None:
        """Answers the call when it has ended."""
        self._say_pending(node, instead)
        node.call = PendingCall(call.call_id, Wish.TERMINATE)
        self._lifecycle.stop(node)

    def _say_pending(self, node: Node, cause: str) -> None:
        """Tells who waited for it to come up that it will not."""
        call, node.call = node.call, None
        if call is not None:
            self._tree.effects.append(
                CallAnswered(
                    call_id=call.call_id,
                    outcome=CallOutcome.START_FAILED,
                    child_id=node.node_id,
                    cause=cause,
                )
            )

    def _say(self, call: Call, outcome: CallOutcome, child_id: str = "", cause: str = "") -> bool:
        self._tree.effects.append(
            CallAnswered(call_id=call.call_id, outcome=outcome, child_id=child_id, cause=cause)
        )
        return True


def _member(supervisor: SupervisorNode, child_id: str) -> Node | None:
    node = supervisor.children.get(child_id)
    return None if node is None or node.state is NodeState.REMOVED else node


def _why_unfit(supervisor: SupervisorNode, spec: ChildSpec | SupervisorSpec) -> str | None:
    """Why the supervisor cannot have such a child."""
    try:
        supervisor.spec.check_member(spec)
    except PydanticCustomError as error:
        return error.message()
    absent = [name for name in spec.depends_on if _member(supervisor, name) is None]
    return f"{spec.id} depends on {absent[0]}, which is no child of {supervisor.node_id}" if absent else None


def _outcome_of_absent(supervisor: SupervisorNode, child_id: str) -> CallOutcome:
    """Of a call to terminate: a copy that has ended is terminated already."""
    template = supervisor.spec.template
    if template is None:
        return CallOutcome.NOT_FOUND
    name, _, number = child_id.rpartition(".")
    if name != template.id or not number.isdecimal():
        return CallOutcome.SIMPLE_ONE_FOR_ONE
    return CallOutcome.OK if 1 <= int(number) <= supervisor.copies else CallOutcome.NOT_FOUND
