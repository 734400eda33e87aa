"""The decision of one cycle: pure, in two steps around the ensemble. The same live and in a backtest.

Every "no" has a reason and a sentence with the value and the threshold used. Each context factor is applied
once: volatility widens the strategies' thresholds and the stop, the gamma phase scales the Kelly amount.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mia_actors.core.calendar import is_regular_hours, new_york, on_day
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import Decision, Outcome, Proposal, Reason, TargetPosition
from mia_actors.core.features import EnsembleVote, StrategyReading, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.orders import Side
from mia_actors.core.tradebook import ClosedTrade, OpenTrade
from mia_actors.core.units import Product
from mia_actors.cycle.confidence import confidence
from mia_actors.cycle.ensemble_vector import ensemble_vector
from mia_actors.cycle.integrity import check_bar
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.risk.brackets import Bracket, bracket
from mia_actors.risk.gamma import gamma_cycle
from mia_actors.risk.sizing import size
from mia_actors.strategies.confluence import ConfluenceReading, confluence
from mia_actors.strategies.registry import evaluate_strategies

__all__ = ["Candidate", "CycleInputs", "DecisionCore", "DecisionSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleInputs:
    """Everything a decision may look at; all of it is a function of journaled facts up to the bar's end."""

    cycle_id: str
    bar: Bar
    previous_bar: Bar | None
    features: Mapping[Timeframe, TimeframeFeatures]
    closed: tuple[Timeframe, ...]
    """Timeframes that closed a bar with this one."""
    position_contracts: int
    open_trade: OpenTrade | None
    closed_trades: Sequence[ClosedTrade]
    entries_today: int
    equity_usd: Decimal
    day_pnl_usd: Decimal
    draining: bool
    traded_by_others: bool
    """Somebody else's execution changed this system's position within the bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A proposal that waits for the ensemble's vote."""

    readings: tuple[StrategyReading, ...]
    proposal: Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A side the strategies agree on, and what supports it."""

    side: Side
    readings: tuple[StrategyReading, ...]
    support: float
    """Confluence relative to the side, in [0, 1]."""
    coverage: float


class DecisionCore:
    """Inputs in, decision out; holds only its settings."""

    def __init__(self, settings: DecisionSettings, product: Product) -> None:
        self._settings = settings
        self._product = product

    def propose(self, inputs: CycleInputs) -> Decision | Candidate:
        """The decision, or a candidate for `conclude` once the ensemble has voted."""
        if inputs.traded_by_others:  # also when flat: what is left of the bracket would open a position
            said = (
                f"an execution that is not ours left {inputs.position_contracts:+d}: what is ours is closed"
            )
            return self._exit(inputs, Reason.TRADED_BY_OTHERS, said)
        integrity = check_bar(self._product, inputs.bar, inputs.previous_bar)
        if integrity.blocks:
            return self._no(inputs, Reason.DATA_INTEGRITY, "; ".join(integrity.critical))
        if inputs.position_contracts != 0:
            return self._holding(inputs)
        early = self._closed_gate(inputs)
        if early is not None:
            return early
        signal = self.signal(inputs.features)
        if not isinstance(signal, Signal):
            reason, detail, readings = signal
            return self._no(inputs, reason, detail, readings)
        return self._candidate(inputs, signal)

    def conclude(self, inputs: CycleInputs, candidate: Candidate, vote: EnsembleVote | None) -> Decision:
        """The decision on a candidate; no vote is a refusal."""
        proposal, readings = candidate.proposal, candidate.readings
        if vote is None:
            return self._no(
                inputs, Reason.ENSEMBLE_UNAVAILABLE, "no vote: nothing is approved", readings, proposal
            )
        if not vote.approved:
            unavailable = not vote.p_good_by_model
            reason = Reason.ENSEMBLE_UNAVAILABLE if unavailable else Reason.ENSEMBLE_REJECTED
            return self._no(inputs, reason, vote.reason, readings, proposal, vote)
        sign = proposal.side.sign
        close = inputs.bar.close_ticks
        target = TargetPosition(
            target_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            decided_at_ns=inputs.bar.end_ns,
            net_contracts=sign * proposal.contracts,
            stop_ticks=close - sign * proposal.stop_distance_ticks,
            target_ticks=close + sign * proposal.target_distance_ticks,
            reason=vote.reason,
        )
        return Decision(
            cycle_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            event_time_ns=inputs.bar.end_ns,
            outcome=Outcome.ENTERED,
            reason=None,
            detail=(
                f"{proposal.side.value} {proposal.contracts}: confluence {proposal.confluence:.3f}, "
                f"confidence {proposal.confidence:.3f}, P(good) {vote.p_good:.3f} > {vote.threshold:.2f}; "
                f"stop {proposal.stop_distance_ticks}, target {proposal.target_distance_ticks} ticks"
            ),
            bar=inputs.bar,
            readings=readings,
            proposal=proposal,
            vote=vote,
            target=target,
        )

    def signal(
        self, features: Mapping[Timeframe, TimeframeFeatures]
    ) -> Signal | tuple[Reason, str, tuple[StrategyReading, ...]]:
        """The side the strategies agree on with enough confluence, or the gate that says no."""
        settings = self._settings
        if features.get(settings.entry_timeframe) is None:
            return (Reason.FEATURES_UNAVAILABLE, f"no closed {settings.entry_timeframe} bar yet", ())
        readings = evaluate_strategies(settings.strategies, features, settings.entry_timeframe)
        sides = [reading.side for reading in readings if reading.side is not None]
        if not sides:
            said = "; ".join(f"{reading.strategy}: {reading.reason}" for reading in readings)
            return (Reason.NO_STRATEGY_SIGNAL, said, readings)
        if len(set(sides)) > 1 or len(sides) < settings.strategies_agree_min:
            calls = ", ".join(f"{reading.strategy} {reading.side}" for reading in readings if reading.side)
            said = f"{calls}: {settings.strategies_agree_min} on one side needed, none on the other"
            return (Reason.STRATEGIES_DISAGREE, said, readings)
        found = confluence(features, settings.entry_timeframe, readings)
        if found.coverage < settings.confluence_coverage_min:
            said = f"coverage {found.coverage:.2f}, at least {settings.confluence_coverage_min:.2f} needed"
            return (Reason.CONFLUENCE_COVERAGE, said, readings)
        side = sides[0]
        support = relative(found, side)
        if support < settings.confluence_min:
            said = f"confluence {support:.3f} for {side}, at least {settings.confluence_min:.2f} needed"
            return (Reason.CONFLUENCE_TOO_LOW, said, readings)
        return Signal(side=side, readings=readings, support=support, coverage=found.coverage)

    def _holding(self, inputs: CycleInputs) -> Decision:
        """An open position: its bracket works at the broker; here only time and drain end it."""
        trade = inputs.open_trade
        held_ns = inputs.bar.end_ns - trade.opened_at_ns if trade else 0
        limit_ns = self._settings.holding_minutes_max * 60 * NS_PER_S
        moment = new_york(inputs.bar.end_ns)
        local, flat_by = moment.time(), on_day(self._settings.flat_by, moment.date())
        if inputs.draining:
            return self._exit(inputs, Reason.DRAINING, "the session is being ended")
        if local >= flat_by or local < self._settings.entries_from:
            said = f"{local:%H:%M} New York: flat from {flat_by:%H:%M} on"
            return self._exit(inputs, Reason.SESSION_ENDING, said)
        if held_ns >= limit_ns:
            said = f"held {held_ns // (60 * NS_PER_S)} minutes, at most {self._settings.holding_minutes_max}"
            return self._exit(inputs, Reason.HOLDING_TIME_OVER, said)
        said = f"holding {inputs.position_contracts:+d}; stop and target work at the broker"
        return self._record(inputs, Outcome.HOLDING, Reason.POSITION_OPEN, said)

    def _closed_gate(self, inputs: CycleInputs) -> Decision | None:
        settings = self._settings
        if inputs.draining:
            return self._no(inputs, Reason.DRAINING, "the session is being ended")
        local = new_york(inputs.bar.end_ns)
        until = on_day(settings.entries_until, local.date())
        if not is_regular_hours(inputs.bar.end_ns, settings.entries_from, until):
            window = f"{settings.entries_from:%H:%M} to {until:%H:%M}"
            said = f"{local:%a %H:%M} New York: entries from {window} on business days"
            return self._no(inputs, Reason.OUTSIDE_TRADING_HOURS, said)
        if settings.entry_timeframe not in inputs.closed:
            return self._no(
                inputs, Reason.ENTRY_TIMEFRAME_OPEN, f"the {settings.entry_timeframe} bar is not closed"
            )
        entry = inputs.features.get(settings.entry_timeframe)
        age_ns = inputs.bar.end_ns - entry.as_of_ns if entry is not None else 0
        if age_ns > settings.entry_timeframe.ns:  # a gap in the feed closed the bar late
            said = f"the {settings.entry_timeframe} readings are {age_ns // NS_PER_S} s old"
            return self._no(inputs, Reason.FEATURES_UNAVAILABLE, said)
        return None

    def _candidate(self, inputs: CycleInputs, signal: Signal) -> Decision | Candidate:
        settings, side = self._settings, signal.side
        entry = inputs.features[settings.entry_timeframe]
        vector = ensemble_vector(
            inputs.features,
            settings.entry_timeframe,
            signal.readings,
            side=side,
            confluence=signal.support,
            event_time_ns=inputs.bar.end_ns,
        )
        if vector is None:
            said = "an input of the ensemble is unavailable"
            return self._no(inputs, Reason.FEATURES_UNAVAILABLE, said, signal.readings)
        sure = confidence(inputs.features, settings.entry_timeframe, signal.readings, side, signal.support)
        if sure < settings.confidence_min:
            said = f"confidence {sure:.3f}, at least {settings.confidence_min:.2f} needed"
            return self._no(inputs, Reason.CONFIDENCE_TOO_LOW, said, signal.readings)
        if inputs.entries_today >= settings.trades_per_day_max:
            said = f"{inputs.entries_today} entries today, at most {settings.trades_per_day_max}"
            return self._no(inputs, Reason.TRADES_PER_DAY, said, signal.readings)
        distances = bracket(entry, side, signal.support)
        refusal = self._bracket_refusal(distances)
        if refusal is not None:
            return self._no(inputs, *refusal, signal.readings)
        gamma = gamma_cycle(inputs.bar.end_ns)
        wanted = size(
            settings.risk,
            self._product,
            stop_ticks=distances.stop_ticks,
            equity_usd=inputs.equity_usd,
            day_pnl_usd=inputs.day_pnl_usd,
            results_usd=[trade.net_usd / trade.quantity for trade in inputs.closed_trades],
            gamma=gamma,
            volatility=entry.volatility_regime or VolatilityRegime.NORMAL,
        )
        if wanted.contracts == 0:
            return self._no(inputs, Reason.SIZE_ZERO, wanted.reason, signal.readings)
        return Candidate(
            readings=signal.readings,
            proposal=Proposal(
                side=side,
                confluence=signal.support,
                coverage=signal.coverage,
                confidence=sure,
                vector=vector,
                stop_distance_ticks=distances.stop_ticks,
                target_distance_ticks=distances.target_ticks,
                contracts=wanted.contracts,
                gamma_phase=gamma.phase.value,
                size_reason=wanted.reason,
            ),
        )

    def _bracket_refusal(self, found: Bracket) -> tuple[Reason, str] | None:
        if found.stop_ticks > self._settings.stop_ticks_max:
            said = f"stop {found.stop_ticks} ticks, at most {self._settings.stop_ticks_max}"
            return (Reason.STOP_TOO_WIDE, said)
        if found.reward_over_risk < self._settings.risk_reward_min:
            said = f"reward over risk {found.reward_over_risk:.2f}, at least {self._settings.risk_reward_min}"
            return (Reason.RISK_REWARD_TOO_LOW, said)
        return None

    def _exit(self, inputs: CycleInputs, reason: Reason, detail: str) -> Decision:
        target = TargetPosition(
            target_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            decided_at_ns=inputs.bar.end_ns,
            net_contracts=0,
            stop_ticks=None,
            target_ticks=None,
            reason=detail,
        )
        return self._record(inputs, Outcome.EXITED, reason, detail, target=target)

    def _no(
        self,
        inputs: CycleInputs,
        reason: Reason,
        detail: str,
        readings: tuple[StrategyReading, ...] = (),
        proposal: Proposal | None = None,
        vote: EnsembleVote | None = None,
    ) -> Decision:
        signalled = any(reading.side is not None for reading in readings)
        outcome = Outcome.REFUSED if signalled else Outcome.NO_SIGNAL
        return self._record(inputs, outcome, reason, detail, readings=readings, proposal=proposal, vote=vote)

    def _record(
        self,
        inputs: CycleInputs,
        outcome: Outcome,
        reason: Reason,
        detail: str,
        *,
        readings: tuple[StrategyReading, ...] = (),
        proposal: Proposal | None = None,
        vote: EnsembleVote | None = None,
        target: TargetPosition | None = None,
    ) -> Decision:
        return Decision(
            cycle_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            event_time_ns=inputs.bar.end_ns,
            outcome=outcome,
            reason=reason,
            detail=detail,
            bar=inputs.bar,
            readings=readings,
            proposal=proposal,
            vote=vote,
            target=target,
        )


def relative(found: ConfluenceReading, side: Side) -> float:
    """Confluence relative to a side, in [0, 1]; 0.5 is neutral."""
    return (side.sign * found.value + 1) / 2
