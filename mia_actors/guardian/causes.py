"""Whether the limit that halted an account is broken still, by executions alone: no broker, no market. Pure.

Left out is whatever needs the account's equity, a price or a time of arrival; the account is flat.
"""

from collections.abc import Iterator
from decimal import Decimal

from mia_actors.core.clock import iso_utc
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.core.units import Product
from mia_actors.guardian.account_book import AccountBook, week_of
from mia_actors.guardian.conduct import TradingLimits
from mia_actors.guardian.levels import Demand, Finding
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.memory import Memory
from mia_actors.guardian.money import Money, MoneyLimits
from mia_actors.guardian.thresholds import Thresholds

UNKNOWN = Decimal(0)
WITHOUT_EQUITY = {
    "session_drawdown_percent": Thresholds(),
    "peak_drawdown_percent": Thresholds(),
    "account_balance_min_usd": UNKNOWN,
    "account_balance_warning_usd": None,
    "account_balance_critical_usd": None,
}


def standing_causes(
    memory: Memory, settings: GuardianSettings, product: Product, *, now_ns: int
) -> tuple[str, ...]:
    """A sentence for each limit that would latch again at once; what ends with the trade date says when that is."""
    day = trade_date(now_ns)
    book = AccountBook(product, memory)
    ends = iso_utc(session_bounds_ns(day)[1])
    return tuple(
        f"{finding.text}; the trade date ends at {ends}"
        for finding in _findings(book, settings.model_copy(update=WITHOUT_EQUITY), now_ns)
        if finding.demand >= Demand.FLATTEN
    )


def _findings(book: AccountBook, settings: GuardianSettings, now_ns: int) -> Iterator[Finding]:
    day = trade_date(now_ns)
    total_usd = book.realized_usd
    money = Money(
        day_pnl_usd=total_usd - book.realized_before_usd(day),
        week_pnl_usd=total_usd - book.realized_before_usd(week_of(day)),
        equity_usd=UNKNOWN,
        below_session_peak_usd=max(Decimal(0), book.peak_usd(day) - total_usd),
        below_peak_usd=max(Decimal(0), book.peak_usd() - total_usd),
    )
    yield from MoneyLimits(settings).findings(money)
    yield from TradingLimits(settings).findings(book, now_ns, day)
