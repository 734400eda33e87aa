"""Signals that were refused, by the gate that refused them, in the words of the stored decisions. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mia_actors.core.decisions import Decision, Outcome

EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One gate and those it turned away."""

    reason: str
    count: int
    examples: tuple[Decision, ...]
    """The first, the last, and one between."""


def refused_signals(decisions: Iterable[Decision]) -> tuple[Refusal, ...]:
    """Cycles in which a strategy called a side and a gate said no, most frequent first."""
    return _by_reason(decision for decision in decisions if decision.outcome is Outcome.REFUSED)


def cycles_without_signal(decisions: Iterable[Decision]) -> tuple[Refusal, ...]:
    """Cycles in which no strategy called a side, or was not asked."""
    return _by_reason(decision for decision in decisions if decision.outcome is Outcome.NO_SIGNAL)


def _by_reason(decisions: Iterable[Decision]) -> tuple[Refusal, ...]:
    members: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        members[decision.reason.value if decision.reason else ""].append(decision)
    return tuple(
        Refusal(reason=reason, count=len(found), examples=_spread(found))
        for reason, found in sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    )


def _spread(found: Sequence[Decision]) -> tuple[Decision, ...]:
    if len(found) <= EXAMPLES:
        return tuple(found)
    step = (len(found) - 1) / (EXAMPLES - 1)
    return tuple(found[round(place * step)] for place in range(EXAMPLES))
