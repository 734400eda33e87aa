"""What a supervisor writes down before it acts, so that another one can go on where it died.

Guarantees: what it tells is written, whole, before anything of it is done, and outlives the supervisor; no life
(child and incarnation) is ever given out twice within a session; what was stopped by a person or ended for good
stays so.
"""

from io import BufferedWriter
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mia_actors.core.errors import PermanentError
from mia_actors.supervision.events import ExitReason
from mia_actors.supervision.nodes import ChildNode, Node, NodeState, SupervisorNode, is_gone
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.tree import Tree, spec_of

STATE_FILE = "supervisor_state.jsonl"
LENGTH_MAX = 1_000_000
"""Bytes after which the file begins anew."""


class AddedChild(BaseModel):
    """A child that a call added."""

    model_config = ConfigDict(frozen=True)

    supervisor_id: str
    spec: ChildSpec | SupervisorSpec


class TreeState(BaseModel):
    """One moment of a tree. Times are of the machine-wide monotonic clock of this boot."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    """Of the supervisor that wrote it; a successor's is higher."""
    stopping: bool = False
    """The tree was asked to stop."""
    ended: bool = False
    """The tree is down; nobody is to take it over."""
    lives: dict[str, int] = {}
    """The last incarnation given out, by child."""
    down: dict[str, NodeState] = {}
    """Nodes that nothing will start again as things stand."""
    added: tuple[AddedChild, ...] = ()
    copies: dict[str, int] = {}
    """How many copies of its template a supervisor has made."""
    restarts_s: dict[str, tuple[float, ...]] = {}
    """When restarts were that may still count, by supervisor."""
    held: tuple[str, ...] = ()
    """Nodes that are kept down until they are released."""
    deaths: dict[str, dict[ExitReason, int]] = {}
    last_causes: dict[str, tuple[str, ...]] = {}
    suspects: dict[str, dict[str, int]] = {}
    """Deaths by input in hand, by child."""
    quarantined: dict[str, tuple[str, ...]] = {}
    put_off_s: dict[str, float | None] = {}
    """Nodes whose restart is put off, and until when; None: with their group."""
    awaited: dict[str, str] = {}
    """By supervisor the child that its group waits for."""
    members: dict[str, tuple[str, ...]] = {}
    """By supervisor those that a restart with dependants is about or owed to."""
    failures: dict[str, int] = {}
    """In a row, of children with a backoff."""
    up_since_s: dict[str, float] = {}
    """Of children that failed before."""
    armed: tuple[str, ...] = ()
    """Children that were armed in this life."""
    lives_forgotten: int = 0
    """No node that was forgotten had more lives."""
    lives_before: dict[str, int] = {}
    """The numbers after which the incarnations of children begin that have names of forgotten ones."""
    spec: SupervisorSpec | None = None
    """The specification as it is now, where it is no longer the one the tree was started with."""
    reload: SupervisorSpec | None = None
    """What a reload that is under way makes of it."""


def state_of(tree: Tree, *, epoch: int, ended: bool) -> TreeState:
    """What is to be written down of a tree."""
    children = [node for node in tree.nodes.values() if isinstance(node, ChildNode)]
    supervisors = [node for node in tree.nodes.values() if isinstance(node, SupervisorNode)]
    return TreeState(
        epoch=epoch,
        ended=ended,
        stopping=tree.root.state is NodeState.STOPPING,
        lives={node.node_id: node.incarnation for node in children},
        down={
            node.node_id: node.state
            for node in tree.nodes.values()
            if node.state in {NodeState.DOWN, NodeState.REMOVED, NodeState.LEFT_DOWN} and is_gone(node)
        },
        added=tuple(
            AddedChild(supervisor_id=node.parent.node_id, spec=node.spec)
            for node in tree.nodes.values()
            if node.added and node.parent is not None
        ),
        copies={node.node_id: node.copies for node in supervisors if node.copies},
        restarts_s={node.node_id: node.window.stamps_s for node in supervisors if node.window.stamps_s},
        held=tuple(node.node_id for node in tree.nodes.values() if node.held),
        deaths={node.node_id: node.deaths.counts for node in children if node.deaths.counts},
        last_causes={node.node_id: node.deaths.last_causes for node in children if node.deaths.counts},
        suspects={node.node_id: node.suspects.counts for node in children if node.suspects.counts},
        quarantined={
            node.node_id: node.suspects.quarantined for node in children if node.suspects.quarantined
        },
        put_off_s={
            node.node_id: node.due_s
            for node in tree.nodes.values()
            if node.state is NodeState.RESTARTING and node.waits
        },
        awaited={node.node_id: node.awaited.node_id for node in supervisors if node.awaited is not None},
        members={node.node_id: tuple(sorted(node.members)) for node in supervisors if node.members},
        failures={node.node_id: node.failures for node in children if node.failures},
        armed=tuple(node.node_id for node in children if node.armed),
        lives_forgotten=tree.lives_forgotten,
        lives_before={node.node_id: node.lives_before for node in children if node.lives_before},
        spec=spec_of(tree.root) if tree.reloaded else None,
        reload=tree.target if any(node.becoming is not None for node in supervisors) else None,
        up_since_s={
            node.node_id: node.up_since_s
            for node in children
            if node.failures and node.up_since_s is not None
        },
    )


def restore(tree: Tree, state: TreeState) -> None:
    """Makes a tree that was just built what it was: every node up that is not down for good."""
    tree.reloaded = state.spec is not None
    tree.lives_forgotten = state.lives_forgotten
    for added in state.added:
        supervisor = tree.nodes.get(added.supervisor_id)
        if isinstance(supervisor, SupervisorNode):
            tree.add_again(supervisor, added.spec)
    for node in tree.nodes.values():
        node.state = state.down.get(node.node_id, NodeState.UP)
        if node.node_id in state.held:
            node.held, node.state = True, NodeState.HELD
        elif node.node_id in state.put_off_s:
            _put_off(tree, node, state.put_off_s[node.node_id])
        if isinstance(node, ChildNode):
            node.incarnation = max(node.incarnation, state.lives.get(node.node_id, 0))
            name = node.node_id
            node.lives_before = state.lives_before.get(name, node.lives_before)
            node.deaths.restore(state.deaths.get(name, {}), state.last_causes.get(name, ()))
            node.suspects.restore(state.suspects.get(name, {}), state.quarantined.get(name, ()))
            node.failures = state.failures.get(node.node_id, 0)
            node.up_since_s = state.up_since_s.get(node.node_id)
            node.armed = node.node_id in state.armed
        else:
            node.copies = state.copies.get(node.node_id, 0)
            _await_again(node, state)
            node.window.restore(state.restarts_s.get(node.node_id, ()))
        if node.spec.significant and node.parent is not None and node.state is NodeState.UP:
            node.parent.significant[node.node_id] = node
    for name in state.put_off_s:
        waiting = tree.nodes.get(name)
        if isinstance(waiting, SupervisorNode):
            _rest_down(waiting)


def _await_again(supervisor: SupervisorNode, state: TreeState) -> None:
    """Whom its group waits for; a supervisor whose restart was not put off is up again, so nobody waits for it."""
    name = state.awaited.get(supervisor.node_id, "")
    awaited = supervisor.children.get(name)
    if isinstance(awaited, SupervisorNode) and name not in state.put_off_s:
        return
    supervisor.awaited = awaited
    supervisor.not_before_s = state.put_off_s.get(name) or 0.0
    supervisor.members = set(state.members.get(supervisor.node_id, ())) or None


def _rest_down(supervisor: SupervisorNode) -> None:
    """Nothing below a supervisor lives while its own restart is put off."""
    for node in supervisor.children:
        if isinstance(node, SupervisorNode):
            _rest_down(node)
        if node.state is not NodeState.REMOVED:
            node.state = NodeState.HELD if node.held else NodeState.DOWN


def _put_off(tree: Tree, node: Node, due_s: float | None) -> None:
    node.state, node.waits, node.due_s, node.ticket = NodeState.RESTARTING, True, due_s, tree.next_ticket()


class StateFile:
    """The file of one session: a line for each state, the last whole one counts. Used by one thread.

    What was written outlives every process. It need not outlive the machine: no process of a session does, and
    no later session reads it. A line cut short by a death was never acted upon.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / STATE_FILE
        self._written: TreeState | None = None
        self._file: BufferedWriter | None = None

    def read(self) -> TreeState | None:
        """What was written last; None when nothing ever was.

        Raises:
            PermanentError: the file is damaged.
        """
        try:
            whole = self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return None
        try:
            return TreeState.model_validate_json(whole[-1]) if whole else None
        except ValueError as error:
            raise PermanentError(f"{self._path}: damaged ({error}); no supervisor can take over") from error

    def write(self, state: TreeState) -> None:
        """With the kernel when it returns; nothing is done when it says what is there already."""
        if state == self._written:
            return
        line = state.model_dump_json().encode() + b"\n"
        if self._file is None or self._file.tell() + len(line) > LENGTH_MAX:
            self._begin(line)
        else:
            self._file.write(line)
            self._file.flush()
        self._written = state

    def _begin(self, line: bytes) -> None:
        """Replaces the file by one with this line: a reader sees the old one or the new one."""
        if self._file is not None:
            self._file.close()
        fresh = self._path.with_suffix(".new")
        self._file = fresh.open("wb")
        self._file.write(line)
        self._file.flush()
        fresh.replace(self._path)
