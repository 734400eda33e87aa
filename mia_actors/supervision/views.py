"""From the machine's nodes and the fleet's hosts to what people are shown."""

from collections.abc import Mapping

from mia_actors.supervision.conductor import Conductor
from mia_actors.supervision.fleet import Host
from mia_actors.supervision.messages import HostIdentity
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode
from mia_actors.supervision.processes import boot_id
from mia_actors.supervision.snapshot import ChildView, ProcessView, SupervisorView, TreeSnapshot


def process_view(identity: HostIdentity) -> ProcessView:
    """The process of a host or of the supervisor."""
    return ProcessView(
        host_id=identity.host_id,
        pid=identity.process.pid,
        start_time=identity.process.start_time,
        node_id=identity.node_id,
    )


def view_of(
    node: SupervisorNode, hosts: Mapping[str, Host], now_s: float, absent: frozenset[str] = frozenset()
) -> SupervisorView:
    """A supervisor and all below it; `hosts` by the child they play, `absent` are names of nodes there are not."""
    children: list[SupervisorView | ChildView] = []
    for child in node.children:
        if isinstance(child, SupervisorNode):
            children.append(view_of(child, hosts, now_s, absent))
        else:
            children.append(_child_view(child, hosts.get(child.node_id), absent))
    return SupervisorView(
        id=node.node_id,
        strategy=node.spec.strategy.value,
        state=node.state.value,
        intensity=node.spec.intensity,
        period_s=node.spec.period_s,
        restarts_in_window=node.restarts_in_window(now_s),
        cause=node.cause,
        children=tuple(children),
    )


def _child_view(node: ChildNode, host: Host | None, absent: frozenset[str]) -> ChildView:
    identity = host.identity if host is not None else None
    return ChildView(
        id=node.node_id,
        run=node.spec.run,
        state=node.state.value,
        incarnation=node.incarnation,
        restarts=max(0, node.incarnation - node.lives_before - 1),
        process=process_view(identity) if identity is not None else None,
        last_exit=node.last_exit.value if node.last_exit is not None else None,
        last_cause=node.last_cause,
        deaths={reason.value: count for reason, count in node.deaths.counts.items()},
        last_causes=node.deaths.last_causes,
        quarantined=node.suspects.quarantined,
        node=node.spec.node,
        waits_for_node=node.state is NodeState.STARTING and host is None and node.spec.node in absent,
        armed=None if node.spec.armed_within_s is None else node.armed and node.state is NodeState.UP,
    )


def root_view(conductor: Conductor, now_s: float) -> SupervisorView:
    """The tree that a conductor runs."""
    absent = conductor.fleet.sites.absent()
    return view_of(conductor.machine.root, conductor.casting.playing, now_s, absent)


def snapshot_of(
    conductor: Conductor,
    *,
    version: int,
    time_ns: int,
    now_s: float,
    namespace: str,
    supervisor: HostIdentity,
    epoch: int,
    standby: ProcessView | None,
) -> TreeSnapshot:
    """The whole tree as its supervisor of that epoch sees it."""
    outcome, said = conductor.machine.outcome, None
    if outcome is not None:
        said = f"gave up: {outcome.cause}" if outcome.gave_up else "stopped"
    return TreeSnapshot(
        version=version,
        time_ns=time_ns,
        boot_id=boot_id(),
        namespace=namespace,
        supervisor=process_view(supervisor),
        epoch=epoch,
        standby=standby,
        root=root_view(conductor, now_s),
        spares=tuple(
            process_view(host.identity) for host in conductor.fleet.spares() if host.identity is not None
        ),
        hosts_coming=conductor.fleet.coming_anywhere(),
        halt_requested=conductor.halt_requested,
        outcome=said,
    )
