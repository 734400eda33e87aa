"""Results of the trades by strategy, hour, weekday, regime, side and way out. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mia_actors.backtest_report.trade_rows import UNKNOWN, TradeRow
from mia_actors.core.calendar import new_york
from mia_actors.core.features import MarketRegime, VolatilityRegime

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
VOLATILITIES = (*(regime.value for regime in VolatilityRegime), UNKNOWN)
MARKETS = (*(regime.value for regime in MarketRegime), UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The trades that share something."""

    name: str
    trades: int
    won: int
    net_usd: Decimal
    ticks: Decimal
    """Sum of the results of one contract each."""

    @property
    def win_rate(self) -> float:
        """Share of the trades with a profit after commissions."""
        return self.won / self.trades

    @property
    def net_usd_per_trade(self) -> Decimal:
        """Mean, after commissions."""
        return self.net_usd / self.trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One way to sort the trades into groups."""

    title: str
    note: str
    groups: tuple[Group, ...]


def distributions(rows: Sequence[TradeRow]) -> tuple[Distribution, ...]:
    """Every way, none where there is no trade."""
    if not rows:
        return ()
    both = "A trade counts with each strategy that called its side, so the groups add up to more than all trades."
    return (
        _sorted_out(rows, "Strategy", both, lambda row: row.strategies or (UNKNOWN,)),
        _sorted_out(rows, "Hour of entry", "New York.", lambda row: (_hour(row),)),
        _sorted_out(rows, "Weekday of entry", "New York.", lambda row: (_weekday(row),), WEEKDAYS),
        _sorted_out(
            rows,
            "Volatility regime",
            "When the entry was decided.",
            lambda row: (row.volatility,),
            VOLATILITIES,
        ),
        _sorted_out(rows, "Market regime", "When the entry was decided.", lambda row: (row.market,), MARKETS),
        _sorted_out(rows, "Side", "", lambda row: (_side(row),)),
        _sorted_out(rows, "Reason of exit", "", lambda row: (row.exit_reason,)),
    )


def _sorted_out(
    rows: Iterable[TradeRow],
    title: str,
    note: str,
    names_of: Callable[[TradeRow], Iterable[str]],
    order: Sequence[str] = (),
) -> Distribution:
    members: dict[str, list[TradeRow]] = defaultdict(list)
    for row in rows:
        for name in names_of(row):
            members[name].append(row)
    names = sorted(members, key=lambda name: (order.index(name) if name in order else len(order), name))
    return Distribution(title=title, note=note, groups=tuple(_group(name, members[name]) for name in names))


def _group(name: str, rows: Sequence[TradeRow]) -> Group:
    return Group(
        name=name,
        trades=len(rows),
        won=sum(1 for row in rows if row.trade.net_usd > 0),
        net_usd=sum((row.trade.net_usd for row in rows), Decimal(0)),
        ticks=sum((row.ticks for row in rows), Decimal(0)),
    )


def _hour(row: TradeRow) -> str:
    hour = new_york(row.trade.opened_at_ns).hour
    return f"{hour:02d}:00 to {hour + 1:02d}:00"


def _weekday(row: TradeRow) -> str:
    return WEEKDAYS[new_york(row.trade.opened_at_ns).weekday()]


def _side(row: TradeRow) -> str:
    return "long" if row.trade.side.sign > 0 else "short"
