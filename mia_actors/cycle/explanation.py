"""Why a cycle ended as it did (domain section 17), from its stored decision alone: nothing is computed again."""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.decisions import Decision, Outcome, Reason


class Severity(StrEnum):
    """What a line did to the cycle."""

    BLOCKING = "blocking"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that the cycle looked at."""

    title: str
    """In words."""
    reason: str
    """The gate's word in counts and filters; empty where it is no gate."""
    current: str
    required: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision in words and lines."""

    cycle_id: str
    event_time_ns: int
    outcome: str
    headline: str
    lines: tuple[Line, ...]
    """Gates in the order they were met, then strategies, models and warnings about the data."""


TITLES = {
    Reason.DATA_INTEGRITY: "data",
    Reason.OUTSIDE_TRADING_HOURS: "trading hours",
    Reason.ENTRY_TIMEFRAME_OPEN: "entry bar",
    Reason.FEATURES_UNAVAILABLE: "readings",
    Reason.NO_STRATEGY_SIGNAL: "a strategy's signal",
    Reason.STRATEGIES_DISAGREE: "agreement",
    Reason.CONFLUENCE_COVERAGE: "coverage",
    Reason.CONFLUENCE_TOO_LOW: "confluence",
    Reason.SESSION_SUSPENDED: "session",
    Reason.CONFIDENCE_TOO_LOW: "confidence",
    Reason.TRADES_PER_DAY: "entries of the day",
    Reason.STOP_TOO_WIDE: "stop",
    Reason.RISK_REWARD_TOO_LOW: "reward over risk",
    Reason.SIZE_ZERO: "size",
    Reason.ALLOCATION: "allocation",
    Reason.ENSEMBLE_REJECTED: "ensemble",
    Reason.ENSEMBLE_UNAVAILABLE: "ensemble",
}
"""What a gate looks at; its reason is the word for a no."""
VERBS = {
    Outcome.NO_SIGNAL: "no signal",
    Outcome.REFUSED: "refused",
    Outcome.ENTERED: "entered",
    Outcome.EXITED: "closed",
    Outcome.HOLDING: "held",
}


def explain(decision: Decision) -> Explanation:
    """Every gate with what it found and wanted, what each strategy and model said, and what was wrong with the data."""
    reason = f", {decision.reason.value.replace('_', ' ')}" if decision.reason else ""
    return Explanation(
        cycle_id=decision.cycle_id,
        event_time_ns=decision.event_time_ns,
        outcome=decision.outcome.value,
        headline=f"{VERBS[decision.outcome]}{reason}: {decision.detail}",
        lines=(*_gates(decision), *_strategies(decision), *_models(decision), *_notes(decision)),
    )


def _title(reason: Reason) -> str:
    return TITLES.get(reason, reason.value.replace("_", " "))


def _gates(decision: Decision) -> tuple[Line, ...]:
    lines = [
        Line(
            title=_title(gate.reason),
            reason=gate.reason.value,
            current=gate.found,
            required=gate.wanted,
            severity=Severity.INFO if gate.passed else Severity.BLOCKING,
        )
        for gate in decision.gates
    ]
    blocked = any(line.severity is Severity.BLOCKING for line in lines)
    if decision.outcome is Outcome.REFUSED and decision.reason is not None and not blocked:
        # Decided as an entry, and refused afterwards by the guardian, the executor or the broker.
        lines.append(
            Line(
                title=_title(decision.reason),
                reason=decision.reason.value,
                current=decision.detail,
                required="permit and acknowledgement",
                severity=Severity.BLOCKING,
            )
        )
    return tuple(lines)


def _strategies(decision: Decision) -> tuple[Line, ...]:
    return tuple(
        Line(
            title=f"strategy {reading.strategy}",
            reason="",
            current=reading.reason,
            required=f"beyond ±{reading.threshold:.2f}",
            severity=Severity.INFO if reading.available else Severity.WARNING,
        )
        for reading in decision.readings
    )


def _models(decision: Decision) -> tuple[Line, ...]:
    vote = decision.vote
    if vote is None:
        return ()
    return tuple(
        Line(
            title=f"model {name}",
            reason="",
            current=f"P(good) {p_good:.3f}",
            required=f"weighted mean above {vote.threshold:.2f}",
            severity=Severity.INFO,
        )
        for name, p_good in vote.p_good_by_model
    )


def _notes(decision: Decision) -> tuple[Line, ...]:
    return tuple(
        Line(title="data", reason="", current=note, required="nothing unusual", severity=Severity.WARNING)
        for note in decision.notes
    )
