"""One node of the cluster as a place where hosts live: how deaths are noticed there, and made certain.

On a node whose kernel can be asked, by pid: nothing else proves an end. `OwnSite` is that; the supervisor has
one, and every warden has one on its own node.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from mia_actors.core.clock import Clock
from mia_actors.supervision.death_watch import DeathWatch
from mia_actors.supervision.evidence import Keeper
from mia_actors.supervision.hang_watch import Limits
from mia_actors.supervision.news import HostBuried, HostLost, HostNews
from mia_actors.supervision.processes import STACKS_SIGNAL, ProcessId
from mia_actors.supervision.pulse import PulseAddress, PulseReceiver
from mia_actors.telemetry.logs import get_logger

BURY_ATTEMPT_S = 5.0
"""After each such time without a confirmed death it is said and tried again; nothing replaces the undead."""
UNDERTAKERS = 8
STACKS_WITHIN_S = 0.05
"""What a hung process has to write down its stacks before it is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burial:
    """A process that is to be ended."""

    host_id: str
    process: ProcessId
    stacks: bool = False
    """Whether it is asked before what its threads are doing."""
    child_id: str = ""
    """Whose life it was, if it had one."""
    incarnation: int = 0


class Site(Protocol):
    """Where hosts live. Used by the thread that owns the tree; what it finds comes as news."""

    @property
    def node_id(self) -> str:
        """Ray's id of the node."""
        ...

    @property
    def pulses(self) -> PulseAddress | None:
        """Where hosts there send their pulses; None while nobody hears them."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the node is confirmed to be dead, and everything on it."""
        ...

    @property
    def keeper(self) -> Keeper | None:
        """Who has the evidence of its dead; None where that lies in the supervisor's own folder."""
        ...

    def watch(self, host_id: str, process: ProcessId) -> None:
        """`HostLost` follows when this very process has ended."""
        ...

    def bury(self, burial: Burial) -> None:
        """Makes sure that the process is gone; `HostBuried` follows only when it is certain."""
        ...

    def expect(self, host_id: str, limits: Limits) -> None:
        """From now on the host is held to these limits; `HostHung` follows when it exceeds one."""
        ...

    def forget(self, host_id: str) -> None:
        """The host is being ended."""
        ...

    def lives(self, process: ProcessId, /) -> bool:
        """False when it is known to have ended, as far as that can be known at once."""
        ...

    def send(self, process: ProcessId, signal_number: int) -> bool:
        """Signals the process; False when it is known to be gone."""
        ...


class OwnSite:
    """The node this process is on."""

    lost = False
    keeper = None

    def __init__(
        self, node_id: str, pulses: PulseReceiver, *, clock: Clock, tell: Callable[[HostNews], None]
    ) -> None:
        self.node_id = node_id
        self.pulses: PulseAddress | None = pulses.address
        self.expect = pulses.expect
        self.forget = pulses.forget
        self._clock = clock
        self._tell = tell
        self.watch = DeathWatch(self._process_ended).add
        self._undertakers = ThreadPoolExecutor(UNDERTAKERS, thread_name_prefix="undertaker")
        self._log = get_logger(actor="supervisor")

    def _process_ended(self, host_id: str) -> None:
        at_s = self._clock.monotonic_s()
        self._tell(HostLost(host_id=host_id, finished=False, cause="process died", at_s=at_s))

    def bury(self, burial: Burial) -> None:
        """See `Site`."""
        if burial.process.alive():
            self._undertakers.submit(self._bury_living, burial)
        else:
            self._tell(HostBuried(host_id=burial.host_id))

    def _bury_living(self, burial: Burial) -> None:
        process = burial.process
        if burial.stacks and not process.is_stopped() and process.send(STACKS_SIGNAL):
            process.wait_gone(STACKS_WITHIN_S)
        while not process.kill(BURY_ATTEMPT_S):
            self._log.error("process.undead", host=burial.host_id, pid=process.pid, waited_s=BURY_ATTEMPT_S)
        self._tell(HostBuried(host_id=burial.host_id))

    def lives(self, process: ProcessId, /) -> bool:
        """See `Site`."""
        return process.alive()

    def send(self, process: ProcessId, signal_number: int) -> bool:
        """See `Site`."""
        return process.send(signal_number)
