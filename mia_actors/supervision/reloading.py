"""Carries out a reload on a running tree, once nothing else is under way in it.

A reload is no restart: it counts against no budget. Who goes or is made anew stops in reverse start order, then
who is new or made anew starts in start order, supervisor by supervisor; everybody else is served meanwhile. A
child that is held stays so, one that was down stays down, and a start that fails is dealt with as any other.
"""

from collections import deque

from mia_actors.supervision.events import CallAnswered, CallOutcome, Fact, ReloadCall
from mia_actors.supervision.lifecycle import RESTARTS_ALONE, Lifecycle
from mia_actors.supervision.nodes import Node, NodeState, Purpose, SupervisorNode
from mia_actors.supervision.reload import Change, ReloadPlan, plan_reload, why_not
from mia_actors.supervision.tree import Tree, spec_of


class Reloading:
    """Takes reloads one after the other."""

    def __init__(self, tree: Tree, lifecycle: Lifecycle) -> None:
        self._tree = tree
        self._lifecycle = lifecycle
        self._waiting: deque[ReloadCall] = deque()

    def take(self, call: ReloadCall) -> None:
        """It begins at the next moment of rest."""
        self._waiting.append(call)

    def go_on(self) -> None:
        """Begins the next reload if one waits and the tree is at rest, or is no more."""
        while self._waiting:
            root = self._tree.root
            if root.state is NodeState.UP and not self._is_at_rest():
                return
            call = self._waiting.popleft()
            if root.state is NodeState.UP:
                self._begin(call)
            else:
                self._answer(call, CallOutcome.NOT_RUNNING)

    def _is_at_rest(self) -> bool:
        return not any(_is_busy(node) for node in self._tree.nodes.values())

    def _begin(self, call: ReloadCall) -> None:
        old = spec_of(self._tree.root)
        plan = plan_reload(old, call.tree)
        unfit = why_not(old, call.tree) or self._taken(plan)
        if unfit is not None:
            self._answer(call, CallOutcome.INVALID_SPEC, unfit)
            return
        self._tree.target = call.tree
        self._tree.report(Fact.TREE_RELOADED, self._tree.root, cause=summary(plan))
        self._answer(call, CallOutcome.OK)
        self._lifecycle.reload(self._tree.root, call.tree)

    def _taken(self, plan: ReloadPlan) -> str | None:
        """Why a new node cannot have its name, if that is so."""
        taken = [name for name in plan.of(Change.ADDED) if name in self._tree.nodes]
        return f"{taken[0]!r} was added by a call and has that name; delete it first" if taken else None

    def _answer(self, call: ReloadCall, outcome: CallOutcome, cause: str = "") -> None:
        self._tree.effects.append(CallAnswered(call_id=call.call_id, outcome=outcome, cause=cause))


def _is_busy(node: Node) -> bool:
    """Whether it is in the middle of something, or owes a group its next try to start."""
    if isinstance(node, SupervisorNode) and (
        node.purpose is not Purpose.NONE or node.coming_up or node.awaited is not None
    ):
        return True
    parent = node.parent
    tries_again = node.state is NodeState.RESTARTING and not node.waits
    return tries_again and parent is not None and parent.spec.strategy not in RESTARTS_ALONE


def summary(plan: ReloadPlan) -> str:
    """The plan in a line, for the event log."""
    parts = [
        f"{change.value}: {', '.join(plan.of(change))}"
        for change in Change
        if change is not Change.UNTOUCHED and plan.of(change)
    ]
    return "; ".join(parts) or "nothing changed"
