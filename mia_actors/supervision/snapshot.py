"""The tree as it is now, as a file that needs neither Ray nor this process to be read."""

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from mia_actors.supervision.processes import ProcessId

TREE_FILE = "tree.json"


@dataclass(frozen=True, kw_only=True)
class ProcessView:
    """A process of the session: a host, or the supervisor itself."""

    host_id: str
    pid: int
    start_time: int
    """With the pid it names the process; see `processes.ProcessId`."""
    node_id: str

    @property
    def process(self) -> ProcessId:
        """The process this was written for."""
        return ProcessId(pid=self.pid, start_time=self.start_time)


@dataclass(frozen=True, kw_only=True)
class ChildView:
    """One child."""

    id: str
    run: str
    state: str
    incarnation: int
    restarts: int
    """Lives begun after the first one, over the whole session."""
    process: ProcessView | None
    last_exit: str | None
    last_cause: str
    deaths: dict[str, int] = field(default_factory=dict)
    """How often it ended without being asked to, by reason, over the whole session."""
    last_causes: tuple[str, ...] = ()
    """Of the last of them, the newest last."""
    quarantined: tuple[str, ...] = ()
    """Inputs it refuses because it died of them too often."""
    armed: bool | None = None
    """Whether it has said so in this life; None for one that need not."""
    node: str | None = None
    """Name of the node it is to be on; None is the driver's."""
    waits_for_node: bool = False
    """Whether it would start, were there such a node."""


@dataclass(frozen=True, kw_only=True)
class SupervisorView:
    """One supervisor and what is below it, in start order."""

    id: str
    strategy: str
    state: str
    intensity: int
    period_s: float
    restarts_in_window: int
    cause: str
    children: "tuple[SupervisorView | ChildView, ...]"

    def all_children(self) -> Iterator[ChildView]:
        """Every child of the subtree in start order."""
        for node in self.children:
            if isinstance(node, SupervisorView):
                yield from node.all_children()
            else:
                yield node


@dataclass(frozen=True, kw_only=True)
class TreeSnapshot:
    """The whole tree at one moment."""

    version: int
    """Counts the changes of a session, from 1."""
    time_ns: int
    boot_id: str
    namespace: str
    supervisor: ProcessView
    epoch: int
    """Of the supervisor; it grows when another one takes over."""
    standby: ProcessView | None
    """The supervisor that waits to take over."""
    root: SupervisorView
    spares: tuple[ProcessView, ...]
    hosts_coming: int
    """Processes being started."""
    halt_requested: str | None = None
    """Why a supervisor asked for a halt, once one did."""
    outcome: str | None = None
    """`stopped`, or `gave up: ...`; None while it runs."""

    @property
    def children(self) -> tuple[ChildView, ...]:
        """Every child in start order."""
        return tuple(self.root.all_children())

    @property
    def restarts_total(self) -> int:
        """Restarts of all children since the session began."""
        return sum(child.restarts for child in self.children)

    @property
    def processes(self) -> tuple[ProcessView, ...]:
        """Every process of the session: children's, spares', the supervisor's."""
        playing = tuple(child.process for child in self.children if child.process is not None)
        standby = (self.standby,) if self.standby is not None else ()
        return (*playing, *self.spares, *standby, self.supervisor)

    @property
    def own_processes(self) -> tuple[ProcessView, ...]:
        """Those on the supervisor's node; the pids of others mean nothing there."""
        return tuple(view for view in self.processes if view.node_id == self.supervisor.node_id)


_ADAPTER = TypeAdapter(TreeSnapshot)


def write_tree(directory: Path, snapshot: TreeSnapshot) -> None:
    """Replaces the file: a reader sees the old one or the new one, never a part."""
    fresh = directory / (TREE_FILE + ".new")
    fresh.write_bytes(_ADAPTER.dump_json(snapshot))
    fresh.replace(directory / TREE_FILE)


def read_tree(directory: Path) -> TreeSnapshot | None:
    """The last tree written there; None when there is none, or it is not of this version."""
    try:
        return _ADAPTER.validate_json((directory / TREE_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
