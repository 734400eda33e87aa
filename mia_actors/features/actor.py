"""The feature worker: one supervised child per timeframe."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import FEATURE_TIMEFRAMES, Timeframe
from mia_actors.features.catch_up import FeatureCatchUp
from mia_actors.features.window import WINDOW_BARS, WINDOW_BARS_MAX, WINDOW_BARS_MIN
from mia_actors.store.market_journal import MarketJournal
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry import conventions, tracing

if TYPE_CHECKING:
    from mia_actors.core.session import SessionInfo

MARKET_FILE = "market.db"


class FeatureSettings(BaseModel):
    """What one worker reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeframe: Timeframe = Field(description=f"Length of the bars read: {', '.join(FEATURE_TIMEFRAMES)}.")
    window_bars: int = Field(
        default=WINDOW_BARS,
        ge=WINDOW_BARS_MIN,
        le=WINDOW_BARS_MAX,
        description="Closed bars the readings look back on; models are trained with the default.",
    )

    @field_validator("timeframe")
    @classmethod
    def _is_read(cls, timeframe: Timeframe) -> Timeframe:
        if timeframe not in FEATURE_TIMEFRAMES:
            raise ValueError(f"{timeframe} bars are not read; allowed: {', '.join(FEATURE_TIMEFRAMES)}")
        return timeframe


class FeatureWorker:
    """Shell around `FeatureCatchUp`: whatever is asked of it is answered from the journal.

    A repeat is harmless, and so is a successor that never saw the bars arrive.
    """

    Settings = FeatureSettings

    def __init__(self, settings: FeatureSettings, context: ChildContext) -> None:
        self._settings = settings
        self._session: SessionInfo = context.session
        self._journal: MarketJournal | None = None
        self._catch_up: FeatureCatchUp | None = None

    def start(self) -> None:
        """Opens `market.db`, which the broker has created; the first question reads the window back.

        Raises:
            ConfigError: there is no journal to read.
        """
        self._journal = MarketJournal.open_readonly(self._session.path(MARKET_FILE))
        self._catch_up = FeatureCatchUp(self._journal, self._settings.timeframe, self._settings.window_bars)

    def stop(self) -> None:
        """Closes the journal."""
        if self._journal is not None:
            self._journal.close()

    def features_at(self, end_ns: int) -> TimeframeFeatures | None:
        """Features as of the last bar of the timeframe that closed at or before `end_ns`.

        Raises:
            DataStale: the journal does not reach `end_ns` yet.
        """
        if self._catch_up is None:
            raise RuntimeError("asked before start")
        with tracing.span(
            conventions.SPAN_EVALUATE_FEATURES,
            attributes={conventions.TIMEFRAME: self._settings.timeframe.value},
        ):
            return self._catch_up.features_at(end_ns)
