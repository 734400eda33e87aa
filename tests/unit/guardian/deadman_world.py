"""A deadman with a fake broker, a guardian that beats while it lives, and virtual time."""

from pathlib import Path

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import BrokerDisconnected
from mia_actors.guardian.actor import HEARTBEAT
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.deadman import Deadman
from mia_actors.guardian.hands import Hands
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.silence import DeadmanSettings, Master
from tests.unit.guardian.account import INSTRUMENT, NOON_NS, FakeDesk

SETTINGS = DeadmanSettings(silent_after_s=10, confirm_after_s=3, look_every_s=0.25, linger_s=20)
LOOK_NS = round(SETTINGS.look_every_s * NS_PER_S)


class Desk(FakeDesk):
    """A fake session; every call after the line is cut says so."""

    instrument = INSTRUMENT
    cut = False

    def close(self) -> None:
        """Nothing to close."""

    def _enter(self, call: str) -> None:
        if self.cut:
            raise BrokerDisconnected("cut")
        super()._enter(call)


class Market:
    """Notes how often it was told to go on."""

    went_on = 0

    def now_ns(self) -> int:
        return NOON_NS

    def go_on(self) -> None:
        self.went_on += 1


class World:
    """A deadman, its hands, and a guardian that beats while it lives; both turn four times a second."""

    def __init__(self, directory: Path, latch: Latch, desk: Desk) -> None:
        self.clock = VirtualClock(NOON_NS)
        self.desk, self.latch, self.market = desk, latch, Market()
        self.guardian_lives = True
        self.master = Master.WATCH
        self.fed = 0
        self.hands = Hands(
            SETTINGS,
            connect=self._connect,
            latch=latch,
            market=self.market,
            session_id="s1.deadman",
            clock=self.clock,
        )
        self.deadman = Deadman(
            SETTINGS,
            state_dir=directory,
            latch=latch,
            hands=self.hands,
            master=lambda: self.master,
            clock=self.clock,
            alive=self._feed,
        )

    def _connect(self) -> Desk:
        if self.desk.cut:
            raise BrokerDisconnected("refused")
        return self.desk

    def _feed(self) -> None:
        self.fed += 1

    def run(self, for_s: float) -> bool:
        """Whether it went within that time."""
        for number in range(round(for_s / SETTINGS.look_every_s)):
            if self.guardian_lives and number % 4 == 0:
                self.latch.note_fact(HEARTBEAT, str(self.clock.now_ns()))
            self.hands.turn()
            if self.deadman.turn():
                return True
            self.clock.advance_ns(LOOK_NS)
        return False

    @property
    def state(self) -> TradingState:
        return self.latch.read().state
