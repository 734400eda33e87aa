"""From a signal to a proposal: session, confidence, number of entries, stop and target, size, allocation. Pure."""

from mia_actors.core.decisions import Proposal, Reason
from mia_actors.core.features import TimeframeFeatures, VolatilityRegime
from mia_actors.core.units import Product
from mia_actors.cycle.confidence import confidence
from mia_actors.cycle.ensemble_vector import ensemble_vector
from mia_actors.cycle.inputs import CycleInputs
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.cycle.signal import Signal
from mia_actors.cycle.trail import Trail
from mia_actors.risk.allocation import allowed_contracts
from mia_actors.risk.brackets import Bracket, bracket, planned
from mia_actors.risk.gamma import gamma_cycle
from mia_actors.risk.session_context import SessionContext, session_context
from mia_actors.risk.sizing import size


class ProposalMaker:
    """The gates between a signal and the ensemble, in their order; holds only its settings."""

    def __init__(self, settings: DecisionSettings, product: Product) -> None:
        self._settings = settings
        self._product = product

    def make(self, inputs: CycleInputs, signal: Signal, trail: Trail) -> Proposal | None:
        """The proposal on a signal, or None where a gate of the trail says no."""
        settings, side = self._settings, signal.side
        entry = inputs.features[settings.entry_timeframe]
        context = self._session(inputs, entry, trail)
        if context is not None and context.is_suspended:
            return None
        vector = ensemble_vector(
            inputs.features,
            settings.entry_timeframe,
            signal.context,
            side=side,
            confluence=signal.support,
            event_time_ns=inputs.bar.end_ns,
        )
        if vector is None or entry.market_regime is None:
            said = "an input of the ensemble or of the stop is unavailable"
            trail.passes(
                Reason.FEATURES_UNAVAILABLE, holds=False, found=said, wanted="all eight", detail=said
            )
            return None
        sure = confidence(inputs.features, settings.entry_timeframe, signal.readings, side, signal.support)
        distances = self._distances(entry, signal)
        if not (
            self._is_sure(sure, context, trail)
            and self._is_within_number(inputs, trail)
            and self._fits(distances, trail)
        ):
            return None
        contracts, reason = self._size(inputs, signal, distances, context, trail)
        if contracts == 0:
            return None
        return Proposal(
            side=side,
            confluence=signal.support,
            coverage=signal.coverage,
            confidence=sure,
            vector=vector,
            stop_distance_ticks=distances.stop_ticks,
            target_distance_ticks=distances.target_ticks,
            contracts=contracts,
            gamma_phase=gamma_cycle(inputs.bar.end_ns).phase.value,
            size_reason=reason,
        )

    def _session(self, inputs: CycleInputs, entry: TimeframeFeatures, trail: Trail) -> SessionContext | None:
        if not self._settings.session_context:
            return None
        reaches = [one.session_range_ticks for one in inputs.features.values() if one.session_range_ticks]
        found = session_context(inputs.bar.end_ns, entry, max(reaches, default=None))
        trail.passes(
            Reason.SESSION_SUSPENDED,
            holds=not found.is_suspended,
            found=found.reason,
            wanted="a session fit to trade",
            detail=f"suspended: {found.reason}",
        )
        return found

    def _is_sure(self, sure: float, context: SessionContext | None, trail: Trail) -> bool:
        least = self._settings.confidence_min if context is None else context.threshold
        return trail.passes(
            Reason.CONFIDENCE_TOO_LOW,
            holds=sure >= least,
            found=f"confidence {sure:.3f}",
            wanted=f"at least {least:.2f}",
        )

    def _is_within_number(self, inputs: CycleInputs, trail: Trail) -> bool:
        count, most = len(inputs.entries_today), self._settings.trades_per_day_max
        return trail.passes(
            Reason.TRADES_PER_DAY,
            holds=count < most,
            found=f"{count} entries today",
            wanted=f"fewer than {most}",
            detail=f"{count} entries today, at most {most}",
        )

    def _distances(self, entry: TimeframeFeatures, signal: Signal) -> Bracket:
        plans = (reading.plan for reading in signal.calling if reading.plan)
        return planned(bracket(entry, signal.side, signal.support), plans)

    def _fits(self, found: Bracket, trail: Trail) -> bool:
        widest, least = self._settings.stop_ticks_max, self._settings.risk_reward_min
        return trail.passes(
            Reason.STOP_TOO_WIDE,
            holds=found.stop_ticks <= widest,
            found=f"stop {found.stop_ticks} ticks",
            wanted=f"at most {widest}",
            detail=f"stop {found.stop_ticks} ticks, at most {widest}",
        ) and trail.passes(
            Reason.RISK_REWARD_TOO_LOW,
            holds=found.reward_over_risk >= least,
            found=f"reward over risk {found.reward_over_risk:.2f}",
            wanted=f"at least {least}",
            detail=f"reward over risk {found.reward_over_risk:.2f}, at least {least}",
        )

    def _size(
        self,
        inputs: CycleInputs,
        signal: Signal,
        distances: Bracket,
        context: SessionContext | None,
        trail: Trail,
    ) -> tuple[int, str]:
        entry = inputs.features[self._settings.entry_timeframe]
        wanted = size(
            self._settings.risk,
            self._product,
            stop_ticks=distances.stop_ticks,
            equity_usd=inputs.equity_usd,
            day_pnl_usd=inputs.day_pnl_usd,
            results_usd=[trade.net_usd / trade.quantity for trade in inputs.closed_trades],
            gamma=gamma_cycle(inputs.bar.end_ns),
            volatility=entry.volatility_regime or VolatilityRegime.NORMAL,
            session=context,
        )
        if not trail.passes(
            Reason.SIZE_ZERO,
            holds=wanted.contracts > 0,
            found=f"{wanted.contracts} contracts",
            wanted="at least 1",
            detail=wanted.reason,
        ):
            return 0, wanted.reason
        if not self._settings.allocation:
            return wanted.contracts, wanted.reason
        room = allowed_contracts(
            self._settings.allocation,
            daily_allowance_usd=self._settings.risk.daily_allowance_usd,
            entries_today=inputs.entries_today,
            calling=[reading.strategy for reading in signal.calling],
            contract_risk_usd=self._product.usd_of(distances.stop_ticks),
        )
        contracts = wanted.contracts if room.contracts is None else min(wanted.contracts, room.contracts)
        trail.passes(
            Reason.ALLOCATION, holds=contracts > 0, found=room.reason, wanted="room for 1", detail=room.reason
        )
        return contracts, f"{wanted.reason}; {room.reason}"
