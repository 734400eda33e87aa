"""The guardian of a backtest: the same watch, driven by plain calls, its latch in memory.

Live it judges every 5-second bar. Here it may be let off the bars on which no judgement can call for an act, and
judges the last of them before anybody asks it anything: permits, fills and halts come out the same.
"""

import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.ledger import LedgerOrder
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, OrderTerms, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.ports import GuardianDesk
from mia_actors.core.units import Product
from mia_actors.guardian.core import Demand, GuardianCore, TradingState
from mia_actors.guardian.latch import SCHEMA, Latch
from mia_actors.guardian.limits import HISTORY_S, GuardianSettings
from mia_actors.guardian.permits import Lease
from mia_actors.guardian.watch import Watch

SESSION = "backtest"
Expand = Callable[[Bar], Sequence[Bar]]
FOR_EVER = Lease(epoch=1, executor_incarnation=1, granted_monotonic_ns=0, expires_monotonic_ns=1 << 62)


class BacktestDesk(GuardianDesk, Protocol):
    """A desk that also tells executions."""

    def fills(self, after_ns: int = -1) -> tuple[Fill, ...]:
        """Executions with an event time after `after_ns`."""
        ...

    def order_terms(self, order_ref: str) -> OrderTerms | None:
        """Prices of an order; None for one that was never placed."""
        ...


class InProcessGuardian:
    """Judges every 5-second bar, acts, and gives permits, as the actor does in lockstep."""

    def __init__(
        self,
        settings: GuardianSettings,
        *,
        desk: BacktestDesk,
        product: Product,
        instrument: str,
        starting_equity_usd: Decimal,
        expand: Expand,
    ) -> None:
        """Takes `expand`, which makes the 5-second bars of a longer one."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.executescript(SCHEMA)
        self._latch = Latch(connection)
        self._desk = desk
        self._expand = expand
        self._seen_until_ns = -1
        self._left_out: deque[Bar] = deque()
        volume = settings.volume_times_mean
        self._volume_may_halt = volume.catastrophe is not None
        self._judged_s = settings.volume_pause_s + settings.volume_window_s if volume.in_use else 0.0
        self._core = GuardianCore(settings, product, starting_equity_usd)
        self._watch = Watch(
            settings=settings,
            core=self._core,
            latch=self._latch,
            desk=desk,
            instrument=instrument,
            session_id=SESSION,
            now_ns=lambda: 0,
        )

    @property
    def halted(self) -> bool:
        """True once the latch is set."""
        return self._watch.state is TradingState.HALTED

    def warm_up(self, bars: Sequence[Bar]) -> None:
        """The 5-second bars of the half hour before the session; the newest is judged, as at a connect."""
        self._core.take_history(bars)
        if bars:
            self._watch.on_bar(bars[-1])

    def leaves_alone(self, bar: Bar) -> bool:
        """Whether no judgement within a bar without executions can call for an act, by whatever path it goes."""
        held = self._core.position_contracts
        if self._watch.state is not TradingState.ACTIVE:
            return held == 0 and self._watch.is_flat
        assessment = self._watch.assessment
        if self._volume_may_halt or (assessment is not None and assessment.demand > Demand.PAUSE):
            return False
        if held == 0:
            return True
        worst_ticks = bar.low_ticks if held > 0 else bar.high_ticks
        return self._core.asks_for_nothing(bar.end_ns, worst_ticks)

    def leave_out(self, bars: Sequence[Bar]) -> None:
        """Bars of any length that it `leaves_alone`, of which only those that can still weigh are kept."""
        begin_ns = bars[-1].end_ns - round((HISTORY_S + self._judged_s) * NS_PER_S)
        self._left_out.extend(bars[bisect_right(bars, begin_ns, key=lambda bar: bar.end_ns) :])
        while self._left_out[0].end_ns <= begin_ns:
            self._left_out.popleft()

    def _catch_up(self) -> None:
        """The bars left out become history, those that may still weigh are looked at, the last is judged."""
        if not self._left_out:
            return
        bars = [small for bar in self._left_out for small in self._expand(bar)]
        self._left_out.clear()
        last = bars[-1]
        judged_ns = last.end_ns - round(self._judged_s * NS_PER_S)
        self._core.take_history([bar for bar in bars if bar.end_ns <= judged_ns and bar is not last])
        for bar in bars[:-1]:
            if bar.end_ns > judged_ns:
                self._core.take(bar)
        self._seen_until_ns = last.end_ns
        self._watch.on_bar(last)

    def on_bar(self, bar: Bar) -> None:
        """A 5-second bar, after the exchange matched it."""
        self._catch_up()
        fresh = self._desk.fills(after_ns=self._seen_until_ns)
        if fresh:
            for reference in {fill.order_ref for fill in fresh}:
                terms = self._desk.order_terms(reference)
                if terms is not None:
                    self._watch.take(terms)
            self._watch.add_fills(fresh)
        self._seen_until_ns = bar.end_ns
        self._watch.on_bar(bar)

    def permit(self, as_of_ns: int) -> Permit | PermitRefusal:
        """A permit, or why there is none."""
        self._catch_up()
        return self._watch.permit(as_of_ns, FOR_EVER)

    def orders(self) -> tuple[LedgerOrder, ...]:
        """The guardian's own orders, with the desk's last word on them."""
        found = []
        for order in self._latch.offsets(SESSION):
            report = self._desk.offset_report(order.spec.order_ref)
            found.append(LedgerOrder(spec=order.spec, state=report.state if report else order.state))
        return tuple(found)
