"""The mentor as a supervised child: reads the session's fills when asked, holds nothing."""

from typing import cast

from pydantic import BaseModel, ConfigDict

from mia_actors.core.session import SessionInfo
from mia_actors.core.trade_date import trade_date
from mia_actors.core.tradebook import TradeBook
from mia_actors.mentor.report import DailyReport, daily_report
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext

MARKET_FILE = "market.db"
FOREVER_NS = 1 << 62


class MentorSettings(BaseModel):
    """The mentor has no settings yet; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Mentor:
    """Tells what the executions of the session say."""

    Settings = MentorSettings

    def __init__(self, settings: MentorSettings, context: ChildContext) -> None:
        self._settings = settings
        self._session = cast("SessionInfo", context.session)

    def start(self) -> None:
        """Nothing to prepare: every report reads the journal anew."""

    def stop(self) -> None:
        """Nothing to release."""

    def report(self) -> DailyReport:
        """The report of the newest trade date in the journal."""
        with MarketJournal.open_readonly(self._session.path(MARKET_FILE)) as journal:
            fills = journal.fills(0, FOREVER_NS)
            last = journal.last_base_bar()
        day = trade_date(last.start_ns) if last else None
        closed = TradeBook.of(self._session.product, fills).closed_trades
        of_day = [trade for trade in closed if trade_date(trade.closed_at_ns - 1) == day]
        return daily_report(day.isoformat() if day else "no bars", of_day)
