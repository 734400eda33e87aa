"""The record of one cycle: what was seen, what was proposed, what was decided and why."""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.features import EnsembleVector, EnsembleVote, StrategyReading
from mia_actors.core.market import Bar
from mia_actors.core.orders import Side


class Outcome(StrEnum):
    """How a cycle ended."""

    NO_SIGNAL = "no_signal"
    REFUSED = "refused"
    ENTERED = "entered"
    EXITED = "exited"
    HOLDING = "holding"


class Reason(StrEnum):
    """Every gate that can say no, one word each; a decision's `detail` quotes the numbers."""

    DATA_INTEGRITY = "data_integrity"
    ENTRY_TIMEFRAME_OPEN = "entry_timeframe_open"
    OUTSIDE_TRADING_HOURS = "outside_trading_hours"
    FEATURES_UNAVAILABLE = "features_unavailable"
    NO_STRATEGY_SIGNAL = "no_strategy_signal"
    STRATEGIES_DISAGREE = "strategies_disagree"
    CONFLUENCE_COVERAGE = "confluence_coverage"
    CONFLUENCE_TOO_LOW = "confluence_too_low"
    CONFIDENCE_TOO_LOW = "confidence_too_low"
    ENSEMBLE_REJECTED = "ensemble_rejected"
    ENSEMBLE_UNAVAILABLE = "ensemble_unavailable"
    RISK_REWARD_TOO_LOW = "risk_reward_too_low"
    STOP_TOO_WIDE = "stop_too_wide"
    SIZE_ZERO = "size_zero"
    TRADES_PER_DAY = "trades_per_day"
    ALLOCATION = "allocation"
    SESSION_SUSPENDED = "session_suspended"
    POSITION_OPEN = "position_open"
    GUARDIAN_REFUSED = "guardian_refused"
    BROKER_REJECTED = "broker_rejected"
    STALE_DECISION = "stale_decision"
    HOLDING_TIME_OVER = "holding_time_over"
    SESSION_ENDING = "session_ending"
    DRAINING = "draining"
    TRADED_BY_OTHERS = "traded_by_others"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetPosition:
    """Wanted net position, never a change; an entry always carries its protective prices."""

    target_id: str
    """The cycle's id: one target per cycle."""
    instrument: str
    decided_at_ns: int
    net_contracts: int
    """Signed: +2 is long two, 0 is flat."""
    stop_ticks: int | None
    """Absolute price of the protective stop; set whenever `net_contracts` is not 0."""
    target_ticks: int | None
    """Absolute price of the profit target; set whenever `net_contracts` is not 0."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A signal that passed every gate before the ensemble."""

    side: Side
    confluence: float
    """Relative to the side, in [0, 1]."""
    coverage: float
    """Share of the confluence weights whose inputs are available."""
    confidence: float
    vector: EnsembleVector
    stop_distance_ticks: int
    target_distance_ticks: int
    contracts: int
    gamma_phase: str
    size_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate that a cycle came to: what it found there and what the gate wanted."""

    reason: Reason
    """The word for a no at this gate."""
    found: str
    wanted: str
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Everything one cycle decided, refusals included; journaled before any of it is acted on."""

    cycle_id: str
    instrument: str
    event_time_ns: int
    outcome: Outcome
    reason: Reason | None
    """The gate that said no, or why a position was closed; None when entered."""
    detail: str
    bar: Bar
    readings: tuple[StrategyReading, ...] = ()
    proposal: Proposal | None = None
    vote: EnsembleVote | None = None
    target: TargetPosition | None = None
    gates: tuple[Gate, ...] = ()
    """The gates it came to, in order; the last one said no where it was refused."""
    notes: tuple[str, ...] = ()
    """Warnings about the data, which stop nothing."""

    @property
    def has_signal(self) -> bool:
        """True when at least one strategy called a side."""
        return any(reading.side is not None for reading in self.readings)
