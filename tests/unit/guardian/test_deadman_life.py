"""When a deadman judges, when it goes, when its watchdog is fed, and what it never loads."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mia_actors.guardian import console
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.deadman import master_of_account
from mia_actors.guardian.silence import Master
from tests.unit.guardian.account import session_info
from tests.unit.guardian.deadman_world import LOOK_NS, SETTINGS, World

MakeWorld = Callable[..., World]


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
    seen = console.resumable(tmp_path, reason="checked", clock=world.clock)
    console.resume(tmp_path, of=seen, reason="checked", who="ada", clock=world.clock)
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
