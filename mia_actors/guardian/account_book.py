"""The account by its executions: position, trades, and profit by trade date and trade week. Pure.

The same executions in any order, with repeats, late commissions and corrections, give the same book.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from mia_actors.core.orders import Fill, execution_stem
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.core.tradebook import ClosedTrade, TradeBook, fill_order
from mia_actors.core.units import Product
from mia_actors.guardian.memory import Memory

ZERO_USD = Decimal(0)


def week_of(day: date) -> date:
    """Monday of the exchange's trade week a trade date is in."""
    return day - timedelta(days=day.weekday())


class AccountBook:
    """Folds the fills of the account, whoever's orders they were."""

    def __init__(self, product: Product, memory: Memory) -> None:
        self._product = product
        self._carried_usd = memory.carried_usd
        self._carried_peak_usd = memory.carried_peak_usd
        self._folded_until_ns = memory.folded_until_ns
        self._fills: dict[str, Fill] = {}
        self._ordered: list[Fill] = []
        self._book = TradeBook(product)
        self._times_ns: list[int] = []
        self._realized_usd: list[Decimal] = []
        self._flat: list[bool] = []
        self.add(memory.fills)

    def add(self, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        """Takes executions; returns those that were not known, or came with a commission or correction."""
        fresh = tuple(fill for fill in fills if self._takes(fill))
        if not fresh:
            return ()
        later = sorted(fresh, key=fill_order)
        self._fills.update((execution_stem(fill.exec_id)[0], fill) for fill in later)
        if len(self._fills) == len(self._ordered) + len(later) and self._follows(later[0]):
            for fill in later:
                self._fold(fill)
        else:
            self._fold_anew()
        return fresh

    def _takes(self, fill: Fill) -> bool:
        if fill.event_time_ns <= self._folded_until_ns:
            return False
        stem, number = execution_stem(fill.exec_id)
        known = self._fills.get(stem)
        if known is None:
            return True
        known_number = execution_stem(known.exec_id)[1]
        if known_number != number:
            return number > known_number
        return known.commission_usd is None and fill.commission_usd is not None

    def _follows(self, fill: Fill) -> bool:
        return not self._ordered or fill_order(self._ordered[-1]) <= fill_order(fill)

    def _fold_anew(self) -> None:
        self._book = TradeBook(self._product)
        self._ordered, self._times_ns, self._realized_usd, self._flat = [], [], [], []
        for fill in sorted(self._fills.values(), key=fill_order):
            self._fold(fill)

    def _fold(self, fill: Fill) -> None:
        self._book.add(fill)
        self._ordered.append(fill)
        self._times_ns.append(fill.event_time_ns)
        self._realized_usd.append(self._carried_usd + self._book.realized_usd)
        self._flat.append(self._book.position_contracts == 0)

    @property
    def position_contracts(self) -> int:
        """Position by the fills."""
        return self._book.position_contracts

    @property
    def closed_trades(self) -> tuple[ClosedTrade, ...]:
        """Round trips, oldest first."""
        return self._book.closed_trades

    @property
    def realized_usd(self) -> Decimal:
        """Realised profit of the whole record after commissions."""
        return self._carried_usd + self._book.realized_usd

    def unrealized_usd(self, mark_ticks: int) -> Decimal:
        """Profit of the open position at a price."""
        return self._book.unrealized_usd(mark_ticks)

    def realized_before_usd(self, day: date) -> Decimal:
        """Realised profit of the whole record up to the end of the trade date before `day`."""
        index = self._first_of(day)
        return self._realized_usd[index - 1] if index else self._carried_usd

    def peak_usd(self, since: date | None = None) -> Decimal:
        """The highest realised profit of the whole record; of the trade dates from `since` on, their begin included.

        Paper profit is not in it: one that melts is no drawdown, or a profit could raise a level later.
        """
        if since is None:
            return max([self._carried_peak_usd, self._carried_usd, *self._realized_usd])
        return max([self.realized_before_usd(since), *self._realized_usd[self._first_of(since) :]])

    def losses_in_a_row(self, day: date) -> list[tuple[int, int]]:
        """After each trade closed on a trade date: the length of its run of losses, and when it closed."""
        runs: list[tuple[int, int]] = []
        run = 0
        for trade in self._book.closed_trades:
            if trade_date(trade.closed_at_ns - 1) == day:
                run = run + 1 if trade.net_usd < 0 else 0
                runs.append((run, trade.closed_at_ns))
        return runs

    def trades_after(self, time_ns: int) -> int:
        """Round trips that closed after a moment."""
        return sum(1 for trade in self._book.closed_trades if trade.closed_at_ns > time_ns)

    def fold_before(self, day: date) -> Memory:
        """What has to be kept when only the trade week of `day` is needed with its fills."""
        until = self._first_of(week_of(day))
        while until and not (self._flat[until - 1] and self._ends_a_moment(until)):
            until -= 1
        if until == 0:
            return Memory(
                carried_usd=self._carried_usd,
                carried_peak_usd=self._carried_peak_usd,
                folded_until_ns=self._folded_until_ns,
                fills=tuple(self._ordered),
            )
        return Memory(
            carried_usd=self._realized_usd[until - 1],
            carried_peak_usd=max([self._carried_peak_usd, *self._realized_usd[:until]]),
            folded_until_ns=self._times_ns[until - 1],
            fills=tuple(self._ordered[until:]),
        )

    def _ends_a_moment(self, until: int) -> bool:
        """Whether no later fill has the time of the last one before `until`: what is folded is known by its time."""
        return until == len(self._times_ns) or self._times_ns[until] > self._times_ns[until - 1]

    def _first_of(self, day: date) -> int:
        """Index of the first fill of a trade date or later; one at the very end of a day is still that day's."""
        begin_ns, _ = session_bounds_ns(day)
        return bisect_right(self._times_ns, begin_ns)
