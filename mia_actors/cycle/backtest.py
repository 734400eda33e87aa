"""The backtest: the same engine, executor, guardian and matching as a live lockstep session, in one process.

Its ledger is byte-identical to that session's. What differs is only what carries the messages: plain calls
here, actors and a socket there.
"""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.decisions import Decision, TargetPosition
from mia_actors.core.features import EnsembleVector, EnsembleVote, TimeframeFeatures
from mia_actors.core.ledger import Ledger, build_ledger
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Fill
from mia_actors.core.trade_date import trade_date
from mia_actors.core.tradebook import ClosedTrade, TradeBook
from mia_actors.core.units import Product, product
from mia_actors.cycle.decision import DecisionCore, DecisionSettings
from mia_actors.cycle.engine import ClosedBar, CycleEngine, Progress
from mia_actors.cycle.screen import ASK, GATES, screen
from mia_actors.cycle.tally import DecisionTally
from mia_actors.exchange.desk import ExchangeDesk
from mia_actors.exchange.exchange import SimulatedExchange
from mia_actors.exchange.expansion import expand
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.exchange.tape import Tape
from mia_actors.execution.executor import Executor
from mia_actors.execution.journal import SCHEMA as ORDERS_SCHEMA
from mia_actors.execution.journal import OrderJournal
from mia_actors.execution.messages import Applied
from mia_actors.features.tape_features import TapeFeatures
from mia_actors.guardian.in_process import InProcessGuardian
from mia_actors.guardian.limits import HISTORY_S, GuardianSettings
from mia_actors.store.decision_journal import DecisionCounts

Voter = Callable[[EnsembleVector, int], EnsembleVote | None]
"""Takes a vector and the event time of the decision."""
SEND_ATTEMPTS = 1
ENTRY_AGE_S = 30.0
PASSED_OVER_MAX = 4096
"""Bars at once, so that progress shows."""


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

    def __init__(self, features: TapeFeatures, voter: Voter) -> None:
        self._features = features
        self._voter = voter
        self.place = 0
        """The base bar the features are asked at."""
        self.executor: Executor | None = None

    def features_at(
        self,
        timeframes: tuple[Timeframe, ...],
        end_ns: int,  # noqa: ARG002 - they are asked at `place`
    ) -> Mapping[Timeframe, TimeframeFeatures | None]:
        """Features as of the base bar at `place`."""
        return {frame: self._features.by_timeframe[frame].features_at(self.place) for frame in timeframes}

    def vote(self, vector: EnsembleVector, event_time_ns: int) -> EnsembleVote | None:
        """The ensemble's answer."""
        return self._voter(vector, event_time_ns)

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        """The executor's answer."""
        if self.executor is None:
            raise RuntimeError("no executor yet")
        return self.executor.apply(target, held_contracts)


class Backtest:
    """One tape through the whole decision path. `step` runs the next base bar; `result` may be asked any time.

    `run` gives the same ledger and the same counts, sooner: it passes over the bars of a flat account that `screen`
    sees end at a gate. With `every_decision` it does not, and all of them can be read afterwards.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        decision: DecisionSettings,
        guardian: GuardianSettings,
        voter: Voter,
        costs: Costs | None = None,
        account: AccountTerms | None = None,
        every_decision: bool = False,
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
        self._decisions = DecisionTally()
        self._decision_settings = decision
        self._every_decision = every_decision
        self._features = TapeFeatures((*tape.history, *tape.bars))
        self._stages = InProcessStages(self._features, voter)
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
        begin_ns = tape.bars[0].start_ns - HISTORY_S * NS_PER_S
        recent = (small for bar in tape.history if bar.end_ns > begin_ns for small in expand(bar))
        self._guardian.warm_up([small for small in recent if small.start_ns >= begin_ns])
        self._previous = tape.history[-1] if tape.history else None
        self._filled_until_ns = 0
        self._done = 0

    def step(self) -> Decision:
        """Moves the market through the next base bar, then runs its cycle.

        It goes five seconds at a time where an order could fill or the guardian could act on the way.

        Raises:
            IndexError: the tape is at its end.
        """
        bar = self._tape.bars[self._done]
        if self._exchange.leaves_alone(bar) and self._guardian.leaves_alone(bar):
            self._exchange.advance(bar)
            self._guardian.leave_out((bar,))
        else:
            for small in expand(bar):
                self._exchange.advance(small)
                self._guardian.on_bar(small)
        self._stages.place = len(self._tape.history) + self._done
        fills = self._desk.fills(after_ns=self._filled_until_ns)
        decision = self._engine.run(ClosedBar(bar=bar, previous=self._previous, fills=fills))
        self._went_to(self._done + 1)
        return decision

    def run(self, on_bar: Callable[[int], None] | None = None) -> BacktestResult:
        """Every bar of the tape; `on_bar` is told how many are done."""
        codes = None if self._every_decision else self._screened()
        while self._done < len(self._tape.bars):
            if codes is None or codes[self._done] == ASK or not self._is_at_rest():
                self.step()
            else:
                self._pass_over(codes)
            if on_bar is not None:
                on_bar(self._done)
        return self.result()

    def decisions(self) -> tuple[Decision, ...]:
        """Those made one by one: every one with `every_decision`, else those no gate of the screen had ended."""
        return self._decisions.decisions()

    def _screened(self) -> NDArray[np.int8]:
        return screen(self._features, self._decision_settings, self._product)[len(self._tape.history) :]

    def _is_at_rest(self) -> bool:
        """Nothing is held or works, nobody acts, and an entry today is not refused for its number."""
        bar = self._tape.bars[self._done]
        return (
            self._engine.position_contracts == 0
            and self._exchange.position_contracts == 0
            and not self._exchange.has_working_orders
            and self._guardian.leaves_alone(bar)
            and len(self._engine.entries_on(trade_date(bar.start_ns)))
            < self._decision_settings.trades_per_day_max
        )

    def _pass_over(self, codes: NDArray[np.int8]) -> None:
        """Goes to the next bar at which the decision core has to be asked."""
        begin = self._done
        asked = np.flatnonzero(codes[begin : begin + PASSED_OVER_MAX] == ASK)
        end = min(begin + (int(asked[0]) if len(asked) else PASSED_OVER_MAX), len(codes))
        for code, cycles in enumerate(np.bincount(codes[begin:end])):
            if code != ASK:
                self._decisions.count(*GATES[code - 1], int(cycles))
        last = self._tape.bars[end - 1]
        self._exchange.advance(last)
        self._guardian.leave_out(self._tape.bars[begin:end])
        self._engine.pass_over()
        self._went_to(end)

    def _went_to(self, done: int) -> None:
        self._done = done
        self._previous = self._tape.bars[done - 1]
        self._filled_until_ns = self._previous.end_ns

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
