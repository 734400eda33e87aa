"""The warden of a node other than the supervisor's: does there, by pid, what the supervisor does on its own.

Ray's word that an actor is dead says nothing of its process: only that node's kernel does. So one actor there
holds pidfds of the hosts, hears their pulses on that node's loopback, kills by pid and start time, waits for the
end, and reads what the dead left behind. When the node's raylet dies it ends them all. It decides nothing and
keeps nothing: one that dies or hangs is replaced, and whoever comes next is told everything again.
"""

import os
import queue
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.evidence import Evidence
from mia_actors.supervision.hang_watch import Hang, Limits
from mia_actors.supervision.host import LOG_FOLDER
from mia_actors.supervision.news import HostBuried, HostHung, HostNews
from mia_actors.supervision.processes import ProcessId, kill_all, own_process
from mia_actors.supervision.pulse import PulseAddress, PulseReceiver
from mia_actors.supervision.ray_actors import unrestarted_actor
from mia_actors.supervision.raylet_watch import end_with_raylet
from mia_actors.supervision.site import Burial, OwnSite
from mia_actors.telemetry.logs import configure_logging, get_logger

KILL_WITHIN_S = 5.0
"""What it has to make sure that a warden before it is dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WardenIdentity:
    """Who a warden is, and where hosts on its node send their pulses."""

    process: ProcessId
    pulses: PulseAddress


class Warden:
    """See the module. Orders are carried out in the order in which they come; `news` waits beside them."""

    def __init__(self, *, name: str, directory: str, predecessors: Iterable[ProcessId]) -> None:
        """Ends its predecessors, which may hang, first."""
        for process in predecessors:
            process.kill(KILL_WITHIN_S)
        logs = Path(directory) / LOG_FOLDER
        logs.mkdir(parents=True, exist_ok=True)
        configure_logging(directory=logs, process=name)
        self._clock = SystemClock()
        self._evidence = Evidence(Path(directory))
        self._news: queue.SimpleQueue[HostNews] = queue.SimpleQueue()
        self._buried: dict[str, Burial] = {}
        self._tended: dict[str, ProcessId] = {}
        self._pulses = PulseReceiver(self._clock, self._tell_of_hang)
        node_id = ray.get_runtime_context().get_node_id()
        self._site = OwnSite(node_id, self._pulses, clock=self._clock, tell=self._tell)
        self._log = get_logger(actor=name)
        end_with_raylet(self._end_tended)

    @ray.method(concurrency_group="orders")
    def identity(self) -> WardenIdentity:
        """Who this is."""
        return WardenIdentity(process=own_process(), pulses=self._pulses.address)

    @ray.method(concurrency_group="orders")
    def watch(self, host_id: str, process: ProcessId) -> None:
        """See `Site`."""
        self._tended[host_id] = process
        self._site.watch(host_id, process)

    @ray.method(concurrency_group="orders")
    def expect(self, host_id: str, limits: Limits) -> None:
        """See `Site`."""
        self._site.expect(host_id, limits)

    @ray.method(concurrency_group="orders")
    def forget(self, host_id: str) -> None:
        """See `Site`."""
        self._site.forget(host_id)

    @ray.method(concurrency_group="orders")
    def bury(self, burial: Burial) -> None:
        """See `Site`."""
        self._buried[burial.host_id] = burial
        self._site.bury(burial)

    @ray.method(concurrency_group="orders")
    def send(self, process: ProcessId, signal_number: int) -> None:
        """Signals a process, unless it is gone."""
        process.send(signal_number)

    @ray.method(concurrency_group="orders")
    def keep(self, child_id: str, incarnation: int, name: str) -> None:
        """Moves an input of a life to where it stays on this node."""
        problem = self._evidence.keep(child_id, incarnation, name)
        if problem is not None:
            self._log.warning("input.not_kept", child=child_id, input=name, cause=problem)

    @ray.method(concurrency_group="orders")
    def clear(self, child_id: str, incarnation: int) -> None:
        """Removes the inputs of a life that are not to be kept."""
        self._evidence.clear(child_id, incarnation)

    @ray.method(concurrency_group="news")
    def news(self, timeout_s: float) -> tuple[HostNews, ...]:
        """What has happened, as soon as something has; nothing after `timeout_s`."""
        found: list[HostNews] = []
        try:
            found.append(self._news.get(timeout=timeout_s))
            while True:
                found.append(self._news.get_nowait())
        except queue.Empty:
            return tuple(found)

    @ray.method(concurrency_group="orders")
    def leave(self) -> None:
        """The tree is down: nobody is left to be tended here."""
        os._exit(0)

    def _end_tended(self) -> None:
        """The node's raylet is dead: hosts end with it by themselves, but for those that cannot."""
        kill_all(tuple(self._tended.values()), timeout_s=KILL_WITHIN_S, clock=self._clock)

    def _tell_of_hang(self, hang: Hang) -> None:
        self._news.put(HostHung(host_id=hang.host_id, cause=hang.cause))

    def _tell(self, news: HostNews) -> None:
        if isinstance(news, HostBuried):
            burial = self._buried.pop(news.host_id)
            self._tended.pop(news.host_id, None)
            if burial.child_id:
                left = self._evidence.left(burial.child_id, burial.incarnation)
                news = replace(news, left=left)
        self._news.put(news)


def warden_actor() -> Any:
    """The Ray actor class of wardens."""
    return unrestarted_actor(Warden, {"orders": 1, "news": 1})
