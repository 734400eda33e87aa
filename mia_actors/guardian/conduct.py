"""Limits on how is traded: position, runs of losses, trades, orders, rejects, slippage.

WARNING is told. CRITICAL ends entries while it lasts; a position that large is flattened instead. CATASTROPHE
halts. Position, losses, trades and slippage are judged in market time; orders and rejects in times of arrival.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.facts import OrderRefused, OrderSeen
from mia_actors.core.orders import GUARDIAN_PREFIX, Fill, OrderTerms, decision_time_ns, execution_stem
from mia_actors.guardian.account_book import AccountBook
from mia_actors.guardian.levels import NO_ENTRIES, TOLD, Demand, Finding, Level, found
from mia_actors.guardian.limits import PERCENT, GuardianSettings
from mia_actors.guardian.market_limits import MarketHistory
from mia_actors.guardian.memory import OrderHeard, Slip

HOUR_NS = 3600 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S
TOO_LARGE: Mapping[Level, Demand] = {**TOLD, Level.CRITICAL: Demand.FLATTEN}
TERMS_KEPT = 10_000


class TradingLimits:
    """Limits on position and trades."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._position = settings.position_contracts
        self._position_max = settings.position_contracts_max
        self._losses = settings.consecutive_losses
        self._pause_ns = round(settings.consecutive_losses_pause_s * NS_PER_S)
        self._trades = settings.trades_per_hour

    def findings(self, book: AccountBook, as_of_ns: int, day: date) -> Iterator[Finding]:
        """What they say at a market time."""
        yield from self._too_large(book.position_contracts)
        yield from self._losses_in_a_row(book.losses_in_a_row(day), as_of_ns)
        trades = book.trades_after(as_of_ns - HOUR_NS)
        if trades:
            text = f"{trades} round trips within an hour, {self._trades.limit(trades) or 0:f} are many"
            yield from found("trades_per_hour", self._trades.level(trades), text)

    def _too_large(self, held: int) -> tuple[Finding, ...]:
        if held == 0:
            return ()
        text = f"position {held:+d} contracts, limit {self._position_max}"
        return found("position", self._position.level(abs(held)), text, answers=TOO_LARGE)

    def _losses_in_a_row(self, runs: list[tuple[int, int]], as_of_ns: int) -> Iterator[Finding]:
        if not runs:
            return
        limits = self._losses
        worst = max(run for run, _ in runs)
        if limits.catastrophe is not None and worst >= limits.catastrophe:
            text = f"{worst} losses in a row, limit {limits.catastrophe:f}"
            yield from found("consecutive_losses", Level.CATASTROPHE, text)
            return
        pauses = [at_ns for run, at_ns in runs if limits.critical is not None and run >= limits.critical]
        until_ns = max(pauses, default=0) + self._pause_ns
        if pauses and as_of_ns < until_ns:
            text = f"{limits.critical:f} or more losses in a row: no entries until {iso_utc(until_ns)}"
            yield from found("consecutive_losses", Level.CRITICAL, text)
        elif limits.warning is not None and runs[-1][0] >= limits.warning:
            yield from found("consecutive_losses", Level.WARNING, f"{runs[-1][0]} losses in a row")


class SlippageLimit:
    """Executions against the price they should have had: limit, stop, or the own mark when it was decided."""

    def __init__(self, settings: GuardianSettings, slips: Iterable[Slip]) -> None:
        self._limits = settings.slippage_ticks
        self._debounce = settings.debounce_readings
        self._slips = {slip.stem: slip for slip in slips}
        self._terms: dict[str, OrderTerms] = {}

    def take_terms(self, terms: OrderTerms) -> None:
        """Prices of an order; they come before its first execution."""
        if not self._limits.in_use:
            return
        self._terms[terms.order_ref] = terms
        if len(self._terms) > TERMS_KEPT:
            self._terms.pop(next(iter(self._terms)))

    def take_fills(self, fills: Iterable[Fill], history: MarketHistory) -> None:
        """Executions; each is compared once, with what is known then."""
        if not self._limits.in_use:
            return
        for fill in fills:
            stem, _ = execution_stem(fill.exec_id)
            known = self._slips.get(stem)
            if not _is_own(fill.order_ref) and (known is None or known.ticks is None):
                self._slips[stem] = Slip(
                    event_time_ns=fill.event_time_ns, stem=stem, ticks=self._slip_ticks(fill, history)
                )

    def _slip_ticks(self, fill: Fill, history: MarketHistory) -> int | None:
        terms = self._terms.get(fill.order_ref)
        wanted = None
        if terms is not None:
            wanted = terms.limit_ticks if terms.limit_ticks is not None else terms.stop_ticks
        decided_ns = decision_time_ns(fill.order_ref)
        if wanted is None and decided_ns is not None:
            wanted = history.close_at(decided_ns)
        return None if wanted is None else (fill.price_ticks - wanted) * fill.side.sign

    def kept(self, as_of_ns: int) -> tuple[Slip, ...]:
        """Those of the last hour."""
        kept = (slip for slip in self._slips.values() if slip.event_time_ns > as_of_ns - HOUR_NS)
        return tuple(sorted(kept, key=lambda slip: (slip.event_time_ns, slip.stem)))

    def findings(self, as_of_ns: int) -> Iterator[Finding]:
        """What it says of the last hour."""
        if not self._slips:
            return
        recent = self.kept(as_of_ns)
        worst = max((slip.ticks for slip in recent if slip.ticks is not None), default=0)
        text = f"a fill {worst} ticks worse than its price, limit {self._limits.limit(max(worst, 0)) or 0:f}"
        yield from found("slippage", self._limits.level(worst), text)
        unknown = sum(1 for slip in recent if slip.ticks is None)
        if unknown >= self._debounce:
            text = f"slippage of {unknown} fills within an hour is not known"
            yield from found("slippage", Level.CRITICAL, text)


def _is_own(order_ref: str) -> bool:
    """Whether it is an order of the guardian: what it does about a finding makes no other one."""
    return order_ref.startswith(f"{GUARDIAN_PREFIX}.")


class OrderLimits:
    """Limits on orders and rejects, in times of arrival; the guardian's own orders do not count."""

    def __init__(self, settings: GuardianSettings, orders: Iterable[OrderHeard]) -> None:
        self._rate = settings.orders_per_minute
        self._rejects = settings.reject_percent
        self._window_ns = round(settings.reject_window_s * NS_PER_S)
        self._orders_min = settings.reject_orders_min
        self._orders = {order.key: order for order in orders}
        self._known = set(self._orders)

    def take(self, fact: OrderSeen | OrderRefused) -> bool:
        """An order's notice; whether it said anything new. One that was there at the connect is not counted."""
        key = fact.order_ref or f"perm {fact.perm_id}"
        if _is_own(fact.order_ref):
            return False
        if isinstance(fact, OrderRefused):
            known = self._orders.get(key)
            if known is None or known.refused:
                return False
            self._orders[key] = replace(known, refused=True)
            return True
        if key in self._known:
            return False
        self._known.add(key)
        if not fact.listed:
            self._orders[key] = OrderHeard(arrival_ns=fact.arrival_ns, key=key, refused=False)
        return not fact.listed

    @property
    def kept(self) -> tuple[OrderHeard, ...]:
        """Those that any limit still looked at when it was judged last."""
        return tuple(self._orders.values())

    def findings(self, arrival_ns: int) -> Iterator[Finding]:
        """What they say at a time of arrival."""
        if not self._orders:
            return
        begin_ns = arrival_ns - max(self._window_ns, MINUTE_NS)
        self._orders = {key: order for key, order in self._orders.items() if order.arrival_ns > begin_ns}
        orders = [order for order in self._orders.values() if order.arrival_ns > arrival_ns - self._window_ns]
        rate = sum(1 for order in self._orders.values() if order.arrival_ns > arrival_ns - MINUTE_NS)
        text = f"{rate} orders within a minute, limit {self._rate.limit(rate) or 0:f}"
        yield from found("orders_per_minute", self._rate.level(rate), text, answers=NO_ENTRIES)
        if len(orders) >= self._orders_min:
            share = PERCENT * sum(order.refused for order in orders) / len(orders)
            text = (
                f"{share:.0f} % of {len(orders)} orders rejected, limit {self._rejects.limit(share) or 0:f} %"
            )
            yield from found("reject_rate", self._rejects.level(share), text)
