"""The plan of a chaos session: which fault hits whom at which moment of the market. Pure and seeded.

Moments are counts of decided cycles, so that the same seed strikes at the same bars on any machine; a few
milliseconds of delay after them let faults fall inside a cycle as well as between two.
"""

import random  # noqa: TID251 - its type; the source itself comes seeded from core.ids
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice

from mia_actors.core.errors import ConfigError
from mia_actors.core.ids import seeded_random

GUARDIAN = "guardian"
SUPERVISOR = "supervisor"
GATEWAY = "gateway"
DELAY_MS_MAX = 20.0
"""About the length of one cycle."""
AIMED_SHARE = 3
"""One fault in so many is aimed at a cycle that sends orders, while they are on their way."""
AIMED_PER_CYCLE_MAX = 4
QUIET_SHARE = 50
"""One cycle in so many, the last ones, is left without a new fault, so that each can be carried out."""


class FaultKind(StrEnum):
    """What can be done to a running session."""

    KILL = "kill"
    """SIGKILL to a child."""
    HANG = "hang"
    """SIGSTOP to a child: it holds its sockets and locks and answers nobody."""
    SUPERVISOR = "supervisor"
    """SIGKILL to the supervisor."""
    GUARDIAN = "guardian"
    """SIGKILL to the guardian."""
    SOCKET = "socket"
    """The broker resets a client's TCP connection."""
    GATEWAY = "gateway"
    """SIGKILL to the simulated gateway, which is the broker and its market."""
    NODE = "node"
    """A whole machine of the cluster dies."""


NOT_OFFERED: dict[FaultKind, str] = {
    FaultKind.NODE: "a chaos session has a Ray of its own, which is one node: there is no other to lose",
}
"""Faults that a session cannot be expected to survive, with the reason. Take one out to have it carried out."""
AT_CHILDREN = frozenset({FaultKind.KILL, FaultKind.HANG})
"""Faults that are dealt round all children; the others have a target of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of the plan."""

    number: int
    """Place in the plan, from 1."""
    kind: FaultKind
    target: str
    """A child; for `socket` the name of a connection; for `supervisor` and `gateway` that word."""
    after_cycles: int
    """It becomes due when so many cycles were decided."""
    delay_ms: float
    """Waited from then on."""


def offered() -> str:
    """Kinds that can be asked for, by comma."""
    return ", ".join(kind.value for kind in FaultKind if kind not in NOT_OFFERED)


def parse_kinds(text: str) -> tuple[FaultKind, ...]:
    """Kinds from `kill,hang`, each once, in the order written.

    Raises:
        ConfigError: an unknown kind, one this version does not offer, or none at all.
    """
    allowed = offered()
    found: dict[FaultKind, None] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        try:
            kind = FaultKind(word)
        except ValueError:
            raise ConfigError(f"--faults {word!r}: there is no such fault; allowed: {allowed}") from None
        if kind in NOT_OFFERED:
            raise ConfigError(f"--faults {word}: {NOT_OFFERED[kind]}; allowed: {allowed}")
        found[kind] = None
    if not found:
        raise ConfigError(f"--faults is empty; allowed: {allowed}")
    return tuple(found)


def plan_faults(
    *,
    kinds: Sequence[FaultKind],
    children: Mapping[str, Sequence[FaultKind]],
    connections: Sequence[str],
    cycles: int,
    order_cycles: Sequence[int],
    count: int,
    seed: int,
) -> tuple[Fault, ...]:
    """The faults of a session of `cycles` cycles, in order of their moments; `order_cycles` send orders.

    `children` says what may be done to each; a child is dealt only what it may have.

    Guarantees: the same arguments give the same plan; moments are spread over the whole session, one in each
    of `count` equal parts, but for at most one in `AIMED_SHARE` that are moved to one of `order_cycles`; when a
    kind that hits children is asked for and `count` is at least the number of children that may have it, each of
    them is hit; when there is room beside that, every kind occurs.

    Raises:
        ConfigError: a kind that hits children is asked for, and no child may have it.
    """
    source = seeded_random(seed)
    asked = [kind for kind in kinds if kind in AT_CHILDREN]
    for kind in asked:
        if not any(kind in allowed for allowed in children.values()):
            raise ConfigError(f"--faults {kind.value}: no child of the tree lists it under faults")
    open_to = {
        child: [kind for kind in allowed if kind in asked]
        for child, allowed in children.items()
        if not asked or set(allowed) & set(asked)
    }
    children_deck, connections_deck = _deck(list(open_to), source), _deck(connections, source)
    targets = {
        FaultKind.SUPERVISOR: cycle([SUPERVISOR]),
        FaultKind.GATEWAY: cycle([GATEWAY]),
        FaultKind.NODE: cycle([FaultKind.NODE.value]),
        FaultKind.GUARDIAN: cycle([GUARDIAN]),
        FaultKind.SOCKET: connections_deck,
    }
    dealt = []
    for kind in _kinds(kinds, len(open_to), count, source):
        target = next(targets.get(kind, children_deck))
        may_have = open_to[target] if kind in AT_CHILDREN else [kind]
        dealt.append((kind if kind in may_have else may_have[0], target))
    source.shuffle(dealt)
    moments = _aimed(list(_moments(cycles, count, source)), order_cycles, source)
    return tuple(
        Fault(
            number=number,
            kind=kind,
            target=target,
            after_cycles=after_cycles,
            delay_ms=round(source.uniform(0.0, DELAY_MS_MAX), 1),
        )
        for number, ((kind, target), after_cycles) in enumerate(zip(dealt, moments, strict=True), start=1)
    )


def _kinds(
    kinds: Sequence[FaultKind], children: int, count: int, source: random.Random
) -> Iterator[FaultKind]:
    """The kind of each fault: first enough for every child, then those with targets of their own, then all in turn."""
    order = list(kinds)
    source.shuffle(order)
    at_children = [kind for kind in order if kind in AT_CHILDREN]
    elsewhere = [kind for kind in order if kind not in AT_CHILDREN]
    if at_children and count >= children:
        yield from islice(cycle(at_children), children)
        count -= children
    yield from islice(cycle([*elsewhere, *at_children]), count)


def _deck(cards: Sequence[str], source: random.Random) -> Iterator[str]:
    """Deals all cards in a random order, then all again in another one."""
    while True:
        yield from source.sample(list(cards), len(cards))


def _aimed(moments: list[int], order_cycles: Sequence[int], source: random.Random) -> list[int]:
    """Moves some moments to cycles that send orders, dealt round them."""
    aimed = min(len(moments) // AIMED_SHARE, len(order_cycles) * AIMED_PER_CYCLE_MAX)
    targets = islice(cycle(source.sample(list(order_cycles), len(order_cycles))), aimed)
    for place, moment in zip(source.sample(range(len(moments)), aimed), targets, strict=True):
        moments[place] = moment
    return sorted(moments)


def _moments(cycles: int, count: int, source: random.Random) -> Iterator[int]:
    """One moment in each of `count` equal parts of the session, in order, from the first cycle on."""
    span = max(1, cycles - 1 - cycles // QUIET_SHARE)
    for number in range(count):
        first, end = number * span // count, (number + 1) * span // count
        yield 1 + first + source.randrange(max(1, end - first))
