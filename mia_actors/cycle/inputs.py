"""Everything a decision may look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.tradebook import ClosedTrade, OpenTrade
from mia_actors.risk.allocation import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleInputs:
    """Everything a decision may look at; all of it is a function of journaled facts up to the bar's end."""

    cycle_id: str
    bar: Bar
    previous_bar: Bar | None
    features: Mapping[Timeframe, TimeframeFeatures]
    closed: tuple[Timeframe, ...]
    """Timeframes that closed a bar with this one."""
    position_contracts: int
    open_trade: OpenTrade | None
    closed_trades: Sequence[ClosedTrade]
    entries_today: Sequence[Entry]
    equity_usd: Decimal
    day_pnl_usd: Decimal
    draining: bool
    traded_by_others: bool
    """Somebody else's execution changed this system's position within the bar."""
