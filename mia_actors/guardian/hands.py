"""The deadman's hands: one broker session at a time, the account as it shows it, the halt sequence when wanted.

Runs in a thread of its own, so that a gateway that does not answer keeps nobody from looking at the guardian.
"""

import sqlite3
import threading
from collections.abc import Callable
from typing import Protocol

from mia_actors.core.clock import Clock
from mia_actors.core.errors import MiaError
from mia_actors.core.ports import GuardianDesk
from mia_actors.guardian.halt_sequence import HaltSequence, Step
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.silence import Account, DeadmanSettings
from mia_actors.telemetry.logs import get_logger

ACT_EVERY_S = 0.1
LOOK_AGAIN_S = 2.0
"""Between two looks at an account that was confirmed flat."""
ATTENTIVE_S = 0.4
"""Between two looks at the account while the guardian is suspect."""
BACKOFF_MIN_S = 0.05


class Desk(GuardianDesk, Protocol):
    """A connected session."""

    @property
    def instrument(self) -> str:
        """The contract traded."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class Market(Protocol):
    """Market time, and a market that waits for the dead."""

    def now_ns(self) -> int:
        """Market time.

        Raises:
            BrokerDisconnected: not known.
        """
        ...

    def go_on(self) -> None:
        """Lets a lockstep market show what comes next, in the name of those who no longer do.

        Raises:
            BrokerDisconnected: it does not answer.
        """
        ...


class Hands:
    """Guarantees: never raises for the broker's sake; tries again for ever, with bounded pauses."""

    def __init__(
        self,
        settings: DeadmanSettings,
        *,
        connect: Callable[[], Desk],
        latch: Latch,
        market: Market,
        session_id: str,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._connect = connect
        self._latch = latch
        self._market = market
        self._session_id = session_id
        self._clock = clock
        self._log = get_logger(actor="deadman")
        self._wake = threading.Event()
        self._desk: Desk | None = None
        self._sequence: HaltSequence | None = None
        self._backoff_s = 0.0
        self._said = ""
        self.account: Account | None = None
        """None while the broker is not seen."""
        self.turned_at_s = clock.monotonic_s()
        """When the last turn ended."""
        self._acting = False
        self._attentive = False

    @property
    def acting(self) -> bool:
        """Whether the account is being made flat."""
        return self._acting

    def act(self, *, wanted: bool) -> None:
        """Begins or ends to act; begins at once."""
        if wanted and not self._acting:
            self._wake.set()
        self._acting = wanted

    def attend(self, *, wanted: bool) -> None:
        """Looks at the account often from now on, beginning at once; or only now and then."""
        if wanted and not self._attentive:
            self._wake.set()
        self._attentive = wanted

    def loop(self, stopping: threading.Event) -> None:
        """Turns until told to stop."""
        while not stopping.is_set():
            self._wake.wait(self.turn())
            self._wake.clear()
        self._close()

    def stop(self, stopping: threading.Event) -> None:
        """Makes `loop` end."""
        stopping.set()
        self._wake.set()

    def turn(self) -> float:
        """One look, or one step of the halt; returns the seconds until the next."""
        try:
            pause_s = self._act() if self._acting else self._look()
            self._backoff_s = 0.0
        except (MiaError, sqlite3.Error) as error:
            self._close()
            self._backoff_s = min(self._settings.backoff_max_s, max(BACKOFF_MIN_S, self._backoff_s * 2))
            self._say(f"{type(error).__name__}: {error}")
            pause_s = self._backoff_s
        self.turned_at_s = self._clock.monotonic_s()
        return pause_s

    def _look(self) -> float:
        desk = self._connected()
        seen_at_s = self._clock.monotonic_s()
        self.account = Account(
            position_contracts=desk.position_contracts(),
            working_orders=desk.working_orders(),
            seen_at_s=seen_at_s,
        )
        return ATTENTIVE_S if self._attentive else self._settings.account_every_s

    def _act(self) -> float:
        desk = self._connected()
        if self._sequence is None:
            self._sequence = HaltSequence(
                desk=desk, latch=self._latch, instrument=desk.instrument, session_id=self._session_id
            )
        seen_at_s = self._clock.monotonic_s()
        step = self._sequence.step(self._market.now_ns(), seen_at_s)
        self.account = Account(
            position_contracts=step.position_contracts,
            working_orders=step.working_orders,
            seen_at_s=seen_at_s,
        )
        self._say_step(step)
        self._market.go_on()
        return LOOK_AGAIN_S if step.is_flat else ACT_EVERY_S

    def _connected(self) -> Desk:
        if self._desk is None:
            self._desk = self._connect()
            self._log.info("deadman.connected", instrument=self._desk.instrument)
        return self._desk

    def _close(self) -> None:
        desk, self._desk, self._sequence, self.account = self._desk, None, None, None
        if desk is not None:
            desk.close()

    def _say_step(self, step: Step) -> None:
        if step.outcome != self._said:
            self._said = step.outcome
            self._log.error("deadman.acted", outcome=step.outcome)

    def _say(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            self._log.error("deadman.hindered", reason=reason)
