"""Breadth-first search through every state that can be reached, with the shortest way to one that is wrong."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)
Action = TypeVar("Action")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration(Generic[State, Action]):
    """What was seen."""

    states: int
    transitions: int
    depth: int
    """Actions on the longest of the shortest ways."""
    complete: bool
    """Nothing is left to look at."""
    broken: str
    """The first invariant found broken; empty when all hold."""
    trace: tuple[tuple[Action, State], ...]
    """The shortest way there: each action with the state it leads to."""


def explore(
    initial: State,
    successors: Callable[[State], Iterable[tuple[Action, State]]],
    broken: Callable[[State], str],
    *,
    states_max: int,
) -> Exploration[State, Action]:
    """Looks at each state once, nearest first; stops at the first one for which `broken` says anything."""
    came_from: dict[State, tuple[State, Action] | None] = {initial: None}
    layer, depth, transitions = [initial], 0, 0
    found = broken(initial)
    while layer and not found and len(came_from) < states_max:
        following: list[State] = []
        for state, (action, reached) in _steps(layer, successors):
            transitions += 1
            if reached not in came_from:
                came_from[reached] = (state, action)
                following.append(reached)
                found = broken(reached)
                if found:
                    break
        layer, depth = following, depth + bool(following)
    return Exploration(
        states=len(came_from),
        transitions=transitions,
        depth=depth,
        complete=not layer,
        broken=found,
        trace=_way(came_from, layer[-1]) if found else (),
    )


def _steps(
    layer: list[State], successors: Callable[[State], Iterable[tuple[Action, State]]]
) -> Iterator[tuple[State, tuple[Action, State]]]:
    for state in layer:
        for step in successors(state):
            yield state, step


def _way(
    came_from: dict[State, tuple[State, Action] | None], state: State
) -> tuple[tuple[Action, State], ...]:
    steps: list[tuple[Action, State]] = []
    step = came_from[state]
    while step is not None:
        steps.append((step[1], state))
        state = step[0]
        step = came_from[state]
    return tuple(reversed(steps))
