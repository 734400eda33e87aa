"""From signals to trades: one position at a time. And the figures of trades."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mia_actors.core.kernel import kernel
from mia_actors.features.columns import FloatArray, IntArray

CAPITAL_USD = 25_000.0
TRADING_DAYS_A_YEAR = 252


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of one contract, after costs; None where there is nothing to divide by."""

    trades: int
    trades_per_day: float
    win_rate: float | None
    profit_factor: float | None
    net_usd: float
    net_usd_per_trade: float | None
    standard_error: float | None
    """Of the mean above, of days as clusters."""
    max_drawdown_usd: float
    max_drawdown_pct: float
    """Of 25,000 USD and what was won until then."""
    sharpe: float | None
    """Of daily results, times the root of 252; a day without a trade is 0."""


def one_at_a_time(signals: pd.DataFrame) -> pd.DataFrame:
    """The signals that find the account flat, in order of time."""
    keep = _flat_at(signals["time_ns"].to_numpy(), signals["end_ns"].to_numpy())
    return signals[keep]


@kernel
def _flat_at(times_ns: IntArray, ends_ns: IntArray) -> NDArray[np.bool_]:
    keep = np.zeros(len(times_ns), dtype=np.bool_)
    busy_until_ns = np.int64(-1)
    for row in range(len(times_ns)):
        if times_ns[row] >= busy_until_ns:
            keep[row] = True
            busy_until_ns = ends_ns[row]
    return keep


def figures(net: FloatArray, days: IntArray, calendar: IntArray) -> Figures:
    """Of results in order of time with their trade dates, over the trade dates there were."""
    daily = by_day(net, days, calendar)
    equity = np.concatenate([[0.0], np.cumsum(net)])
    peaks = np.maximum.accumulate(equity)
    spread = daily.std(ddof=1) if len(daily) > 1 else 0.0
    losses = -net[net < 0].sum()
    count = len(net)
    return Figures(
        trades=count,
        trades_per_day=count / len(calendar) if len(calendar) else 0.0,
        win_rate=float((net > 0).mean()) if count else None,
        profit_factor=float(net[net > 0].sum() / losses) if losses > 0 else None,
        net_usd=float(net.sum()),
        net_usd_per_trade=float(net.mean()) if count else None,
        standard_error=_clustered_error(net, days),
        max_drawdown_usd=float((peaks - equity).max()),
        max_drawdown_pct=float(((peaks - equity) / (CAPITAL_USD + peaks)).max() * 100),
        sharpe=float(daily.mean() / spread * math.sqrt(TRADING_DAYS_A_YEAR)) if spread > 0 else None,
    )


def by_day(net: FloatArray, days: IntArray, calendar: IntArray) -> FloatArray:
    """Sum of the results of each trade date of the calendar, 0 where there is none."""
    found = np.bincount(np.searchsorted(calendar, days), weights=net, minlength=len(calendar))
    return found[: len(calendar)].astype(np.float64)


def _clustered_error(net: FloatArray, days: IntArray) -> float | None:
    """Standard error of the mean when trades of one day may move together (Liang and Zeger 1986)."""
    if len(net) < 2:
        return None
    _, groups = np.unique(days, return_inverse=True)
    sums = np.bincount(groups, weights=net - net.mean())
    return float(np.sqrt((sums**2).sum()) / len(net))
