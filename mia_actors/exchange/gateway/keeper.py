"""Keeps a gateway alive: one that dies is followed by one on the same ports that replays its journal."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mia_actors.core.clock import Clock
from mia_actors.core.errors import MiaError, TransientError
from mia_actors.exchange.gateway.process import GatewayProcess, Listening
from mia_actors.telemetry.logs import get_logger

STOP_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperLimits:
    """How many deaths are made good for."""

    restarts_max: int
    """Within the period; 0 for none at all."""
    period_s: float


class GatewayKeeper:
    """One gateway after the other, one at a time.

    Guarantees: the ports stay those of the first gateway until `stop`; no gateway is started before the one
    before it is gone; it waits for a death by being told of it, and costs nothing until then.
    """

    def __init__(
        self, arguments: Sequence[str], listening: Listening, *, limits: KeeperLimits, clock: Clock
    ) -> None:
        self._arguments = tuple(arguments)
        self._listening = listening
        self._limits = limits
        self._clock = clock
        self._log = get_logger(actor="keeper")
        self._deaths_s: deque[float] = deque(maxlen=limits.restarts_max + 1)
        self._stopping = threading.Event()
        self._gateway = GatewayProcess.start(self._arguments, listening=listening)
        self._thread = threading.Thread(target=self._keep, name="gateway-keeper", daemon=True)
        self.failed: str | None = None
        """Why there is no gateway any more and will be none; None while there is one, or will be again."""

    @classmethod
    def start(cls, arguments: Sequence[str], journal: Path, *, limits: KeeperLimits, clock: Clock) -> Self:
        """Starts the first gateway and waits until it listens.

        Raises:
            ConfigError: the tape or the journal cannot be used.
            TransientError: it ended for another reason.
        """
        listening = Listening.open()
        try:
            keeper = cls((*arguments, "--journal", str(journal)), listening, limits=limits, clock=clock)
        except BaseException:
            listening.close()
            raise
        keeper._thread.start()
        return keeper

    @property
    def hello(self) -> dict[str, Any]:
        """What the gateway says of itself: ports, contract, base timeframe and extent of the tape."""
        return self._gateway.hello

    @property
    def tws_port(self) -> int:
        """Where API clients connect."""
        return self._gateway.tws_port

    @property
    def control_port(self) -> int:
        """Where the lockstep is controlled."""
        return self._gateway.control_port

    @property
    def lifeline(self) -> int:
        """Descriptor of the pipe its gateways live by; who inherits it has the last one stay until it ends too."""
        return self._listening.lifeline.fileno()

    def stop(self) -> None:
        """Ends the gateway for good and frees its ports."""
        self._stopping.set()
        self._gateway.stop()
        self._thread.join(STOP_WITHIN_S)
        self._listening.close()

    # --- the thread ---

    def _keep(self) -> None:
        how = self._gateway.wait_ended()
        while not self._stopping.is_set():
            self._gateway.stop()
            if not self._may_follow(how):
                return
            try:
                self._gateway = GatewayProcess.start(self._arguments, listening=self._listening)
            except TransientError as error:
                how = str(error)
                continue
            except MiaError as error:
                self._fail(f"the simulated gateway cannot be started again: {error}")
                return
            self._log.warning("gateway.restarted", pid=self._gateway.pid)
            if self._stopping.is_set():
                self._gateway.stop()
            how = self._gateway.wait_ended()

    def _may_follow(self, how: str) -> bool:
        limits, now_s = self._limits, self._clock.monotonic_s()
        self._deaths_s.append(now_s)
        self._log.error("gateway.died", how=how, deaths=len(self._deaths_s))
        spent = len(self._deaths_s) > limits.restarts_max
        if spent and now_s - self._deaths_s[0] < limits.period_s:
            self._fail(
                f"deaths of the simulated gateway within {limits.period_s:g} s: {len(self._deaths_s)}, "
                f"at most {limits.restarts_max} are made good for; the last one {how}"
            )
            return False
        return True

    def _fail(self, reason: str) -> None:
        self._log.error("gateway.given_up", reason=reason)
        self._listening.close()  # who waits in line is refused
        self.failed = reason
