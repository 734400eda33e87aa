"""The deadman with a fake broker in virtual time: when it latches, when it acts, and what it leaves alone."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import BrokerDisconnected
from mia_actors.guardian import console
from mia_actors.guardian.actor import HEARTBEAT
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.deadman import DEADMAN, Deadman, master_of_account
from mia_actors.guardian.halt_file import HALT_FILE, WHO
from mia_actors.guardian.hands import Hands
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.silence import DeadmanSettings, Master
from tests.unit.guardian.account import INSTRUMENT, NOON_NS, FakeDesk, session_info

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


MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    with closing(Latch.open(tmp_path)) as latch:
        yield lambda **desk: World(tmp_path, latch, Desk(**desk))


@pytest.mark.parametrize(
    "exposure", [{"position": 1, "working": 2}, {"position": -2}, {"working": 1}], ids=str
)
def test_a_guardian_silent_with_something_at_stake_is_halted_for_after_the_limit(
    make_world: MakeWorld, exposure: dict[str, int]
) -> None:
    world = make_world(**exposure)
    world.run(60)
    world.guardian_lives = False
    world.run(SETTINGS.limit_s - 1.5)
    assert (world.state, world.desk.offsets) == (TradingState.ACTIVE, {})
    assert "global_cancel" not in world.desk.calls
    world.run(3)
    latched = world.latch.read()
    assert (latched.state, latched.who, latched.outcome) == (TradingState.HALTED, DEADMAN, "FLAT")
    assert "silent for" in latched.reason
    assert (world.desk.position, world.desk.working) == (0, 0)
    assert world.market.went_on > 0


def test_the_latch_is_on_disk_before_anything_is_sent(make_world: MakeWorld) -> None:
    world = make_world(position=1, working=2)
    seen: list[TradingState] = []
    cancel = world.desk.global_cancel

    def noting() -> None:
        seen.append(world.state)
        cancel()

    world.desk.global_cancel = noting  # type: ignore[method-assign]
    world.guardian_lives = False
    world.run(20)
    assert set(seen) == {TradingState.HALTED}


def test_without_position_and_orders_it_only_reports(make_world: MakeWorld) -> None:
    world = make_world()
    world.guardian_lives = False
    world.run(120)
    assert (world.state, world.desk.calls.count("global_cancel")) == (TradingState.ACTIVE, 0)
    world.desk.position = 1
    world.run(5)
    assert (world.state, world.desk.position) == (TradingState.HALTED, 0)


def test_what_the_broker_showed_before_the_silence_is_no_reason_to_halt(make_world: MakeWorld) -> None:
    """The position was closed meanwhile, and the gateway has not answered since."""
    world = make_world(position=1)
    world.run(5)
    world.desk.position = 0
    for _ in range(200):
        world.deadman.turn()
        world.clock.advance_ns(LOOK_NS)
    assert (world.deadman.silent, world.state) == (True, TradingState.ACTIVE)
    world.guardian_lives = False
    world.run(10)
    assert world.state is TradingState.ACTIVE


def test_a_guardian_back_in_time_is_left_to_its_work(make_world: MakeWorld) -> None:
    world = make_world(position=1)
    world.guardian_lives = False
    world.run(12)
    world.guardian_lives = True
    world.run(60)
    assert (world.state, world.desk.position) == (TradingState.ACTIVE, 1)


def test_a_guardian_that_dies_in_the_midst_of_its_halt_is_followed_and_one_that_comes_back_is_not_disturbed(
    make_world: MakeWorld,
) -> None:
    world = make_world(position=1, working=2)
    world.latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=1)
    world.run(30)
    assert world.desk.calls.count("global_cancel") == 0  # the guardian lives: its affair
    world.guardian_lives = False
    world.run(20)
    latched = world.latch.read()
    assert (latched.who, latched.outcome, world.desk.position) == ("guardian", "FLAT", 0)
    world.guardian_lives = True
    world.run(1)
    assert not world.hands.acting


def test_it_halts_through_a_broker_that_comes_and_goes(make_world: MakeWorld) -> None:
    world = make_world(position=1, working=2)
    world.desk.faults = [
        ("global_cancel", "after"),
        ("position_contracts", "before"),
        ("place_offset", "after"),
    ]
    world.run(1)
    world.guardian_lives = False
    world.desk.faults.insert(0, ("working_orders", "before"))
    world.run(60)
    assert world.latch.read().outcome == "FLAT"
    assert world.desk.positions_seen == [1, 0]


def test_a_broker_away_from_everybody_is_no_guardian_s_silence(make_world: MakeWorld) -> None:
    world = make_world(position=1)
    world.run(5)
    world.desk.cut, world.guardian_lives = True, False
    world.run(300)
    world.desk.cut = False
    world.run(10)
    world.guardian_lives = True
    world.run(30)
    assert (world.state, world.desk.position) == (TradingState.ACTIVE, 1)


def test_late_fills_after_flat_are_offset_too(make_world: MakeWorld) -> None:
    world = make_world(position=1)
    world.guardian_lives = False
    world.run(20)
    assert world.latch.read().is_flat
    world.desk.position = 2
    world.run(10)
    assert (world.desk.position, world.latch.read().outcome) == (0, "FLAT")


def test_a_halt_file_is_latched_within_a_second_and_left_to_the_living_guardian(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    world = make_world(position=1)
    world.run(5)
    (tmp_path / HALT_FILE).write_text("  the house\nburns ")
    world.run(1)
    latched = world.latch.read()
    assert (latched.state, latched.who, latched.reason) == (TradingState.HALTED, WHO, "the house burns")
    assert world.desk.offsets == {}
    world.guardian_lives = False
    world.run(20)
    assert world.desk.position == 0


def test_while_the_guardian_is_being_started_nobody_is_judged(make_world: MakeWorld) -> None:
    world = make_world(position=1)
    world.guardian_lives, world.master = False, Master.HOLD
    world.run(120)
    assert world.state is TradingState.ACTIVE
    world.master = Master.WATCH
    world.run(SETTINGS.limit_s - 1)
    assert world.state is TradingState.ACTIVE


def test_a_session_killed_with_a_position_is_guarded_to_the_end_and_not_for_ever(
    make_world: MakeWorld,
) -> None:
    world = make_world(position=1, working=2)
    world.run(5)
    world.guardian_lives, world.master = False, Master.GONE
    assert not world.run(SETTINGS.limit_s + SETTINGS.linger_s - 1)
    assert world.latch.read().is_flat
    assert world.run(10)


def test_a_deadman_of_no_session_judges_only_after_a_session_has_begun_and_until_it_ended(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    """A position opened by hand when nothing runs is a person's affair."""
    real, simulated = session_info(tmp_path), replace(session_info(tmp_path), control_port=1)
    world = make_world()
    armed = []
    for session, is_guarded in ((simulated, True), (real, True), (real, False), (real, True)):
        armed.append(master_of_account(world.latch))
        console.note_guarded(session, is_guarded=is_guarded)
    armed.append(master_of_account(world.latch))
    assert armed == [Master.HOLD, Master.HOLD, Master.NONE, Master.HOLD, Master.NONE]
    world.latch.lower(TradingState.HALTED, reason="fire", who="ada", at_ns=1)
    world.latch.note_outcome(is_flat=True, outcome="FLAT")
    console.resume(tmp_path, reason="checked", who="ada", clock=world.clock)
    assert master_of_account(world.latch) is Master.HOLD


def test_a_guardian_that_lives_on_without_its_command_is_watched_on(make_world: MakeWorld) -> None:
    world = make_world()
    world.master = Master.GONE
    assert not world.run(600)
    world.guardian_lives = False
    assert world.run(SETTINGS.limit_s + SETTINGS.linger_s + 5)


def test_the_watchdog_is_fed_only_while_the_hands_turn_too(make_world: MakeWorld) -> None:
    world = make_world()
    world.run(5)
    assert world.fed == 20
    for _ in range(1000):  # the hands hang
        world.deadman.turn()
        world.clock.advance_ns(LOOK_NS)
    fed = world.fed
    world.deadman.turn()
    assert world.fed == fed


@pytest.mark.parametrize("command", ["deadman", "halt", "resume"])
def test_what_must_work_without_ray_does_not_load_it(command: str) -> None:
    program = (
        f"import sys; sys.argv = ['mia', {command!r}, '--help']\n"
        "import mia_actors.cli.main\n"
        "loaded = {'ray', 'onnxruntime', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
