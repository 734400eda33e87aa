"""The cycle engine: folds bars and fills, decides, journals, carries out; live and in a backtest.

Guarantees:
- a cycle is decided once; its decision is journaled before it is acted on;
- after a crash at any instruction the next engine over the same journals continues with the same answers;
- everything it decides on is a function of the journaled bars, fills and decisions up to the bar's end.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Protocol

from mia_actors.core.decisions import Decision, Outcome, Reason, TargetPosition
from mia_actors.core.features import EnsembleVector, EnsembleVote, TimeframeFeatures
from mia_actors.core.ids import cycle_id
from mia_actors.core.market import FEATURE_TIMEFRAMES, Bar, Timeframe, timeframes_closed_by
from mia_actors.core.orders import Fill
from mia_actors.core.ownership import is_own
from mia_actors.core.trade_date import trade_date
from mia_actors.core.tradebook import TradeBook
from mia_actors.core.units import Product
from mia_actors.cycle.decision import Candidate, CycleInputs, DecisionCore
from mia_actors.execution.messages import Applied, AppliedStatus
from mia_actors.risk.allocation import Entry
from mia_actors.store.decision_journal import DecisionJournal, JournaledDecision
from mia_actors.telemetry import conventions, tracing


class Stages(Protocol):
    """The stages of a cycle: actors live, plain calls in a backtest."""

    def features_at(
        self, timeframes: tuple[Timeframe, ...], end_ns: int
    ) -> Mapping[Timeframe, TimeframeFeatures | None]:
        """Features of each timeframe as of its last bar closed at or before `end_ns`."""
        ...

    def vote(self, vector: EnsembleVector, event_time_ns: int) -> EnsembleVote | None:
        """The ensemble's answer to what is decided at an event time; None when there is none to be had."""
        ...

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        """Carries out a target, exactly once."""
        ...


class Journal(Protocol):
    """Where decisions are kept before they are acted on."""

    def get(self, bar_end_ns: int) -> JournaledDecision | None:
        """The decision of the cycle whose base bar ended then."""
        ...

    def add(self, decision: Decision, *, held_contracts: int, completed: bool) -> None:
        """Keeps a decision; a repeat changes nothing."""
        ...

    def complete(self, decision: Decision) -> None:
        """Marks a cycle as carried out, with its decision as it ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedBar:
    """A closed base bar and the executions that happened in it."""

    bar: Bar
    previous: Bar | None
    fills: tuple[Fill, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a session stood when an engine was built over its journals."""

    fills: tuple[Fill, ...]
    """All executions up to the end of the last decided bar."""
    entries: tuple[Entry, ...]
    """What was entered, in order of time."""


class CycleEngine:
    """Runs one cycle per closed base bar. One caller at a time."""

    def __init__(
        self,
        *,
        core: DecisionCore,
        stages: Stages,
        journal: Journal,
        product: Product,
        starting_equity_usd: Decimal,
        progress: Progress,
    ) -> None:
        self._core = core
        self._stages = stages
        self._journal = journal
        self._product = product
        self._starting_equity_usd = starting_equity_usd
        self._book = TradeBook.of(product, progress.fills)
        self._entries = list(progress.entries)
        self._features: dict[Timeframe, TimeframeFeatures] = {}
        self._features_complete = False
        self._day: date | None = None
        self._day_start_usd = Decimal(0)
        self._draining = False
        self.drained = False
        """A whole cycle found the position flat after draining began: nothing of ours can be filled any more."""
        self._fills = {fill.exec_id: fill for fill in progress.fills}

    @property
    def position_contracts(self) -> int:
        """Net position by the fills folded so far."""
        return self._book.position_contracts

    def entries_on(self, day: date) -> tuple[Entry, ...]:
        """Entries decided on a trade date."""
        return tuple(entry for entry in self._entries if trade_date(entry.event_time_ns - 1) == day)

    def pass_over(self) -> None:
        """Bars are left out whose cycles would have been refused: the next one asks for all features."""
        self._features_complete = False

    def drain(self) -> None:
        """From the next cycle on: no entries, an open position is closed."""
        self._draining = True

    def run(self, closed: ClosedBar) -> Decision:
        """Runs the cycle of one bar to its end, or finds that it was run already.

        Raises:
            TransientError: a stage stayed away longer than its limit; run the same bar again later.
        """
        bar = closed.bar
        with tracing.span(
            conventions.SPAN_CYCLE,
            attributes={
                conventions.CYCLE_ID: cycle_id(bar.instrument, bar.end_ns),
                conventions.INSTRUMENT: bar.instrument,
            },
        ) as span:
            self._fold(closed)
            self.drained = self._draining and self._book.position_contracts == 0
            known = self._journal.get(bar.end_ns)
            span.set_attribute(conventions.CYCLE_RESUMED, known is not None)
            decision = self._resume(known) if known else self._decide_and_act(closed)
            span.set_attribute(conventions.CYCLE_OUTCOME, decision.outcome.value)
            span.set_attribute(conventions.CYCLE_REASON, decision.reason.value if decision.reason else "")
        return decision

    def _fold(self, closed: ClosedBar) -> None:
        day = trade_date(closed.bar.start_ns)
        if day != self._day:
            self._day = day
            self._day_start_usd = self._realized_before(closed)
        for fill in closed.fills:
            self._book.add(fill)
            self._fills[fill.exec_id] = fill

    def _realized_before(self, closed: ClosedBar) -> Decimal:
        day = trade_date(closed.bar.start_ns)
        earlier = [fill for fill in self._fills.values() if trade_date(fill.event_time_ns - 1) < day]
        return TradeBook.of(self._product, earlier).realized_usd

    def _resume(self, known: JournaledDecision) -> Decision:
        if known.completed:
            return known.decision
        return self._act(known.decision, known.held_contracts)

    def _decide_and_act(self, closed: ClosedBar) -> Decision:
        held = self._book.position_contracts
        decision = self._decide(closed)
        with tracing.span(conventions.SPAN_JOURNAL):
            self._journal.add(decision, held_contracts=held, completed=decision.target is None)
        return decision if decision.target is None else self._act(decision, held)

    def _decide(self, closed: ClosedBar) -> Decision:
        inputs = self._inputs(closed)
        with tracing.span(conventions.SPAN_PROPOSE):
            proposed = self._core.propose(inputs)
        if not isinstance(proposed, Candidate):
            return proposed
        with tracing.span(conventions.SPAN_VOTE):
            vote = self._stages.vote(proposed.proposal.vector, closed.bar.end_ns)
        return self._core.conclude(inputs, proposed, vote)

    def _inputs(self, closed: ClosedBar) -> CycleInputs:
        bar = closed.bar
        closing = timeframes_closed_by(closed.previous.start_ns if closed.previous else None, bar)
        wanted = closing if self._features_complete else _timeframes_from(bar.timeframe)
        with tracing.span(conventions.SPAN_GET_FEATURES):
            fresh = self._stages.features_at(wanted, bar.end_ns) if wanted else {}
        self._features_complete = True
        self._features.update({frame: found for frame, found in fresh.items() if found is not None})
        unrealized = self._book.unrealized_usd(bar.close_ticks)
        total = self._book.realized_usd + unrealized
        return CycleInputs(
            cycle_id=cycle_id(bar.instrument, bar.end_ns),
            bar=bar,
            previous_bar=closed.previous,
            features=dict(self._features),
            closed=closing,
            position_contracts=self._book.position_contracts,
            open_trade=self._book.open_trade,
            closed_trades=self._book.closed_trades,
            entries_today=self.entries_on(trade_date(bar.start_ns)),
            equity_usd=self._starting_equity_usd + total,
            day_pnl_usd=total - self._day_start_usd,
            draining=self._draining,
            traded_by_others=any(not is_own(fill.order_ref) for fill in closed.fills),
        )

    def _act(self, decision: Decision, held_contracts: int) -> Decision:
        target = decision.target
        if target is None:
            return decision
        with tracing.span(conventions.SPAN_APPLY_TARGET):
            applied = self._stages.apply(target, held_contracts)
        ended = _as_ended(decision, applied)
        if ended.outcome is Outcome.ENTERED:
            self._entries.append(entry_of(ended, self._product))
        self._journal.complete(ended)
        return ended


def _timeframes_from(base: Timeframe) -> tuple[Timeframe, ...]:
    return tuple(frame for frame in FEATURE_TIMEFRAMES if frame.ns >= base.ns)


def _as_ended(decision: Decision, applied: Applied) -> Decision:
    """The decision as it ended: what was not sent was not entered, and says why."""
    if decision.outcome is not Outcome.ENTERED or applied.status is AppliedStatus.SENT:
        return decision
    reason = {
        AppliedStatus.REJECTED: Reason.BROKER_REJECTED,
        AppliedStatus.EXPIRED: Reason.STALE_DECISION,
    }.get(applied.status, Reason.GUARDIAN_REFUSED)
    return replace(decision, outcome=Outcome.REFUSED, reason=reason, detail=applied.detail)


def progress_from(journal: DecisionJournal, fills: tuple[Fill, ...], product: Product) -> Progress:
    """What an engine needs to continue a session: its executions and its entries."""
    entered = journal.decisions(outcome=Outcome.ENTERED.value)
    return Progress(
        fills=fills,
        entries=tuple(entry_of(row.decision, product) for row in entered if row.completed),
    )


def entry_of(decision: Decision, product: Product) -> Entry:
    """What an entry put at risk, and for whom."""
    proposal = decision.proposal
    risk_usd = product.usd_of(proposal.stop_distance_ticks) * proposal.contracts if proposal else Decimal(0)
    return Entry(
        event_time_ns=decision.event_time_ns,
        strategies=tuple(
            reading.strategy for reading in decision.readings if proposal and reading.side is proposal.side
        ),
        risk_usd=risk_usd,
    )
