"""Kelly's fraction from closed trades (domain section 11)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

KELLY_MAX = 0.25
TRADES_MIN = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Kelly:
    """The fraction of equity at risk that maximises growth, and what it rests on."""

    fraction: float
    """In [0, 0.25]; 0 below 30 trades or without an edge; without a loss the win rate, clipped."""
    trades: int
    win_rate: float
    payoff: float
    """Mean win over mean loss; 0 when there is no loss or no win."""


def kelly(results_usd: Sequence[Decimal]) -> Kelly:
    """F = p - (1 - p) · L / W with mean win W and mean loss L, clipped to 0 ... 0.25."""
    wins = [result for result in results_usd if result > 0]
    losses = [-result for result in results_usd if result < 0]
    count = len(results_usd)
    win_rate = len(wins) / count if count else 0.0
    if not wins:
        return Kelly(fraction=0.0, trades=count, win_rate=win_rate, payoff=0.0)
    mean_win = sum(wins, Decimal(0)) / len(wins)
    mean_loss = sum(losses, Decimal(0)) / len(losses) if losses else Decimal(0)
    payoff = float(mean_win / mean_loss) if losses else 0.0
    fraction = win_rate - (1 - win_rate) * float(mean_loss / mean_win) if count >= TRADES_MIN else 0.0
    return Kelly(fraction=min(KELLY_MAX, max(0.0, fraction)), trades=count, win_rate=win_rate, payoff=payoff)
