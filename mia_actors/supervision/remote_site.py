"""A node of the cluster that is not the supervisor's, tended by a warden there.

What is wanted of the node is written down here first, so that a warden that takes over is told all of it. A
process there is dead when the warden has seen its end, or when Ray has confirmed the death of the whole node;
nothing else counts, not even that its actor is dead to Ray.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from mia_actors.core.clock import Clock
from mia_actors.supervision.evidence import Keeper
from mia_actors.supervision.hang_watch import Limits
from mia_actors.supervision.news import HostBuried, HostLost, News, SiteReady
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.pulse import PulseAddress
from mia_actors.supervision.ray_actors import cause_of
from mia_actors.supervision.site import Burial
from mia_actors.supervision.warden import WardenIdentity
from mia_actors.telemetry.logs import get_logger

MADE_WITHIN_S = 60.0
AGAIN_AFTER_S = 1.0
LISTEN_S = 1.0
"""A warden says at least so often that there is nothing to say."""
SILENT_S = 10.0
"""One that says nothing for so much longer hangs, and is replaced."""

REPORTS_WITHIN_S = 5.0
"""A host may be silent so long when a new warden comes: it has to be told of it first."""

MakeWarden = Callable[[str, int, tuple[ProcessId, ...]], Any]
"""From a node, the number of the warden there and the processes of those before it."""


class RemoteSite:
    """See the module, and `Site`."""

    def __init__(self, node_id: str, *, make: MakeWarden, clock: Clock, tell: Callable[[News], None]) -> None:
        """Begins to make a warden; `SiteReady` follows for each one there is."""
        self.node_id = node_id
        self.pulses: PulseAddress | None = None
        self._make = make
        self._clock = clock
        self._tell = tell
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._warden: Any = None
        self._predecessors: tuple[ProcessId, ...] = ()
        self._watched: dict[str, ProcessId] = {}
        self._limits: dict[str, Limits] = {}
        self._burials: dict[str, Burial] = {}
        self._lost = False
        self._log = get_logger(actor="supervisor", node=node_id)
        threading.Thread(target=self._keep_tended, name="warden", daemon=True).start()

    @property
    def lost(self) -> bool:
        """See `Site`."""
        return self._lost

    @property
    def keeper(self) -> Keeper:
        """See `Site`."""
        return self

    # --- what is wanted of the node ---

    def watch(self, host_id: str, process: ProcessId) -> None:
        """See `Site`."""
        with self._lock:
            self._watched[host_id] = process
            self._order("watch", host_id, process)

    def expect(self, host_id: str, limits: Limits) -> None:
        """See `Site`."""
        with self._lock:
            self._limits[host_id] = limits
            self._order("expect", host_id, limits)

    def reports(self, host_id: str) -> None:
        """The host has been told where its pulses go now: it is held to its own limits again."""
        with self._lock:
            limits = self._limits.get(host_id)
            if limits is not None:
                self._order("expect", host_id, limits)

    def forget(self, host_id: str) -> None:
        """See `Site`."""
        with self._lock:
            self._limits.pop(host_id, None)
            self._order("forget", host_id)

    def bury(self, burial: Burial) -> None:
        """See `Site`."""
        with self._lock:
            lost = self._lost
            if not lost:
                self._burials[burial.host_id] = burial
                self._order("bury", burial)
        if lost:
            self._tell(HostBuried(host_id=burial.host_id))

    def lives(self, _process: ProcessId, /) -> bool:
        """See `Site`: only the warden could know better."""
        return not self._lost

    def send(self, process: ProcessId, signal_number: int) -> bool:
        """See `Site`: whether it was still there, only the warden knows."""
        with self._lock:
            self._order("send", process, signal_number)
            return self._warden is not None

    def keep(self, child_id: str, incarnation: int, name: str) -> None:
        """See `Keeper`."""
        with self._lock:
            self._order("keep", child_id, incarnation, name)

    def clear(self, child_id: str, incarnation: int) -> None:
        """See `Keeper`."""
        with self._lock:
            self._order("clear", child_id, incarnation)

    def _order(self, method: str, *arguments: Any) -> None:
        """Tells the warden, if there is one; the next one is told what has to last."""
        if self._warden is not None:
            with suppress(RayError):
                getattr(self._warden, method).remote(*arguments)

    # --- how it ends ---

    def lose(self) -> None:
        """Ray has confirmed that the node is dead: so is all that was buried there and not yet confirmed."""
        self._over.set()
        with self._lock:
            self._lost, self._warden, self.pulses = True, None, None
            burials, self._burials = self._burials, {}
        for host_id in burials:
            self._tell(HostBuried(host_id=host_id))

    def leave(self) -> None:
        """The tree is down: the warden goes."""
        self._over.set()
        with self._lock:
            self._order("leave")

    # --- the thread that sees to it that there is a warden ---

    def _keep_tended(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            warden: Any = None
            try:
                warden = self._make(self.node_id, number, self._predecessors)
                self._meet(warden)
                self._listen(warden)
            except (RayError, ValueError) as error:
                if not self._over.is_set():
                    self._log.warning("warden.lost", cause=cause_of(error))
                self._dismiss(warden)
                self._over.wait(AGAIN_AFTER_S)

    def _meet(self, warden: Any) -> None:
        identity: WardenIdentity = ray.get(warden.identity.remote(), timeout=MADE_WITHIN_S)
        with self._lock:
            if self._over.is_set():
                warden.leave.remote()
                return
            self._predecessors = (*self._predecessors, identity.process)[-1:]
            self._warden, self.pulses = warden, identity.pulses
            for host_id, process in self._watched.items():
                self._order("watch", host_id, process)
            for host_id, limits in self._limits.items():
                self._order("expect", host_id, _until_it_reports(limits))
            for burial in self._burials.values():
                self._order("bury", burial)
        self._tell(SiteReady(node_id=self.node_id))

    def _listen(self, warden: Any) -> None:
        while not self._over.is_set():
            for news in ray.get(warden.news.remote(LISTEN_S), timeout=LISTEN_S + SILENT_S):
                if isinstance(news, HostLost):
                    self._tell(replace(news, at_s=self._clock.monotonic_s()))
                    continue
                if isinstance(news, HostBuried):
                    with self._lock:
                        self._burials.pop(news.host_id, None)
                        self._watched.pop(news.host_id, None)
                self._tell(news)

    def _dismiss(self, warden: Any) -> None:
        with self._lock:
            self._warden = None
        if warden is not None:
            with suppress(RayError, ValueError):
                ray.kill(warden)


def _until_it_reports(limits: Limits) -> Limits:
    if limits.alive_within_s is None:
        return limits
    return replace(limits, alive_within_s=max(limits.alive_within_s, REPORTS_WITHIN_S))
