"""The backtest: the same engine, executor, guardian and matching as a live lockstep session, in one process.

Its ledger is byte-identical to that session's. What differs is only what carries the messages: plain calls
here, actors and a socket there.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import TargetPosition
from mia_actors.core.features import EnsembleVector, EnsembleVote, TimeframeFeatures
from mia_actors.core.ledger import Ledger, build_ledger
from mia_actors.core.market import FEATURE_TIMEFRAMES, Bar, Timeframe
from mia_actors.core.orders import Fill
from mia_actors.core.tradebook import ClosedTrade, TradeBook
from mia_actors.core.units import Product, product
from mia_actors.cycle.decision import DecisionCore, DecisionSettings
from mia_actors.cycle.engine import ClosedBar, CycleEngine, Progress
from mia_actors.exchange.desk import ExchangeDesk
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import Tape
from mia_actors.execution.executor import Executor
from mia_actors.execution.journal import SCHEMA as ORDERS_SCHEMA
from mia_actors.execution.journal import OrderJournal
from mia_actors.execution.messages import Applied
from mia_actors.features.stream import FeatureStream
from mia_actors.guardian.in_process import InProcessGuardian
from mia_actors.guardian.limits import HISTORY_S, GuardianSettings
from mia_actors.store.decision_journal import SCHEMA as DECISIONS_SCHEMA
from mia_actors.store.decision_journal import DecisionCounts, DecisionJournal

Voter = Callable[[EnsembleVector], EnsembleVote | None]
SEND_ATTEMPTS = 1
ENTRY_AGE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    """What a backtest did."""

    instrument: str
    bars: int
    ledger: Ledger
    trades: tuple[ClosedTrade, ...]
    fills: tuple[Fill, ...]
    counts: DecisionCounts
    final_position: int
    halted: bool


class InProcessStages:
    """The stages of a cycle as plain calls."""

    def __init__(self, base: Timeframe, voter: Voter) -> None:
        self._streams = {frame: FeatureStream(frame) for frame in FEATURE_TIMEFRAMES if frame.ns >= base.ns}
        self._voter = voter
        self.executor: Executor | None = None

    def feed(self, bar: Bar) -> None:
        """The next base bar, warm-up or session."""
        for stream in self._streams.values():
            stream.feed(bar)

    def features_at(
        self,
        timeframes: tuple[Timeframe, ...],
        end_ns: int,  # noqa: ARG002 - the streams stand at this bar
    ) -> Mapping[Timeframe, TimeframeFeatures | None]:
        """Features of the streams as they stand."""
        return {frame: self._streams[frame].current() for frame in timeframes}

    def vote(self, vector: EnsembleVector) -> EnsembleVote | None:
        """The ensemble's answer."""
        return self._voter(vector)

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        """The executor's answer."""
        if self.executor is None:
            raise RuntimeError("no executor yet")
        return self.executor.apply(target, held_contracts)


class Backtest:
    """One tape through the whole decision path. `step` runs one base bar; `result` may be asked any time."""

    def __init__(
        self,
        tape: Tape,
        *,
        decision: DecisionSettings,
        guardian: GuardianSettings,
        voter: Voter,
        costs: Costs | None = None,
        account: AccountTerms | None = None,
    ) -> None:
        self._tape = tape
        self._product: Product = product(tape.contract.symbol)
        terms = account or AccountTerms()
        self._exchange = SimulatedExchange(
            contract=tape.contract,
            product=self._product,
            costs=costs or Costs(),
            account=terms,
            start_ns=tape.bars[0].start_ns,
        )
        self._desk = ExchangeDesk(self._exchange)
        self._guardian = InProcessGuardian(
            guardian,
            desk=self._desk,
            product=self._product,
            instrument=tape.contract.instrument,
            starting_equity_usd=terms.cash_usd,
            expand=expand,
        )
        self._orders = OrderJournal(_memory(ORDERS_SCHEMA))
        self._decisions = DecisionJournal(_memory(DECISIONS_SCHEMA))
        self._stages = InProcessStages(tape.base_timeframe, voter)
        self._stages.executor = Executor(
            journal=self._orders,
            desk=self._desk,
            permits=self._guardian,
            product=self._product,
            monotonic_ns=lambda: 0,
            send_attempts_max=SEND_ATTEMPTS,
            entry_age_max_s=ENTRY_AGE_S,
        )
        self._engine = CycleEngine(
            core=DecisionCore(decision, self._product),
            stages=self._stages,
            journal=self._decisions,
            product=self._product,
            starting_equity_usd=terms.cash_usd,
            progress=Progress(fills=(), entries=()),
        )
        for bar in tape.history:
            self._stages.feed(bar)
        begin_ns = tape.bars[0].start_ns - HISTORY_S * NS_PER_S
        recent = (small for bar in tape.history if bar.end_ns > begin_ns for small in expand(bar))
        self._guardian.warm_up([small for small in recent if small.start_ns >= begin_ns])
        self._previous = tape.history[-1] if tape.history else None
        self._filled_until_ns = 0
        self._done = 0

    def step(self, bar: Bar) -> None:
        """Moves the market through one base bar, then runs its cycle.

        It goes five seconds at a time where an order could fill or the guardian could act on the way.
        """
        if self._exchange.leaves_alone(bar) and self._guardian.leaves_alone(bar):
            self._exchange.advance(bar)
            self._guardian.leave_out(bar)
        else:
            for small in expand(bar):
                self._exchange.advance(small)
                self._guardian.on_bar(small)
        self._stages.feed(bar)
        fills = self._desk.fills(after_ns=self._filled_until_ns)
        self._engine.run(ClosedBar(bar=bar, previous=self._previous, fills=fills))
        self._filled_until_ns = bar.end_ns
        self._previous = bar
        self._done += 1

    def run(self, on_bar: Callable[[int], None] | None = None) -> BacktestResult:
        """Every bar of the tape; `on_bar` is told how many are done."""
        for number, bar in enumerate(self._tape.bars, start=1):
            self.step(bar)
            if on_bar is not None:
                on_bar(number)
        return self.result()

    def result(self) -> BacktestResult:
        """What happened so far."""
        executor = self._stages.executor
        if executor is None:
            raise RuntimeError("no executor yet")
        settled = executor.settle()
        orders = (*settled.orders, *self._guardian.orders())
        book = TradeBook.of(self._product, settled.fills)
        return BacktestResult(
            instrument=self._tape.contract.instrument,
            bars=self._done,
            ledger=build_ledger(self._product, orders, settled.fills),
            trades=book.closed_trades,
            fills=settled.fills,
            counts=self._decisions.counts(),
            final_position=settled.position_contracts,
            halted=self._guardian.halted,
        )


def _memory(schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.executescript(schema)
    return connection
