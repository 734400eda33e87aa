"""The nodes of a tree by name, and what is to be done about the event being handled."""

from collections.abc import Iterator

from mia_actors.supervision.dependencies import reachable, start_order
from mia_actors.supervision.events import Effect, ExitReason, Fact, Report
from mia_actors.supervision.nodes import ALIVE, ChildNode, Node, NodeState, SupervisorNode
from mia_actors.supervision.reload import LevelPlan, plan_level
from mia_actors.supervision.restart_window import RestartWindow
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec


class Tree:
    """Which nodes there are. Each starts as its specification lists it; calls add and remove some."""

    def __init__(self, spec: SupervisorSpec) -> None:
        self.nodes: dict[str, Node] = {}
        self.effects: list[Effect] = []
        self.now_s = 0.0
        self.lives_forgotten = 0
        """No node that was forgotten had more lives: a new one of its name begins after them."""
        self._tickets = 0
        self.reloaded = False
        """It is no longer what it was built from."""
        self.target: SupervisorSpec | None = None
        """What the newest reload makes of it."""
        self.root = self._supervisor(spec, None, added=False)

    def report(self, fact: Fact, node: Node, *, reason: ExitReason | None = None, cause: str = "") -> None:
        """Has a fact written to the event log."""
        incarnation = node.incarnation if isinstance(node, ChildNode) else 0
        self.effects.append(
            Report(fact=fact, node_id=node.node_id, incarnation=incarnation, reason=reason, cause=cause)
        )

    def next_ticket(self) -> int:
        """A number no retry had before."""
        self._tickets += 1
        return self._tickets

    def add(self, supervisor: SupervisorNode, spec: ChildSpec | SupervisorSpec) -> Node | None:
        """A new child after all others; None when one of its names is taken.

        A child that was removed gives its names to a new one of the same supervisor.
        """
        replaced: list[Node] = []
        for name in _names(spec):
            holder = self.nodes.get(name)
            if holder is None:
                continue
            member = _member(supervisor, holder)
            if member is None or member.state is not NodeState.REMOVED:
                return None
            replaced.append(member)
        for member in replaced:
            supervisor.children.remove(member)
            self._forget_names(member)
        node = self._node(spec, supervisor, added=True)
        supervisor.children.add(node)
        _note_dependencies(supervisor, node)
        return node

    def add_again(self, supervisor: SupervisorNode, spec: ChildSpec | SupervisorSpec) -> None:
        """In a tree that was just built: who is listed under one of its names was removed before it was added."""
        for name in _names(spec):
            holder = self.nodes.get(name)
            member = None if holder is None else _member(supervisor, holder)
            if member is not None:
                member.state = NodeState.REMOVED
        self.add(supervisor, spec)

    def remove(self, node: Node) -> None:
        """It ended for good: one that is listed comes back with the next start of its supervisor only."""
        node.state = NodeState.REMOVED
        if node.added and node.parent is not None:
            node.parent.children.remove(node)
            self._forget_names(node)

    def become(self, supervisor: SupervisorNode, spec: SupervisorSpec) -> None:
        """Makes a supervisor what `spec` says; whoever goes or is made anew is down.

        Children that stay keep their lives, whoever was added by calls stays after all others, and nested
        supervisors that stay keep what they have: they are made what they are to be by calls of their own.
        """
        self.reloaded = True
        self.report(Fact.SUPERVISOR_RELOADED, supervisor)
        if spec.template is not None:
            supervisor.spec, supervisor.restart = spec, spec.restart
            supervisor.window.resize(spec.intensity, spec.period_s)
            return
        plan = plan_level(spec_of(supervisor), spec)
        known = {node.node_id: node for node in supervisor.listed}
        by_calls = [node for node in supervisor.children if node.added]
        for name in plan.removed:
            self._forget_names(known[name])
        listed = [
            self._turned(known.get(below.id), below, supervisor, plan) for below in start_order(spec.children)
        ]
        supervisor.spec, supervisor.restart, supervisor.listed = spec, spec.restart, tuple(listed)
        supervisor.window.resize(spec.intensity, spec.period_s)
        supervisor.children.clear()
        supervisor.dependants.clear()
        supervisor.significant.clear()
        for node in (*listed, *by_calls):
            supervisor.children.add(node)
            _note_dependencies(supervisor, node)
            if node.spec.significant and node.state in ALIVE:
                supervisor.significant[node.node_id] = node
        supervisor.ended_significant = [
            node for node in supervisor.ended_significant if supervisor.children.get(node.node_id) is node
        ]

    def _turned(
        self, node: Node | None, spec: ChildSpec | SupervisorSpec, parent: SupervisorNode, plan: LevelPlan
    ) -> Node:
        """A listed child as its specification wants it from now on."""
        if node is not None and isinstance(node, ChildNode) and isinstance(spec, ChildSpec):
            node.spec, node.restart = spec, spec.restart
            return node
        if node is not None and spec.id not in plan.restarted:
            return node
        if node is not None:
            self._forget_names(node)
        fresh = self._node(spec, parent, added=False)
        if node is not None and node.held:
            fresh.held, fresh.state = True, NodeState.HELD
        return fresh

    def reset(self, supervisor: SupervisorNode) -> None:
        """As its specification lists it, all down or held: what a supervisor that starts begins with."""
        for node in supervisor.children:
            if node.added:
                self._forget_names(node)
        supervisor.children.clear()
        supervisor.dependants.clear()
        for node in supervisor.listed:
            _note_dependencies(supervisor, node)
            if self.nodes.get(node.node_id) is not node:
                self._reinstate(node)
            node.state = NodeState.HELD if node.held else NodeState.DOWN
            supervisor.children.add(node)

    # --- building ---

    def _node(self, spec: ChildSpec | SupervisorSpec, parent: SupervisorNode, *, added: bool) -> Node:
        if isinstance(spec, SupervisorSpec):
            return self._supervisor(spec, parent, added=added)
        node = ChildNode(
            node_id=spec.id,
            spec=spec,
            parent=parent,
            restart=spec.restart,
            added=added,
            lives_before=self.lives_forgotten,
            incarnation=self.lives_forgotten,
        )
        self.nodes[spec.id] = node
        return node

    def _supervisor(
        self, spec: SupervisorSpec, parent: SupervisorNode | None, *, added: bool
    ) -> SupervisorNode:
        node = SupervisorNode(
            node_id=spec.id,
            spec=spec,
            parent=parent,
            restart=spec.restart,
            window=RestartWindow(spec.intensity, spec.period_s),
            added=added,
        )
        self.nodes[spec.id] = node
        if spec.template is None:
            node.listed = tuple(self._node(below, node, added=False) for below in start_order(spec.children))
        for child in node.listed:
            node.children.add(child)
            _note_dependencies(node, child)
        return node

    def _forget_names(self, node: Node) -> None:
        for one in _all(node):
            if self.nodes.get(one.node_id) is one:
                del self.nodes[one.node_id]
                if isinstance(one, ChildNode):
                    self.lives_forgotten = max(self.lives_forgotten, one.incarnation)

    def _reinstate(self, node: Node) -> None:
        for one in _all(node):
            self.nodes[one.node_id] = one
            if isinstance(one, ChildNode):
                one.incarnation = max(one.incarnation, self.lives_forgotten)


def spec_of(supervisor: SupervisorNode) -> SupervisorSpec:
    """The specification of a supervisor and all below it as they are now, without what calls added."""
    if supervisor.spec.template is not None:
        return supervisor.spec
    children = tuple(
        spec_of(node) if isinstance(node, SupervisorNode) else node.spec for node in supervisor.listed
    )
    return supervisor.spec.model_copy(update={"children": children})


def _note_dependencies(supervisor: SupervisorNode, node: Node) -> None:
    for name in node.spec.depends_on:
        supervisor.dependants.setdefault(name, []).append(node)


def dependants_of(supervisor: SupervisorNode, node: Node) -> list[Node]:
    """The children that depend on this one, directly or not, in no order that matters."""

    def direct(one: Node) -> list[Node]:
        known = supervisor.dependants.get(one.node_id, ())
        return [other for other in known if supervisor.children.get(other.node_id) is other]

    return [one for one in reachable(node, direct) if one.state is not NodeState.REMOVED]


def _all(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, SupervisorNode):
        for child in dict.fromkeys((*node.listed, *node.children)):
            yield from _all(child)


def _names(spec: ChildSpec | SupervisorSpec) -> Iterator[str]:
    yield spec.id
    if isinstance(spec, SupervisorSpec) and spec.template is None:
        for below in spec.children:
            yield from _names(below)


def _member(supervisor: SupervisorNode, node: Node) -> Node | None:
    """The child of `supervisor` that is or holds `node`."""
    at: Node | None = node
    while at is not None and at.parent is not supervisor:
        at = at.parent
    return at
