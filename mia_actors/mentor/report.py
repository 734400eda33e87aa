"""The end-of-session report: every number folded from closed trades, every verdict with its sample size. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import pstdev

from mia_actors.core.tradebook import ClosedTrade

TRADES_MIN = 3
"""Fewer closed trades give figures, but no verdict."""


class MessageType(StrEnum):
    """Kinds of message of the mentor."""

    DAILY_REPORT = "daily_report"
    PERFORMANCE_ALERT = "performance_alert"
    IMPROVEMENT_SUGGESTION = "improvement_suggestion"
    CELEBRATION = "celebration"


class Severity(StrEnum):
    """How urgent a message is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    SUCCESS = "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class MentorMessage:
    """One sentence with its evidence."""

    type: MessageType
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyMetrics:
    """Figures of a day's closed trades, after commissions; None where there is nothing to divide."""

    trades: int
    winning: int
    losing: int
    win_rate: float | None
    pnl_usd: Decimal
    mean_win_usd: Decimal | None
    mean_loss_usd: Decimal | None
    largest_win_usd: Decimal | None
    largest_loss_usd: Decimal | None
    profit_factor: float | None
    """Gross profit over gross loss; None without a loss."""
    drawdown_usd: Decimal
    """Lowest of cumulative P&L minus its running maximum; 0 or negative."""
    pnl_stdev_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyReport:
    """What the mentor has to say of one day."""

    day: str
    metrics: DailyMetrics
    messages: tuple[MentorMessage, ...]
    text: str


def daily_metrics(trades: Sequence[ClosedTrade]) -> DailyMetrics:
    """Figures of `trades`, which must be in order of closing."""
    results = [trade.net_usd for trade in trades]
    wins = [result for result in results if result > 0]
    losses = [result for result in results if result < 0]
    total, peak, drawdown = Decimal(0), Decimal(0), Decimal(0)
    for result in results:
        total += result
        peak = max(peak, total)
        drawdown = min(drawdown, total - peak)
    return DailyMetrics(
        trades=len(results),
        winning=len(wins),
        losing=len(losses),
        win_rate=len(wins) / len(results) if results else None,
        pnl_usd=total,
        mean_win_usd=sum(wins, Decimal(0)) / len(wins) if wins else None,
        mean_loss_usd=sum(losses, Decimal(0)) / len(losses) if losses else None,
        largest_win_usd=max(wins, default=None),
        largest_loss_usd=min(losses, default=None),
        profit_factor=float(sum(wins, Decimal(0)) / -sum(losses, Decimal(0))) if losses else None,
        drawdown_usd=drawdown,
        pnl_stdev_usd=pstdev(float(result) for result in results) if len(results) > 1 else None,
    )


def daily_report(day: str, trades: Sequence[ClosedTrade]) -> DailyReport:
    """The report of a day. A profit factor is gross profit over gross loss, never a ratio of means."""
    metrics = daily_metrics(trades)
    messages = (_summary(metrics), *_verdicts(metrics))
    lines = [f"Mentor's report for {day}", *_table(metrics), *(f"- {message.text}" for message in messages)]
    return DailyReport(day=day, metrics=metrics, messages=messages, text="\n".join(lines) + "\n")


def _summary(metrics: DailyMetrics) -> MentorMessage:
    if not metrics.trades:
        text = "No trade was closed: nothing to judge. The refusals say why; see the summary."
    elif metrics.trades < TRADES_MIN:
        text = f"{metrics.trades} closed trade(s): too few for any verdict (at least {TRADES_MIN})."
    else:
        text = f"{metrics.trades} closed trades, {metrics.winning} won, {metrics.pnl_usd:+.2f} USD after commissions."
    return MentorMessage(type=MessageType.DAILY_REPORT, severity=Severity.INFO, text=text)


def _verdicts(metrics: DailyMetrics) -> tuple[MentorMessage, ...]:
    """Rules of domain section 15, each with the number it stands on; none below `TRADES_MIN` trades."""
    if metrics.trades < TRADES_MIN or metrics.win_rate is None:
        return ()
    found: list[MentorMessage] = []

    def say(kind: MessageType, severity: Severity, text: str) -> None:
        found.append(MentorMessage(type=kind, severity=severity, text=f"{text} (n={metrics.trades})"))

    if metrics.win_rate >= 0.70:
        say(MessageType.CELEBRATION, Severity.SUCCESS, f"Win rate {metrics.win_rate:.0%}: well above plan.")
    elif metrics.win_rate <= 0.30:
        text = f"Win rate {metrics.win_rate:.0%}: review the entries before the next session."
        say(MessageType.PERFORMANCE_ALERT, Severity.CRITICAL, text)
    if metrics.profit_factor is not None and metrics.profit_factor < 1.0:
        text = f"Profit factor {metrics.profit_factor:.2f}: losses outweigh wins; look at what was stopped out first."
        say(MessageType.IMPROVEMENT_SUGGESTION, Severity.WARNING, text)
    if metrics.drawdown_usd < -500:
        text = f"Drawdown {metrics.drawdown_usd:.2f} USD is past 500: trade smaller."
        say(MessageType.PERFORMANCE_ALERT, Severity.WARNING, text)
    if metrics.mean_loss_usd is not None and metrics.mean_loss_usd < -200:
        text = f"Mean loss {metrics.mean_loss_usd:.2f} USD is past 200: size or stop is too large."
        say(MessageType.IMPROVEMENT_SUGGESTION, Severity.WARNING, text)
    return tuple(found)


def _table(metrics: DailyMetrics) -> list[str]:
    def money(value: Decimal | None) -> str:
        return "-" if value is None else f"{value:+.2f} USD"

    rows = [
        ("trades", f"{metrics.trades} ({metrics.winning} won, {metrics.losing} lost)"),
        ("win rate", "-" if metrics.win_rate is None else f"{metrics.win_rate:.0%}"),
        ("profit and loss", money(metrics.pnl_usd)),
        ("mean win / loss", f"{money(metrics.mean_win_usd)} / {money(metrics.mean_loss_usd)}"),
        ("largest win / loss", f"{money(metrics.largest_win_usd)} / {money(metrics.largest_loss_usd)}"),
        ("profit factor", "-" if metrics.profit_factor is None else f"{metrics.profit_factor:.2f}"),
        ("drawdown", money(metrics.drawdown_usd)),
    ]
    return [f"  {name:<20}{value}" for name, value in rows]
