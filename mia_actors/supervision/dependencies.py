"""Which children of a supervisor need which others: the order that follows, and who depends on whom."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import Protocol, TypeVar


class Dependent(Protocol):
    """Something with a name that needs others, by name."""

    @property
    def id(self) -> str:
        """Its name."""
        ...

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Those it needs."""
        ...


DependentT = TypeVar("DependentT", bound=Dependent)
KeyT = TypeVar("KeyT")


def start_order(members: Sequence[DependentT]) -> tuple[DependentT, ...]:
    """Each after those it depends on, otherwise as listed. All dependencies are members and none is a cycle."""
    if not any(member.depends_on for member in members):
        return tuple(members)
    needed_by: dict[str, list[int]] = {member.id: [] for member in members}
    missing = [len(set(member.depends_on)) for member in members]
    for index, member in enumerate(members):
        for name in set(member.depends_on):
            needed_by[name].append(index)
    ready = [index for index, count in enumerate(missing) if count == 0]
    heapify(ready)
    ordered: list[DependentT] = []
    while ready:
        member = members[heappop(ready)]
        ordered.append(member)
        for index in needed_by[member.id]:
            missing[index] -= 1
            if missing[index] == 0:
                heappush(ready, index)
    return tuple(ordered)


def cycle_of(members: Iterable[Dependent]) -> tuple[str, ...]:
    """Names of which each depends on the next, the first once more at the end; empty when there is no such cycle."""
    try:
        TopologicalSorter({member.id: member.depends_on for member in members}).prepare()
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


def reachable(start: KeyT, following: Callable[[KeyT], Iterable[KeyT]]) -> list[KeyT]:
    """All that follow, directly or not, each once; not the start itself."""
    found: dict[KeyT, None] = {}
    ahead = deque([start])
    while ahead:
        for one in following(ahead.popleft()):
            if one not in found:
                found[one] = None
                ahead.append(one)
    return list(found)
