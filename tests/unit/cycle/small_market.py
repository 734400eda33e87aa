"""A market of a few bars, stages that may die at every step, and the loop that starts the engine again."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from mia_actors.core.decisions import Decision, TargetPosition
from mia_actors.core.errors import TransientError
from mia_actors.core.features import EnsembleVector, EnsembleVote, TimeframeFeatures
from mia_actors.core.ledger import LedgerOrder, build_ledger
from mia_actors.core.market import Bar, Timeframe, timeframes_closed_by
from mia_actors.core.orders import Fill, OrderSpec, OrderState, OrderType, Purpose, Side, order_ref
from mia_actors.core.units import ES
from mia_actors.cycle.decision import Candidate, CycleInputs, DecisionCore, DecisionSettings
from mia_actors.cycle.engine import ClosedBar, CycleEngine, progress_from
from mia_actors.execution.messages import Applied, AppliedStatus
from mia_actors.risk.sizing import RiskSettings
from mia_actors.store.decision_journal import SCHEMA, DecisionJournal, JournaledDecision
from tests.unit.cycle.situations import CLOSE, HEARD, bar_ending, long_features, mirrored, new_york_ns, vote

SETTINGS = DecisionSettings(
    trades_per_day_max=3,
    holding_minutes_max=20,
    risk=RiskSettings(allowance_share_max=Decimal("0.5")),
)
REJECTED_MINUTE = 75
"""The ensemble says no at 10:45, 75 minutes after the open."""
FILL_AFTER_NS = 5 * 10**9


class Moment(NamedTuple):
    """A bar's end in New York, its close relative to `CLOSE`, and what the readings call for."""

    at: str
    close: int
    calls: str


class Died(BaseException):
    """The engine's process ended here."""


def bars_of(moments: tuple[Moment, ...]) -> list[Bar]:
    """Bars that open where the one before closed."""
    bars: list[Bar] = []
    for moment in moments:
        bar = bar_ending(new_york_ns(moment.at), CLOSE + moment.close)
        opened = bars[-1].close_ticks if bars else bar.open_ticks
        high, low = max(opened, bar.high_ticks), min(opened, bar.low_ticks)
        bars.append(replace(bar, open_ticks=opened, high_ticks=high, low_ticks=low))
    return bars


def _readings(timeframe: Timeframe, moment: Moment) -> TimeframeFeatures:
    one = mirrored(long_features(timeframe)) if moment.calls == "short" else long_features(timeframe)
    battle = one.battle
    if battle is None or battle.base_low_ticks is None or battle.base_high_ticks is None:
        raise ValueError("the situation has a base")
    if moment.calls == "none":
        return replace(one, close_ticks=CLOSE + moment.close, battle=None, flow=None)
    base = (battle.base_low_ticks + moment.close, battle.base_high_ticks + moment.close)
    return replace(
        one,
        close_ticks=CLOSE + moment.close,
        battle=replace(battle, base_low_ticks=base[0], base_high_ticks=base[1]),
    )


def _features_by_bar(
    bars: list[Bar], moments: tuple[Moment, ...]
) -> dict[int, dict[Timeframe, TimeframeFeatures]]:
    """By a bar's end: the readings of each timeframe as of its last close, from warm-up on."""
    standing = {frame: replace(long_features(frame), as_of_ns=bars[0].start_ns) for frame in HEARD}
    found: dict[int, dict[Timeframe, TimeframeFeatures]] = {}
    previous: int | None = None
    for bar, moment in zip(bars, moments, strict=True):
        for frame in timeframes_closed_by(previous, bar):
            standing[frame] = replace(_readings(frame, moment), as_of_ns=bar.end_ns)
        found[bar.end_ns] = dict(standing)
        previous = bar.start_ns
    return found


class SmallMarket:
    """Stages and broker in one: a target takes effect once, fills follow from targets and bars.

    `trouble` maps the number of a step to what is raised there; every stage and every write to the journal is
    one step before it has its effect and one after.
    """

    def __init__(self, moments: tuple[Moment, ...], trouble: Mapping[int, type[BaseException]]) -> None:
        self.bars = bars_of(moments)
        self._features = _features_by_bar(self.bars, moments)
        self._trouble = trouble
        self._applied: dict[str, Applied] = {}
        self.effective: list[TargetPosition] = []
        self.answers: dict[int, AppliedStatus] = {}
        """What execution says of the target decided at a time, other than sent."""
        self.steps: list[str] = []
        self.asked: list[tuple[Timeframe, ...]] = []
        self.held_asked: list[int] = []

    def step(self, name: str) -> None:
        """One point at which a process can die."""
        self.steps.append(name)
        trouble = self._trouble.get(len(self.steps) - 1)
        if trouble is not None:
            raise trouble(f"{name}, step {len(self.steps) - 1}")

    def features_at(
        self, timeframes: tuple[Timeframe, ...], end_ns: int
    ) -> Mapping[Timeframe, TimeframeFeatures | None]:
        self.step("before features")
        self.asked.append(timeframes)
        found = {frame: self._features[end_ns].get(frame) for frame in timeframes}
        self.step("after features")
        return found

    def vote(self, vector: EnsembleVector, event_time_ns: int) -> EnsembleVote | None:
        self.step("before vote")
        rejected = round(vector.values[-1] * 390) == REJECTED_MINUTE
        self.step("after vote")
        return vote(approved=not rejected, p_good=0.4 if rejected else 0.7)

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        self.step("before apply")
        self.held_asked.append(held_contracts)
        if target.target_id not in self._applied:
            status = self.answers.get(target.decided_at_ns, AppliedStatus.SENT)
            self._applied[target.target_id] = Applied(
                target_id=target.target_id, status=status, detail=f"{status.value}, held {held_contracts}"
            )
            if status is AppliedStatus.SENT:
                self.effective.append(target)
        self.step("after apply")
        return self._applied[target.target_id]

    def fills_until(self, end_ns: int) -> tuple[Fill, ...]:
        """Entry and exit at the next open; the stop before the target where a bar touches both."""
        fills: list[Fill] = []
        waiting, held, stop, goal = list(self.effective), 0, 0, 0
        for bar in self.bars:
            if bar.end_ns > end_ns:
                break
            while waiting and waiting[0].decided_at_ns <= bar.start_ns:
                target = waiting.pop(0)
                change = target.net_contracts - held
                if change:
                    purpose = Purpose.ENTRY if target.net_contracts else Purpose.EXIT
                    fills.append(_fill(target, purpose, change, bar.open_ticks, bar.start_ns + FILL_AFTER_NS))
                held, stop, goal = target.net_contracts, target.stop_ticks or 0, target.target_ticks or 0
                entered = target
            low, high = (bar.low_ticks, bar.high_ticks) if held > 0 else (-bar.high_ticks, -bar.low_ticks)
            sign = 1 if held > 0 else -1
            if held and low <= sign * stop:
                fills.append(_fill(entered, Purpose.STOP, -held, stop, bar.end_ns - FILL_AFTER_NS))
                held = 0
            elif held and high > sign * goal:
                fills.append(_fill(entered, Purpose.TARGET, -held, goal, bar.end_ns - FILL_AFTER_NS))
                held = 0
        return tuple(fills)

    def ledger(self) -> str:
        """The text of the ledger of entries, exits and fills."""
        fills = self.fills_until(self.bars[-1].end_ns)
        orders = [
            LedgerOrder(
                spec=_spec(target, Purpose.ENTRY if target.net_contracts else Purpose.EXIT),
                state=OrderState.FILLED,
            )
            for target in self.effective
        ]
        return build_ledger(ES, orders, fills).text


def _reference(target: TargetPosition, purpose: Purpose) -> str:
    return order_ref("MIA", target.instrument, target.decided_at_ns, purpose)


def _spec(target: TargetPosition, purpose: Purpose) -> OrderSpec:
    return OrderSpec(
        order_ref=_reference(target, purpose),
        instrument=target.instrument,
        side=Side.BUY if target.net_contracts > 0 else Side.SELL,
        quantity=max(1, abs(target.net_contracts)),
        order_type=OrderType.MARKET,
        purpose=purpose,
        decided_at_ns=target.decided_at_ns,
    )


def _fill(target: TargetPosition, purpose: Purpose, change: int, price: int, time_ns: int) -> Fill:
    reference = _reference(target, purpose)
    return Fill(
        exec_id=f"x.{reference}",
        order_ref=reference,
        perm_id=1,
        instrument=target.instrument,
        side=Side.BUY if change > 0 else Side.SELL,
        quantity=abs(change),
        price_ticks=price,
        event_time_ns=time_ns,
        commission_usd=Decimal("2.25"),
    )


class MortalJournal(DecisionJournal):
    """The real journal in memory; its writes are steps too."""

    def __init__(self, market: SmallMarket) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(SCHEMA)
        super().__init__(connection)
        self._market = market

    def add(self, decision: Decision, *, held_contracts: int, completed: bool) -> None:
        self._market.step("before add")
        super().add(decision, held_contracts=held_contracts, completed=completed)
        self._market.step("after add")

    def complete(self, decision: Decision) -> None:
        self._market.step("before complete")
        super().complete(decision)
        self._market.step("after complete")


class WatchedCore(DecisionCore):
    """The real core; remembers what it was shown."""

    def __init__(self, settings: DecisionSettings) -> None:
        super().__init__(settings, ES)
        self.shown: list[CycleInputs] = []

    def propose(self, inputs: CycleInputs) -> Decision | Candidate:
        self.shown.append(inputs)
        return super().propose(inputs)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a session left behind."""

    market: SmallMarket
    journal: DecisionJournal
    core: WatchedCore
    engine: CycleEngine
    incarnations: int

    @property
    def decisions(self) -> tuple[JournaledDecision, ...]:
        """Every row of the journal."""
        return self.journal.decisions()


def build_engine(market: SmallMarket, journal: DecisionJournal, core: WatchedCore) -> CycleEngine:
    """An engine over the journals as they stand, the way the cycle's actor starts."""
    last = journal.last_completed()
    return CycleEngine(
        core=core,
        stages=market,
        journal=journal,
        product=ES,
        starting_equity_usd=Decimal(25_000),
        progress=progress_from(journal, market.fills_until(last.decision.event_time_ns if last else 0), ES),
    )


def run_session(
    moments: tuple[Moment, ...],
    trouble: Mapping[int, type[BaseException]] | None = None,
    *,
    answers: Mapping[str, AppliedStatus] | None = None,
    settings: DecisionSettings = SETTINGS,
) -> Run:
    """Runs all bars: a dead engine is replaced, a transient error repeats the bar in the same engine."""
    market = SmallMarket(moments, trouble or {})
    market.answers = {new_york_ns(at): status for at, status in (answers or {}).items()}
    journal, core = MortalJournal(market), WatchedCore(settings)
    for incarnation in range(1, 100):
        engine = build_engine(market, journal, core)
        try:
            _run_rest(market, journal, engine)
        except Died:
            continue
        return Run(market=market, journal=journal, core=core, engine=engine, incarnations=incarnation)
    raise AssertionError("the session never ended")


def _run_rest(market: SmallMarket, journal: DecisionJournal, engine: CycleEngine) -> None:
    last = journal.last_completed()
    previous = last.decision.bar if last else None
    for bar in market.bars:
        if previous is not None and bar.start_ns <= previous.start_ns:
            continue
        for _ in range(100):
            try:
                engine.run(closed_bar(market, bar, previous))
            except TransientError:
                continue
            break
        previous = bar


def closed_bar(market: SmallMarket, bar: Bar, previous: Bar | None) -> ClosedBar:
    """A bar with the executions in it."""
    fills = tuple(fill for fill in market.fills_until(bar.end_ns) if fill.event_time_ns > bar.start_ns)
    return ClosedBar(bar=bar, previous=previous, fills=fills)
