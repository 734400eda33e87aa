"""The decision of one cycle: pure, in two steps around the ensemble. The same live and in a backtest.

Every "no" has a reason and a sentence with the value and the threshold used. Each context factor is applied
once: volatility widens the strategies' thresholds and the stop, the gamma phase scales the Kelly amount.
"""

from dataclasses import dataclass
from datetime import datetime, time

from mia_actors.core.calendar import is_regular_hours, new_york, on_day
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import Decision, Outcome, Proposal, Reason, TargetPosition
from mia_actors.core.features import EnsembleVote
from mia_actors.core.units import Product
from mia_actors.cycle.inputs import CycleInputs
from mia_actors.cycle.integrity import check_bar
from mia_actors.cycle.proposal import ProposalMaker
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.cycle.signal import find_signal
from mia_actors.cycle.trail import Trail

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
__all__ = ["Candidate", "CycleInputs", "DecisionCore", "DecisionSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A proposal that waits for the ensemble's vote."""

    proposal: Proposal
    trail: Trail


class DecisionCore:
    """Inputs in, decision out; holds only its settings."""

    def __init__(self, settings: DecisionSettings, product: Product) -> None:
        self._settings = settings
        self._product = product
        self._proposals = ProposalMaker(settings, product)

    def propose(self, inputs: CycleInputs) -> Decision | Candidate:
        """The decision, or a candidate for `conclude` once the ensemble has voted."""
        if inputs.traded_by_others:  # also when flat: what is left of the bracket would open a position
            said = (
                f"an execution that is not ours left {inputs.position_contracts:+d}: what is ours is closed"
            )
            return self._exit(inputs, Reason.TRADED_BY_OTHERS, said)
        trail = Trail()
        if not self._is_sound(inputs, trail):
            return self._no(inputs, trail)
        if inputs.position_contracts != 0:
            return self._holding(inputs, trail)
        if not self._is_open(inputs, trail):
            return self._no(inputs, trail)
        signal = find_signal(self._settings, inputs.features, inputs.bar.end_ns, trail)
        proposal = None if signal is None else self._proposals.make(inputs, signal, trail)
        return self._no(inputs, trail) if proposal is None else Candidate(proposal=proposal, trail=trail)

    def conclude(self, inputs: CycleInputs, candidate: Candidate, vote: EnsembleVote | None) -> Decision:
        """The decision on a candidate; no vote is a refusal."""
        proposal, trail = candidate.proposal, candidate.trail
        if vote is None or not self._is_approved(vote, trail):
            if vote is None:
                said = "no vote: nothing is approved"
                trail.passes(
                    Reason.ENSEMBLE_UNAVAILABLE, holds=False, found="no vote", wanted="one", detail=said
                )
            return self._no(inputs, trail, proposal, vote)
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
            readings=trail.readings,
            proposal=proposal,
            vote=vote,
            target=target,
            gates=tuple(trail.gates),
            notes=trail.notes,
        )

    def _is_sound(self, inputs: CycleInputs, trail: Trail) -> bool:
        bar = inputs.bar
        own = inputs.features.get(bar.timeframe)
        relative = own.relative_volume if own is not None and own.as_of_ns == bar.end_ns else None
        found = check_bar(self._product, bar, inputs.previous_bar, relative_volume=relative)
        trail.notes_down(found.warnings)
        return trail.passes(
            Reason.DATA_INTEGRITY,
            holds=not found.blocks,
            found=f"quality {found.quality:.2f}",
            wanted="nothing critical",
            detail="; ".join(found.critical),
        )

    def _holding(self, inputs: CycleInputs, trail: Trail) -> Decision:
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
        return self._record(inputs, Outcome.HOLDING, Reason.POSITION_OPEN, said, trail=trail)

    def _is_open(self, inputs: CycleInputs, trail: Trail) -> bool:
        """The session goes on, entries are decided at this hour, and this bar closes one of the entry timeframe."""
        settings = self._settings
        if inputs.draining:
            said = "the session is being ended"
            return trail.passes(
                Reason.DRAINING, holds=False, found="draining", wanted="a session", detail=said
            )
        local = new_york(inputs.bar.end_ns)
        until = on_day(settings.entries_until, local.date())
        when, window = _in_words(local), f"{_hour(settings.entries_from)} to {_hour(until)}"
        if not trail.passes(
            Reason.OUTSIDE_TRADING_HOURS,
            holds=is_regular_hours(inputs.bar.end_ns, settings.entries_from, until),
            found=when,
            wanted=f"entries from {window} on business days",
            detail=f"{when}: entries from {window} on business days",
        ):
            return False
        if not trail.passes(
            Reason.ENTRY_TIMEFRAME_OPEN,
            holds=settings.entry_timeframe in inputs.closed,
            found=f"{', '.join(inputs.closed) or 'nothing'} closed",
            wanted=f"a closed {settings.entry_timeframe} bar",
            detail=f"the {settings.entry_timeframe} bar is not closed",
        ):
            return False
        entry = inputs.features.get(settings.entry_timeframe)
        age_ns = inputs.bar.end_ns - entry.as_of_ns if entry is not None else 0
        return trail.passes(
            Reason.FEATURES_UNAVAILABLE,
            holds=age_ns <= settings.entry_timeframe.ns,  # a gap in the feed closes a bar late
            found=f"{settings.entry_timeframe} readings {age_ns // NS_PER_S} s old",
            wanted=f"at most {settings.entry_timeframe.seconds} s",
            detail=f"the {settings.entry_timeframe} readings are {age_ns // NS_PER_S} s old",
        )

    @staticmethod
    def _is_approved(vote: EnsembleVote, trail: Trail) -> bool:
        answered = bool(vote.p_good_by_model)
        return trail.passes(
            Reason.ENSEMBLE_REJECTED if answered else Reason.ENSEMBLE_UNAVAILABLE,
            holds=vote.approved,
            found=f"P(good) {vote.p_good:.3f} by {vote.model_version}"
            if answered
            else "no answer of the models",
            wanted=f"above {vote.threshold:.2f}",
            detail=vote.reason,
        )

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
        trail: Trail,
        proposal: Proposal | None = None,
        vote: EnsembleVote | None = None,
    ) -> Decision:
        """The last gate of the trail has said no."""
        signalled = any(reading.side is not None for reading in trail.readings)
        outcome = Outcome.REFUSED if signalled else Outcome.NO_SIGNAL
        reason = trail.gates[-1].reason
        return self._record(inputs, outcome, reason, trail.detail, trail=trail, proposal=proposal, vote=vote)

    def _record(
        self,
        inputs: CycleInputs,
        outcome: Outcome,
        reason: Reason,
        detail: str,
        *,
        trail: Trail | None = None,
        proposal: Proposal | None = None,
        vote: EnsembleVote | None = None,
        target: TargetPosition | None = None,
    ) -> Decision:
        trail = trail or Trail()
        return Decision(
            cycle_id=inputs.cycle_id,
            instrument=inputs.bar.instrument,
            event_time_ns=inputs.bar.end_ns,
            outcome=outcome,
            reason=reason,
            detail=detail,
            bar=inputs.bar,
            readings=trail.readings,
            proposal=proposal,
            vote=vote,
            target=target,
            gates=tuple(trail.gates),
            notes=trail.notes,
        )


def _hour(moment: time | datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


def _in_words(local: datetime) -> str:
    return f"{WEEKDAYS[local.weekday()]} {_hour(local)} New York"
