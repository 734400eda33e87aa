"""The guardian's limits: every one with its unit, its bounds and a default that is on the safe side.

Thresholds are reached at their value. What a level asks for is told by the limit's family: `money`, `conduct`,
`market_limits`, `sources`. The defaults of limits on market time leave a replayed session as it is.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from mia_actors.guardian.levels import Level
from mia_actors.guardian.thresholds import FallingThresholds, Thresholds

HISTORY_S = 1800
"""Seconds of 5-second bars that a guardian asks for when it connects."""
PERCENT = Decimal(100)


class LevelWord(StrEnum):
    """A level as a configuration names it."""

    WARNING = "warning"
    CRITICAL = "critical"
    CATASTROPHE = "catastrophe"

    @property
    def level(self) -> Level:
        """The level named."""
        return Level[self.name]


class GuardianSettings(BaseModel):
    """Limits of one account; contradictory or absurd ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str = Field(default="guardian", description="Name under connections.")

    # Money, from fills and marks.
    daily_loss_limit_usd: Decimal = Field(
        default=Decimal(200), gt=0, le=500, description="Loss of a trade date that halts, USD."
    )
    warning_share: float = Field(default=0.5, gt=0, lt=1, description="Share of the daily loss that warns.")
    critical_share: float = Field(default=0.8, gt=0, lt=1, description="Share of it that is critical.")
    weekly_loss_usd: Thresholds = Field(
        default=Thresholds(), description="Loss of an exchange trade week, USD; critical: no entries."
    )
    session_drawdown_usd: Thresholds = Field(
        default=Thresholds(),
        description="Fall from the trade date's highest realised profit, USD; critical: no entries.",
    )
    session_drawdown_percent: Thresholds = Field(
        default=Thresholds(), description="The same in percent of the equity it fell from."
    )
    peak_drawdown_usd: Thresholds = Field(
        default=Thresholds(),
        description="Fall from the highest realised profit of the account's record, USD; critical: no entries.",
    )
    peak_drawdown_percent: Thresholds = Field(
        default=Thresholds(), description="The same in percent of the equity it fell from."
    )
    account_balance_min_usd: Decimal = Field(
        default=Decimal(1000), ge=0, le=10_000_000, description="Equity below which trading halts, USD."
    )
    account_balance_warning_usd: Decimal | None = Field(
        default=None, gt=0, le=10_000_000, description="Equity at which it warns, USD."
    )
    account_balance_critical_usd: Decimal | None = Field(
        default=None, gt=0, le=10_000_000, description="Equity at which entries end, USD."
    )

    # Conduct, from fills and order notices.
    position_contracts_max: int = Field(
        default=1, ge=1, le=2, description="Contracts; more than that is flattened."
    )
    position_contracts_warning: int | None = Field(
        default=None, ge=1, le=2, description="Contracts at which it warns."
    )
    position_contracts_catastrophe: int | None = Field(
        default=None, ge=2, le=100, description="Contracts at which it halts."
    )
    consecutive_losses_max: int = Field(
        default=5, ge=1, le=100, description="Losses in a row that pause new entries."
    )
    consecutive_losses_pause_s: float = Field(
        default=3600.0, gt=0, le=86_400, description="Length of that pause, market seconds."
    )
    consecutive_losses_warning: int | None = Field(
        default=None, ge=1, le=100, description="Losses in a row that warn."
    )
    consecutive_losses_catastrophe: int | None = Field(
        default=None, ge=1, le=100, description="Losses in a row that halt."
    )
    trades_per_hour_warning: int | None = Field(
        default=10, ge=1, le=1000, description="Round trips within an hour that are worth a warning."
    )
    trades_per_hour_critical: int | None = Field(
        default=None, ge=1, le=1000, description="Round trips within an hour that end entries."
    )
    trades_per_hour_catastrophe: int | None = Field(
        default=None, ge=1, le=1000, description="Round trips within an hour that halt."
    )
    slippage_ticks: Thresholds = Field(
        default=Thresholds(),
        description="Worst fill of an hour against its limit, stop or decided price, ticks; critical: no entries.",
    )
    orders_per_minute: Thresholds = Field(
        default=Thresholds(warning=Decimal(20), critical=Decimal(40), catastrophe=Decimal(120)),
        description="Orders of all clients within 60 s of arrival; critical: no entries.",
    )
    reject_percent: Thresholds = Field(
        default=Thresholds(warning=Decimal(10), critical=Decimal(30)),
        description="Rejected share of the orders of reject_window_s, percent; critical: no entries.",
    )
    reject_window_s: float = Field(
        default=600.0, gt=0, le=86_400, description="Length of that window, seconds."
    )
    reject_orders_min: int = Field(
        default=5, ge=1, le=1000, description="Orders within it below which the share says nothing."
    )

    # Market, from bars, quotes and calendars.
    volume_times_mean: Thresholds = Field(
        default=Thresholds(), description="Volume of a 5-second bar over the mean; critical: a pause."
    )
    volume_window_s: int = Field(
        default=600, ge=60, le=HISTORY_S - 600, description="Market seconds the mean is taken over."
    )
    volume_pause_s: float = Field(
        default=300.0, gt=0, le=86_400, description="Length of that pause, market seconds."
    )
    spread_ticks: Thresholds = Field(
        default=Thresholds(warning=Decimal(4)),
        description="Ask less bid, ticks; from warning on no entries until it is normal.",
    )
    feed_stall_s: Thresholds = Field(
        default=Thresholds(warning=Decimal(10), critical=Decimal(30)),
        description="Seconds without market data while the exchange is open; critical: no entries.",
    )
    close_of_session_min: FallingThresholds = Field(
        default=FallingThresholds(),
        description="Minutes before the session's close; warning: no entries, critical: made flat, "
        "catastrophe: halt if not flat.",
    )
    news_times: tuple[AwareDatetime, ...] = Field(
        default=(), max_length=10_000, description="Moments of scheduled news, with their time zone."
    )
    news_file: str | None = Field(
        default=None,
        min_length=1,
        description="File with one such moment a line; relative to supervision.yaml.",
    )
    news_before_min: float = Field(
        default=30.0, ge=0, le=1440, description="Minutes before news: no entries."
    )
    news_after_min: float = Field(default=30.0, ge=0, le=1440, description="Minutes after news: no entries.")

    # Sources and machinery, from the broker's word, the line and the tree.
    position_disagreement_readings: Thresholds = Field(
        default=Thresholds(critical=Decimal(3), catastrophe=Decimal(6)),
        description="Readings in a row in which the broker's position is not that of the executions.",
    )
    pnl_tolerance_usd: Decimal = Field(
        default=Decimal(100), gt=0, le=10_000_000, description="Own mark against the broker's, USD."
    )
    pnl_disagreement_readings: Thresholds = Field(
        default=Thresholds(warning=Decimal(3), critical=Decimal(20)),
        description="Readings in a row in which they differ by more; critical: no entries.",
    )
    equity_tolerance_usd: Decimal | None = Field(
        default=None,
        gt=0,
        le=10_000_000,
        description="Own equity against NetLiquidation, USD; null: not compared.",
    )
    equity_disagreement_readings: Thresholds = Field(
        default=Thresholds(warning=Decimal(3)), description="Readings in a row in which they differ by more."
    )
    debounce_readings: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Fresh readings in a row that a wide spread, or missing data, takes to count.",
    )
    connection_loss_s: Thresholds = Field(
        default=Thresholds(warning=Decimal(5), critical=Decimal(15)),
        description="Seconds without the guardian's broker connection; critical: no entries.",
    )
    restarts_per_hour: Thresholds = Field(
        default=Thresholds(warning=Decimal(5)), description="Restarts within the tree; critical: no entries."
    )
    quarantine_level: LevelWord | None = Field(
        default=LevelWord.WARNING, description="Level when a part of the tree is left down; null: not used."
    )
    escalation_level: LevelWord | None = Field(
        default=LevelWord.CATASTROPHE, description="Level when the tree gives up; null: not used."
    )

    # Permits and session.
    permit_ttl_s: float = Field(default=1.0, ge=0.05, le=30, description="Life of a permit.")
    permit_wait_s: float = Field(
        default=20.0, gt=0, le=120, description="Seconds a permit request waits for the market time it names."
    )
    connect_within_s: float = Field(default=30.0, gt=0, le=600, description="Seconds to get a session.")
    connect_timeout_s: float = Field(default=10.0, gt=0, le=120, description="Seconds for one attempt.")
    request_timeout_s: float = Field(default=20.0, gt=0, le=300, description="Seconds for one request.")
    roll_days: int = Field(
        default=8,
        ge=0,
        le=60,
        description="Days before expiry from which the next is traded where volumes do not decide.",
    )
    expiry_days_min: int = Field(
        default=2, ge=0, le=30, description="Days before expiry from which a contract is not chosen at all."
    )

    @property
    def daily_loss_usd(self) -> Thresholds:
        """Thresholds of the daily loss."""
        limit = self.daily_loss_limit_usd
        return Thresholds(
            warning=limit * Decimal(str(self.warning_share)),
            critical=limit * Decimal(str(self.critical_share)),
            catastrophe=limit,
        )

    @property
    def consecutive_losses(self) -> Thresholds:
        """Thresholds of losses in a row."""
        return _counts(
            self.consecutive_losses_warning, self.consecutive_losses_max, self.consecutive_losses_catastrophe
        )

    @property
    def trades_per_hour(self) -> Thresholds:
        """Thresholds of round trips within an hour."""
        return _counts(
            self.trades_per_hour_warning, self.trades_per_hour_critical, self.trades_per_hour_catastrophe
        )

    @property
    def position_contracts(self) -> Thresholds:
        """Thresholds of the position; CRITICAL begins one above the most that is allowed."""
        return _counts(
            self.position_contracts_warning,
            self.position_contracts_max + 1,
            self.position_contracts_catastrophe,
        )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.warning_share >= self.critical_share:
            raise ValueError(
                f"warning_share {self.warning_share} must be below critical_share {self.critical_share}"
            )
        self._rising("consecutive_losses", self.consecutive_losses_warning, self.consecutive_losses_max)
        self._rising("consecutive_losses", self.consecutive_losses_max, self.consecutive_losses_catastrophe)
        self._rising("trades_per_hour", self.trades_per_hour_warning, self.trades_per_hour_critical)
        self._rising(
            "trades_per_hour",
            self.trades_per_hour_critical or self.trades_per_hour_warning,
            self.trades_per_hour_catastrophe,
        )
        self._rising("position_contracts", self.position_contracts_warning, self.position_contracts_max + 1)
        self._rising(
            "position_contracts", self.position_contracts_max + 1, self.position_contracts_catastrophe
        )
        critical, warning = self.account_balance_critical_usd, self.account_balance_warning_usd
        self._rising("account_balance", self.account_balance_min_usd, critical)
        self._rising("account_balance", critical or self.account_balance_min_usd, warning)
        self._losses_agree()
        for name in ("session_drawdown_percent", "peak_drawdown_percent", "reject_percent"):
            for level, limit in getattr(self, name):
                if limit is not None and limit > PERCENT:
                    raise ValueError(f"{name}: {level} {limit} must be at most 100")
        return self

    def _losses_agree(self) -> None:
        """A wider limit that halts before a narrower one would never be reached, or never the narrower one."""
        weekly = self.weekly_loss_usd.catastrophe
        if weekly is not None and weekly < self.daily_loss_limit_usd:
            raise ValueError(
                f"weekly_loss_usd: catastrophe {weekly} must be at least "
                f"daily_loss_limit_usd {self.daily_loss_limit_usd}"
            )
        session, peak = self.session_drawdown_usd.catastrophe, self.peak_drawdown_usd.catastrophe
        if session is not None and peak is not None and peak < session:
            raise ValueError(
                f"peak_drawdown_usd: catastrophe {peak} must be at least session_drawdown_usd {session}"
            )

    @staticmethod
    def _rising(name: str, lower: Decimal | int | None, higher: Decimal | int | None) -> None:
        if lower is not None and higher is not None and lower >= higher:
            raise ValueError(f"{name}: {lower} must be below {higher}, in the order of their levels")

    def with_news(self, moments: tuple[datetime, ...]) -> Self:
        """The same limits with these moments of news in place of the file."""
        return self.model_copy(update={"news_times": (*self.news_times, *moments), "news_file": None})


def _counts(warning: int | None, critical: int | None, catastrophe: int | None) -> Thresholds:
    steps = (None if limit is None else Decimal(limit) for limit in (warning, critical, catastrophe))
    return Thresholds(**dict(zip(("warning", "critical", "catastrophe"), steps, strict=True)))
