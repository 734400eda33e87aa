"""The permit and halt protocol, explored completely within bounds; `docs/protocol.md` tells what is modelled.

`MIA_PROTOCOL_BOUNDS=large` explores further: 2.7 million states more, some minutes and half a gigabyte.
"""

import os

import pytest

from tests.protocol.mutants import MUTANTS
from tests.protocol.parties import Parties
from tests.protocol.protocol import Protocol
from tests.protocol.search import Exploration, explore
from tests.protocol.world import Bounds, World

STATES_MAX = 20_000_000
SMALL = {
    "clocks": Bounds(late_messages=False, consoles=0, guardian_restarts=0, gate_restarts=0),
    "late messages": Bounds(drift=0, consoles=0, resumes=0, guardian_restarts=0, gate_restarts=0),
    "restarts": Bounds(late_messages=False, drift=0, slow_answers=False, consoles=0),
    "restarts and clocks": Bounds(
        late_messages=False, slow_answers=False, consoles=0, resumes=0, findings=0, gate_restarts=0
    ),
    "people": Bounds(late_messages=False, drift=0, slow_answers=False, guardian_restarts=0, gate_restarts=0),
}
LARGE = {
    "people and restarts": Bounds(late_messages=False, drift=0, slow_answers=False, gate_restarts=0),
    "a halt, restarts and clocks": Bounds(late_messages=False, slow_answers=False, consoles=0, resumes=0),
    "late messages and restarts": Bounds(drift=0, consoles=0, resumes=0, slow_answers=False),
    "longer leases": Bounds(ttl=3, late_messages=False, consoles=0, guardian_restarts=0, gate_restarts=0),
}
EXPLORED = SMALL | (LARGE if os.environ.get("MIA_PROTOCOL_BOUNDS") == "large" else {})
STATES_MIN = 20_000
"""Fewer would mean that the world does not get anywhere."""


def searched(bounds: Bounds, parties: type[Parties] = Parties) -> Exploration[World, str]:
    protocol = Protocol(bounds, parties(ttl=bounds.ttl, drift=bounds.drift))
    return explore(protocol.initial(), protocol.successors, protocol.broken, states_max=STATES_MAX)


def story(found: Exploration[World, str]) -> str:
    """The shortest way to a broken invariant, a line for each step, with the tick at which it happens."""
    lines, tick = [], 0
    for action, _ in found.trace:
        tick += action.startswith("a tick")
        lines.append(f"  tick {tick}: {action}")
    return "\n".join([f"{found.broken}:", *lines])


@pytest.mark.parametrize("name", EXPLORED)
def test_every_invariant_holds_in_every_state_within_the_bounds(name: str) -> None:
    found = searched(EXPLORED[name])
    print(f"{name}: {found.states:,} states, {found.transitions:,} steps, {found.depth} deep")  # noqa: T201 - with -s
    assert not found.broken, story(found)
    assert found.complete
    assert found.states >= STATES_MIN


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_found_with_the_shortest_way_to_it(mutant: type[Parties]) -> None:
    bounds, invariant = MUTANTS[mutant]
    found = searched(SMALL[bounds], mutant)
    told = story(found)
    print(f"{mutant.name}: {found.states:,} states\n{told}")  # noqa: T201 - with -s
    assert invariant in found.broken
    assert told.count("\n  tick ") == len(found.trace) > 0


@pytest.mark.parametrize(
    ("name", "passed"), [("clocks", (1, 2)), ("clocks", (2, 1)), ("restarts", (3, 2)), ("people", (2, 2))]
)
def test_the_world_gets_where_an_invariant_could_break(name: str, passed: tuple[int, int]) -> None:
    """Orders of that epoch and executor pass: after a halt was released, after the guardian and its executor died."""
    bounds = SMALL[name]
    protocol = Protocol(bounds, Parties(ttl=bounds.ttl, drift=bounds.drift))
    found = explore(
        protocol.initial(),
        protocol.successors,
        lambda world: "there" if world.passed == passed else protocol.broken(world),
        states_max=STATES_MAX,
    )
    assert found.broken == "there"
