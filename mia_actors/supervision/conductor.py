"""Carries out what the machine decides, and tells it what became of it. Owned by one thread.

It waits for nothing: whatever takes time happens elsewhere and comes back as a message.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from mia_actors.core.clock import Clock
from mia_actors.supervision.casting import SPARE_LIMITS, Casting, limits_of
from mia_actors.supervision.cluster import Cluster
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import (
    CallAnswered,
    CallHalt,
    ChildArmed,
    ChildDeclined,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Effect,
    Event,
    ExitReason,
    Fact,
    KeepInput,
    KillChild,
    ReloadCall,
    Report,
    SetTimer,
    StartChild,
    StartOverdue,
    StartTree,
    StopChild,
    StopTree,
    TreeDown,
)
from mia_actors.supervision.evidence import Evidence
from mia_actors.supervision.fleet import Fleet, Host
from mia_actors.supervision.found_hosts import FoundHost
from mia_actors.supervision.in_hand import inputs_in, told
from mia_actors.supervision.inbox import Launch, Message, Refill
from mia_actors.supervision.machine import TreeMachine
from mia_actors.supervision.messages import Became, HostIdentity, Resolution, Search, Whereabouts
from mia_actors.supervision.news import (
    HostArmed,
    HostBecame,
    HostBuried,
    HostFailed,
    HostHung,
    HostLost,
    HostReady,
    HostStopped,
    News,
    NodesSeen,
    SiteReady,
)
from mia_actors.supervision.nodes import ChildNode, NodeState, SupervisorNode, is_gone
from mia_actors.supervision.phases import NOTHING_TO_SAY, milliseconds, phases_of
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.tree_state import TreeState

REFILL_AFTER_S = 0.1
"""Making a process costs the supervisor milliseconds that whoever waits for the restarted child would pay."""
REFILL_RETRY_S = 5.0
"""After a spare could not be started it is tried again this much later."""
LOST_WITH_SUPERVISOR = "lost while its supervisor died"
NOBODY_ASKS = -1
ABOUT_A_PROCESS = frozenset(
    {Fact.CHILD_ARMED, Fact.CHILD_STARTED, Fact.CHILD_START_FAILED, Fact.CHILD_DECLINED, Fact.CHILD_EXITED}
)


class Conductor:
    """The machine, the fleet, and what goes between them."""

    def __init__(
        self,
        launch: Launch,
        *,
        epoch: int,
        state: TreeState | None,
        write_ahead: Callable[[TreeState], None],
        fleet: Fleet,
        clock: Clock,
        post: Callable[[Message, float], None],
        record: Callable[[LoggedEvent], None],
        call_halt: Callable[[CallHalt], None],
        answer: Callable[[CallAnswered], None],
    ) -> None:
        self.machine = TreeMachine.resumed(launch.tree, state) if state else TreeMachine(launch.tree)
        self.fleet = fleet
        self.casting = Casting(launch, epoch=epoch, nodes=self.machine.nodes, fleet=fleet, clock=clock)
        self._cluster = Cluster(fleet, self.casting, clock=clock, post=post, record=record)
        self.halt_requested: str | None = None
        self._launch = launch
        self._evidence = Evidence(Path(launch.directory))
        self._epoch = epoch
        self._write_ahead = write_ahead
        self._clock = clock
        self._post = post
        self._record = record
        self._call_halt = call_halt
        self._answer = answer
        self._lost_s: dict[str, float] = {}
        self._logged = NOTHING_TO_SAY

    @property
    def finished(self) -> bool:
        """The tree is down and no host is left."""
        return self.machine.outcome is not None and not self.fleet.hosts

    def begin(self) -> None:
        """Starts all processes at once, then the tree."""
        self.casting.begin()
        self._feed(StartTree())

    def take_over(self, found: Sequence[FoundHost], *, stopping: bool, reload: SupervisorSpec | None) -> None:
        """Goes on where another supervisor died: children that serve keep on, what else there is is ended.

        A `reload` that was under way is completed.
        """
        for one in found:
            self._adopt(self.fleet.adopt(one), one.identity)
        for node in self.machine.nodes.values():
            if (
                isinstance(node, ChildNode)
                and node.state is NodeState.UP
                and node.node_id not in self.casting.playing
            ):
                lost = ChildExited(
                    child_id=node.node_id,
                    incarnation=node.incarnation,
                    reason=ExitReason.KILLED,
                    cause=LOST_WITH_SUPERVISOR,
                    inputs=inputs_in(self._evidence.in_hand(node.node_id, node.incarnation)),
                )
                self._post(lost, 0.0)
        for timer in self.machine.timers(self._clock.monotonic_s()):
            self._post(timer.event, timer.after_s)
        if reload is not None:
            self._post(ReloadCall(call_id=NOBODY_ASKS, tree=reload), 0.0)
        if stopping:
            self._post(StopTree(), 0.0)
        self._post(Refill(), 0.0)

    def _adopt(self, host: Host, identity: HostIdentity) -> None:
        node = self.machine.nodes.get(identity.child_id or "")
        if isinstance(node, ChildNode):
            host.child_id, host.incarnation = node.node_id, identity.incarnation
            present = identity.incarnation == node.incarnation and node.state is NodeState.UP
            if present:
                self.casting.playing[node.node_id] = host
            if present and identity.initialised:
                self.fleet.expect(host, limits_of(node.spec))
                self._await_armed(host, node)
                return
        elif identity.child_id is None:
            self.fleet.expect(host, SPARE_LIMITS)
            return
        host.end(ExitReason.KILLED, LOST_WITH_SUPERVISOR)
        self.fleet.bury(host)

    def take(self, message: Message) -> None:
        """Deals with one message."""
        if isinstance(message, Refill):
            self._refill()
        elif isinstance(message, News):
            self._take_news(message)
        elif isinstance(message, ChildExited):  # of one that has no host here
            held = self._evidence.in_hand(message.child_id, message.incarnation)
            self._feed(message, replace(NOTHING_TO_SAY, in_hand=told(held)))
            self._evidence.clear(message.child_id, message.incarnation)
        elif isinstance(message, StartOverdue) and (left_s := self._cluster.time_left(message)) > 0:
            self._post(message, left_s)
        else:
            self._feed(message)

    def _take_news(self, news: News) -> None:  # noqa: C901 - one case for each kind of news
        match news:
            case HostReady():
                self._host_ready(news)
            case HostFailed():
                self._host_failed(news)
            case HostBecame():
                self._host_became(news)
            case HostArmed():
                self._host_armed(news)
            case HostStopped():
                self._host_stopped(news)
            case HostLost():
                self._host_lost(news)
            case HostHung():
                self._host_hung(news)
            case HostBuried():
                self._host_buried(news)
            case NodesSeen():
                self._cluster.sees(news)
                self._begin_waiting()
            case SiteReady():
                self._cluster.is_ready(news)
                self._begin_waiting()
            case _:
                assert_never(news)

    def resolve(self, search: Search) -> Resolution:
        """Where a child is now; a process the kernel has ended is not up, even if its lifeline is silent yet."""
        node = self.machine.nodes.get(search.child_id)
        if not isinstance(node, ChildNode):
            return Resolution(whereabouts=Whereabouts.UNKNOWN)
        is_up = node.state is NodeState.UP
        if node.incarnation > search.newer_than and (
            is_up or (search.early and node.state is NodeState.STARTING)
        ):
            host = self.casting.playing.get(node.node_id)
            if host is not None and host.incarnation == node.incarnation and host.serves:
                return self._found(host, Whereabouts.UP if is_up else Whereabouts.STARTING, search)
        if self.machine.outcome is not None or (not is_up and is_gone(node)):
            return Resolution(whereabouts=Whereabouts.GONE)
        return Resolution(whereabouts=Whereabouts.COMING)

    def _found(self, host: Host, whereabouts: Whereabouts, search: Search) -> Resolution:
        identity = host.identity
        return Resolution(
            whereabouts=whereabouts,
            incarnation=host.incarnation,
            host_id=host.host_id,
            host=None if host.host_id in search.known else host.handle,
            process=identity.process if identity is not None else None,
            node_id=identity.node_id if identity is not None else "",
            spares={
                spare.host_id: spare.handle
                for spare in self.fleet.spares()
                if spare.host_id not in search.known
            },
        )

    def kill(self, child_id: str, signal_number: int) -> bool:
        """Sends a signal to a child's process by hand; False when it has none."""
        host = self.casting.playing.get(child_id)
        if host is None or host.identity is None:
            return False
        if signal_number == signal.SIGKILL:
            host.kill_asked_s = self._clock.monotonic_s()
        sent = host.site.send(host.identity.process, signal_number)
        if sent:
            host.signalled = signal_number != signal.SIGCONT
        return sent

    # --- from the machine ---

    def _feed(self, event: Event, about: LoggedEvent | None = None) -> None:
        """Gives the machine an event and carries out its effects; `about` is what to log of a process."""
        self._logged = about or NOTHING_TO_SAY
        effects = self.machine.handle(event, self._clock.monotonic_s())
        if effects:
            self._write_ahead(self.machine.state(epoch=self._epoch))
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:  # noqa: C901 - one case for each kind of effect
        match effect:
            case StartChild():
                self.casting.start(effect)
                self._cluster.began(effect)
            case StopChild():
                host = self.casting.host_of(effect.child_id, effect.incarnation)
                if host is not None:
                    self.fleet.stop(host)
            case KillChild():
                self._kill(effect)
            case SetTimer():
                self._post(effect.event, effect.after_s)
            case CallHalt():
                self.halt_requested = effect.cause
                self._call_halt(effect)
            case CallAnswered():
                self._answer(effect)
            case KeepInput():
                self._keep(effect)
            case Report():
                self._log(effect)
            case TreeDown():
                self._release()
            case _:
                assert_never(effect)

    def _expect_anew(self, supervisor_id: str) -> None:
        """The limits of its children may be others now."""
        supervisor = self.machine.nodes[supervisor_id]
        for node in supervisor.children if isinstance(supervisor, SupervisorNode) else ():
            host = self.casting.playing.get(node.node_id)
            if host is not None and isinstance(node, ChildNode) and node.state is NodeState.UP:
                self.fleet.expect(host, limits_of(node.spec))

    def _kill(self, effect: KillChild) -> None:
        host = self.casting.host_of(effect.child_id, effect.incarnation)
        if host is not None:
            host.end(ExitReason.KILLED, "killed by its supervisor")
            node = self.casting.child(effect.child_id)
            self.fleet.bury(host, stacks=node.start_overdue or node.arm_overdue)
            return
        self.casting.cancel(effect.child_id)
        killed = ChildExited(
            child_id=effect.child_id,
            incarnation=effect.incarnation,
            reason=ExitReason.KILLED,
            cause="stopped before it had a process",
        )
        self._post(killed, 0.0)

    def _keep(self, effect: KeepInput) -> None:
        problem = self._evidence.keep(effect.child_id, effect.incarnation, effect.name)
        if problem is not None:
            self._record(
                LoggedEvent(
                    time_ns=self._clock.now_ns(),
                    node=effect.child_id,
                    incarnation=effect.incarnation,
                    event="child.input_not_kept",
                    cause=f"{effect.name}: {problem}",
                )
            )

    def _log(self, report: Report) -> None:
        if report.fact is Fact.SUPERVISOR_RELOADED:
            self._expect_anew(report.node_id)
        base = self._logged if report.fact in ABOUT_A_PROCESS else NOTHING_TO_SAY
        self._record(
            replace(
                base,
                time_ns=self._clock.now_ns(),
                node=report.node_id,
                incarnation=report.incarnation,
                event=report.fact.value,
                reason=report.reason.value if report.reason is not None else "",
                cause=report.cause,
            )
        )

    def _release(self) -> None:
        """The tree is down: the processes that play nothing go too."""
        for host in list(self.fleet.hosts.values()):
            self.fleet.bury(host)

    # --- from the processes ---

    def _refill(self) -> None:
        if self.machine.outcome is None and self.machine.root.state is not NodeState.STOPPING:
            self.casting.refill()

    def _begin_waiting(self) -> None:
        """A node can have hosts: those that wait for it are made, and its spares."""
        if self.machine.outcome is None:
            self.casting.hand_out()
            self._refill()

    def _host_ready(self, message: HostReady) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is None:
            return
        self.fleet.met(host, message.identity)
        self.fleet.expect(host, SPARE_LIMITS)
        if self.machine.outcome is not None:
            host.burying = False  # Ray was asked to kill it before its process was known
            self.fleet.bury(host)
        else:
            self.casting.hand_out()

    def _host_failed(self, message: HostFailed) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is None or (self.machine.outcome is None and self._cluster.judges_later(message)):
            return
        del self.fleet.hosts[message.host_id]
        if self.machine.outcome is not None:
            return
        waiting = self._cluster.forsaken(host)
        self._record(
            LoggedEvent(
                time_ns=self._clock.now_ns(),
                node=waiting.child_id if waiting else "pool",
                incarnation=0,
                event="host.start_failed",
                cause=message.cause,
            )
        )
        if waiting is None:
            self._post(Refill(), REFILL_RETRY_S)
            return
        cause = f"no process: {message.cause}"
        self._feed(ChildStartFailed(child_id=waiting.child_id, incarnation=waiting.incarnation, cause=cause))

    def _host_became(self, message: HostBecame) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is None or host.child_id is None or host.burying:
            return
        outcome = message.outcome
        if not isinstance(outcome, Became):
            host.failure = outcome
            self.fleet.bury(host)
            return
        node = self.casting.child(host.child_id)
        self.fleet.expect(host, limits_of(node.spec))
        host.started_s = outcome.started_s
        about = phases_of(host, outcome, lost_s=self._lost_s.pop(host.child_id, None))
        self._feed(ChildStarted(child_id=host.child_id, incarnation=host.incarnation), about)
        self._await_armed(host, node)
        self._post(Refill(), REFILL_AFTER_S)

    def _await_armed(self, host: Host, node: ChildNode) -> None:
        if node.spec.armed_within_s is not None and not node.armed:
            self.fleet.await_armed(host)

    def _host_armed(self, message: HostArmed) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is None or host.child_id is None or host.burying:
            return
        about = replace(
            NOTHING_TO_SAY,
            pid=host.identity.process.pid if host.identity else 0,
            armed_ms=None if host.started_s is None else milliseconds(message.at_s - host.started_s),
        )
        self._feed(ChildArmed(child_id=host.child_id, incarnation=host.incarnation), about)

    def _host_stopped(self, message: HostStopped) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is not None:
            host.end(ExitReason.SHUTDOWN, message.problem)
            self.fleet.bury(host)

    def _host_lost(self, message: HostLost) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is None or host.lost_s is not None or host.identity is None:  # `HostFailed` tells of the last
            return
        host.lost_s = message.at_s
        if host.child_id is not None and not host.burying:
            self._lost_s[host.child_id] = message.at_s
        if message.finished:
            host.end(ExitReason.NORMAL, "finished")
        elif host.kill_asked_s is not None:
            host.end(ExitReason.KILLED, "killed by hand")
        else:
            host.end(ExitReason.CRASH, message.cause)
        self.fleet.bury(host)

    def _host_hung(self, message: HostHung) -> None:
        host = self.fleet.hosts.get(message.host_id)
        if host is None or host.burying:
            return
        if host.child_id is not None:
            self._lost_s[host.child_id] = self._clock.monotonic_s()
        host.end(ExitReason.HUNG, message.cause)
        self.fleet.bury(host, stacks=True)

    def _host_buried(self, message: HostBuried) -> None:
        host = self.fleet.hosts.pop(message.host_id, None)
        if host is None:
            return
        if host.child_id is None:
            self._refill()
            return
        self.casting.playing.pop(host.child_id, None)
        if message.left is not None and host.site.keeper is not None:
            self._evidence.learn(host.child_id, host.incarnation, message.left, host.site.keeper)
        orderly = host.reason is not None and host.reason.orderly
        held = () if orderly or host.failure else self._evidence.in_hand(host.child_id, host.incarnation)
        about = LoggedEvent(
            time_ns=0,
            node=host.child_id,
            incarnation=host.incarnation,
            event="",
            in_hand=told(held),
            traceback=host.failure.traceback
            if host.failure
            else self._evidence.last_words(host.child_id, host.incarnation),
            pid=host.identity.process.pid if host.identity else 0,
            detect_ms=milliseconds(host.lost_s - host.kill_asked_s)
            if host.lost_s and host.kill_asked_s
            else None,
        )
        self._feed(self._end_of(host.child_id, host, about.traceback, inputs_in(held)), about)
        self._evidence.clear(host.child_id, host.incarnation)

    def _end_of(
        self, child_id: str, host: Host, last_words: str, inputs: tuple[str, ...]
    ) -> ChildDeclined | ChildStartFailed | ChildExited:
        failure, incarnation = host.failure, host.incarnation
        if failure is not None and failure.declined:
            return ChildDeclined(child_id=child_id, incarnation=incarnation, cause=failure.cause)
        if failure is not None:
            return ChildStartFailed(child_id=child_id, incarnation=incarnation, cause=failure.cause)
        said = "" if host.reason is ExitReason.HUNG else last_words.strip().rpartition("\n")[2]
        return ChildExited(
            child_id=child_id,
            incarnation=incarnation,
            reason=host.reason or ExitReason.KILLED,
            cause=said or host.cause,
            inputs=() if host.signalled else inputs,
        )
