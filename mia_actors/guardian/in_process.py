"""The guardian of a backtest: the same watch, driven by plain calls, its latch in memory."""

import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from mia_actors.core.ledger import LedgerOrder
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, OrderTerms, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.ports import GuardianDesk
from mia_actors.core.units import Product
from mia_actors.guardian.core import GuardianCore, TradingState
from mia_actors.guardian.latch import SCHEMA, Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.permits import Lease
from mia_actors.guardian.watch import Watch

SESSION = "backtest"
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
    ) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.executescript(SCHEMA)
        self._latch = Latch(connection)
        self._desk = desk
        self._seen_until_ns = -1
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

    def on_bar(self, bar: Bar) -> None:
        """A 5-second bar, after the exchange matched it."""
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
        return self._watch.permit(as_of_ns, FOR_EVER)

    def orders(self) -> tuple[LedgerOrder, ...]:
        """The guardian's own orders, with the desk's last word on them."""
        found = []
        for order in self._latch.offsets(SESSION):
            report = self._desk.offset_report(order.spec.order_ref)
            found.append(LedgerOrder(spec=order.spec, state=report.state if report else order.state))
        return tuple(found)
