"""Limits on money: losses of the day and the week, falls from a peak, the balance.

WARNING is told. CRITICAL is told for the daily loss, and ends entries for the others. CATASTROPHE halts.
Every value here falls or stays when the account gains: a profit never raises a level.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from mia_actors.guardian.levels import NO_ENTRIES, TOLD, Finding, Level, found
from mia_actors.guardian.limits import PERCENT, GuardianSettings
from mia_actors.guardian.thresholds import FallingThresholds, Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The account's money at one mark, USD."""

    day_pnl_usd: Decimal
    week_pnl_usd: Decimal
    equity_usd: Decimal
    below_session_peak_usd: Decimal
    below_peak_usd: Decimal


class MoneyLimits:
    """All limits that look at `Money`."""

    def __init__(self, settings: GuardianSettings) -> None:
        self._daily = settings.daily_loss_usd
        self._weekly = settings.weekly_loss_usd
        self._falls = (
            ("session_drawdown", "session", settings.session_drawdown_usd, settings.session_drawdown_percent),
            ("peak_drawdown", "highest", settings.peak_drawdown_usd, settings.peak_drawdown_percent),
        )
        self._balance_min_usd = settings.account_balance_min_usd
        self._balance = FallingThresholds(
            warning=settings.account_balance_warning_usd, critical=settings.account_balance_critical_usd
        )

    def findings(self, money: Money) -> Iterator[Finding]:
        """What they say.

        Raises:
            ArithmeticError: a value is not a number.
        """
        yield from self._loss("daily_loss", "day", money.day_pnl_usd, self._daily)
        yield from self._loss("weekly_loss", "week", money.week_pnl_usd, self._weekly)
        for (name, which, usd, percent), fall_usd in zip(
            self._falls, (money.below_session_peak_usd, money.below_peak_usd), strict=True
        ):
            yield from _fall(name, which, fall_usd, money.equity_usd, usd=usd, percent=percent)
        yield from self._balance_low(money.equity_usd)

    @staticmethod
    def _loss(name: str, period: str, pnl_usd: Decimal, limits: Thresholds) -> tuple[Finding, ...]:
        level = limits.level(-pnl_usd)
        if level is Level.INFO:
            return ()
        text = (
            f"{period} P&L {pnl_usd:.2f} USD, limit -{limits.catastrophe or limits.limit(-pnl_usd):.2f} USD"
        )
        return found(name, level, text, answers=TOLD if name == "daily_loss" else NO_ENTRIES)

    def _balance_low(self, equity_usd: Decimal) -> tuple[Finding, ...]:
        least = self._balance_min_usd
        if equity_usd < least:
            text = f"equity {equity_usd:.2f} USD, at least {least:.2f} USD needed"
            return found("account_balance", Level.CATASTROPHE, text)
        if not self._balance.in_use:
            return ()
        text = f"equity {equity_usd:.2f} USD, limit {self._balance.limit(equity_usd):.2f} USD"
        return found("account_balance", self._balance.level(equity_usd), text)


def _fall(
    name: str, which: str, fall_usd: Decimal, equity_usd: Decimal, *, usd: Thresholds, percent: Thresholds
) -> Iterator[Finding]:
    if usd.in_use:
        text = f"{fall_usd:.2f} USD below the {which} peak, limit {usd.limit(fall_usd):.2f} USD"
        yield from found(name, usd.level(fall_usd), text)
    if percent.in_use:
        peak_usd = equity_usd + fall_usd
        share = fall_usd / peak_usd * PERCENT if peak_usd > 0 else PERCENT
        text = f"{share:.2f} % below the {which} peak, limit {percent.limit(share):.2f} %"
        yield from found(f"{name}_percent", percent.level(share), text)
