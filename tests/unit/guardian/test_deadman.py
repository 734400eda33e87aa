"""The deadman in virtual time: when it latches, when it acts, and what it leaves alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mia_actors.guardian.core import TradingState
from mia_actors.guardian.deadman import DEADMAN
from mia_actors.guardian.halt_file import HALT_FILE, WHO
from tests.unit.guardian.deadman_world import LOOK_NS, SETTINGS, World

MakeWorld = Callable[..., World]


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
