"""Figures of a set of closed trades. Pure."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from statistics import fmean, stdev

from mia_actors.core.trade_date import trade_date
from mia_actors.core.tradebook import ClosedTrade

TRADING_DAYS_A_YEAR = 252


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """After commissions; None where there is nothing to divide by."""

    trades: int
    win_rate: float | None
    profit_factor: float | None
    """Gross profit over gross loss."""
    max_drawdown_usd: float
    """Largest fall of cumulative closed profit from its running maximum, positive."""
    max_drawdown_pct: float
    """The same as a share of the equity at that maximum."""
    pnl_usd: float
    sharpe: float | None
    """Mean over standard deviation of daily profit, times the root of 252; an idle day is 0."""
    trades_per_day: float


def performance(
    trades: Sequence[ClosedTrade], days: Sequence[date], starting_equity_usd: Decimal
) -> Performance:
    """Figures of `trades` in order of closing, over the trade dates the market was open."""
    results = [trade.net_usd for trade in trades]
    wins = sum((result for result in results if result > 0), Decimal(0))
    losses = -sum((result for result in results if result < 0), Decimal(0))
    total, peak = Decimal(0), Decimal(0)
    drawdown_usd, drawdown_share = Decimal(0), Decimal(0)
    for result in results:
        total += result
        peak = max(peak, total)
        drawdown_usd = max(drawdown_usd, peak - total)
        drawdown_share = max(drawdown_share, (peak - total) / (starting_equity_usd + peak))
    return Performance(
        trades=len(results),
        win_rate=sum(1 for result in results if result > 0) / len(results) if results else None,
        profit_factor=float(wins / losses) if losses else None,
        max_drawdown_usd=float(drawdown_usd),
        max_drawdown_pct=round(float(drawdown_share) * 100, 4),
        pnl_usd=float(total),
        sharpe=_sharpe(trades, days),
        trades_per_day=len(results) / len(days) if days else 0.0,
    )


def _sharpe(trades: Sequence[ClosedTrade], days: Sequence[date]) -> float | None:
    by_day: dict[date, float] = defaultdict(float)
    for trade in trades:
        by_day[trade_date(trade.closed_at_ns - 1)] += float(trade.net_usd)
    daily = [by_day.get(day, 0.0) for day in days]
    if len(daily) < 2:
        return None
    spread = stdev(daily)
    return fmean(daily) / spread * math.sqrt(TRADING_DAYS_A_YEAR) if spread > 0 else None
