"""The decisions of a backtest, in memory: what a session's decision journal keeps, without the disk."""

from collections import Counter

from mia_actors.core.decisions import Decision, Outcome, Reason
from mia_actors.store.decision_journal import DecisionCounts, JournaledDecision

REFUSING = frozenset({Outcome.REFUSED, Outcome.NO_SIGNAL})


class DecisionTally:
    """Decisions by the end of their base bar, and the number of those that were only counted."""

    def __init__(self) -> None:
        self._decided: dict[int, JournaledDecision] = {}
        self._counted: Counter[tuple[Outcome, Reason]] = Counter()

    def add(self, decision: Decision, *, held_contracts: int, completed: bool) -> None:
        """Keeps a decision; a cycle is decided once."""
        self._decided.setdefault(
            decision.event_time_ns,
            JournaledDecision(decision=decision, held_contracts=held_contracts, completed=completed),
        )

    def complete(self, decision: Decision) -> None:
        """Marks a cycle as carried out, with its decision as it ended."""
        known = self._decided[decision.event_time_ns]
        self._decided[decision.event_time_ns] = JournaledDecision(
            decision=decision, held_contracts=known.held_contracts, completed=True
        )

    def get(self, bar_end_ns: int) -> JournaledDecision | None:
        """The decision of the cycle whose base bar ended then."""
        return self._decided.get(bar_end_ns)

    def count(self, reason: Reason, outcome: Outcome, cycles: int) -> None:
        """Cycles that ended at a gate, of which nothing else is kept."""
        if cycles:
            self._counted[outcome, reason] += cycles

    def decisions(self) -> tuple[Decision, ...]:
        """Those kept, in order of time."""
        return tuple(self._decided[moment].decision for moment in sorted(self._decided))

    def counts(self) -> DecisionCounts:
        """Totals, of those counted too."""
        outcomes: Counter[str] = Counter()
        refused: Counter[str] = Counter()
        signals = 0
        for (outcome, reason), cycles in self._counted.items():
            outcomes[outcome.value] += cycles
            refused[reason.value] += cycles
            signals += cycles * (outcome is Outcome.REFUSED)
        for known in self._decided.values():
            decision = known.decision
            outcomes[decision.outcome.value] += 1
            signals += decision.has_signal
            if decision.outcome in REFUSING and decision.reason is not None:
                refused[decision.reason.value] += 1
        return DecisionCounts(
            cycles=sum(outcomes.values()),
            signals=signals,
            approved=outcomes.get(Outcome.ENTERED.value, 0),
            outcomes=dict(outcomes),
            refused=dict(sorted(refused.items(), key=lambda item: (-item[1], item[0]))),
        )
