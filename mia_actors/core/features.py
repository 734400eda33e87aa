"""What a timeframe worker says of its bars, and what strategies make of it.

Absent is unavailable: a reading that could not be computed is None, never a neutral number. Directional
readings are signed in [-1, 1]: mirrored bars give the same magnitude with the other sign.
"""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side


class VolatilityRegime(StrEnum):
    """Volatility against its own recent history."""

    LOW = "low"
    NORMAL = "normal"
    TRANSITIONING = "transitioning"
    HIGH = "high"
    EXTREME = "extreme"


class MarketRegime(StrEnum):
    """Structure of the recent swings."""

    STRONG_TREND = "strong_trend"
    WEAK_TREND = "weak_trend"
    RANGE = "range"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True, kw_only=True)
class BattleReading:
    """Battle Navale on one timeframe (domain section 3), signed."""

    signal: float
    """2·(0.40·outcome + 0.35·continuation + 0.25·base - 0.5), in [-1, 1]; positive: buyers are winning."""
    confidence: float
    """In [0, 1]."""
    outcome: float
    """Signed share of the battle: +1 all buyers, -1 all sellers."""
    continuation: float
    """Signed golden rule: positive while the up-trend's green bases hold."""
    base_quality: float
    """Quality of the latest base in [0, 1]; 0 when there is none."""
    base_low_ticks: int | None
    base_high_ticks: int | None
    golden_rule_holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowReading:
    """Order flow of one timeframe; `estimated` when the feed has no aggressor side and bars stand in."""

    flow: float
    """Net flow in [-1, 1]."""
    intensity: float
    """In [0, 1]."""
    persistence: float
    """Share of the last five flows with the sign of the last, in [0, 1]."""
    score: float
    """Signed smart-money score in [-1, 1]; bonuses carry the sign of the flow."""
    confidence: float
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeframeFeatures:
    """All readings of one timeframe as of the end of its last closed bar.

    A None means: not enough bars, or the input does not exist in this feed.
    """

    timeframe: Timeframe
    as_of_ns: int
    bars_count: int
    """Closed bars in the window the readings were taken from."""
    close_ticks: int
    atr_ticks: float | None
    """Mean true range of the last 20 bars."""
    volatility_ratio: float | None
    """Last true range mean (5 bars) over the long mean (20 bars)."""
    volatility_regime: VolatilityRegime | None
    market_regime: MarketRegime | None
    regime_direction: int
    """+1 up-trend, -1 down-trend, 0 otherwise."""
    regime_confidence: float | None
    battle: BattleReading | None
    flow: FlowReading | None
    momentum: float | None
    """Signed in [-1, 1]."""
    volume_confirmation: float | None
    """In [0, 1], unsigned."""
    vwap_trend: float | None
    """Signed in [-1, 1]."""
    pattern_strength: float | None
    """Signed in [-1, 1]."""
    volume_profile: float | None
    """Signed in [-1, 1]: where the value migrates."""
    support_ticks: int | None
    resistance_ticks: int | None
    level_proximity: float | None
    """In [0, 1]: 1 at the nearest support or resistance."""
    headfake: float | None = None
    """Signed in [-1, 1]: positive where sellers were trapped below the last extreme, negative for buyers."""
    relative_volume: float | None = None
    """Volume of the last bar over the mean of the ten before it."""
    session_range_ticks: int | None = None
    """High less low of the trade date so far."""
    lowest_ticks: int | None = None
    """Lowest low of the 30 bars the market regime is read from."""
    highest_ticks: int | None = None
    """Highest high of the same bars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """Distances from the close that a strategy asks for: its stop is beyond the structure, its target before it."""

    stop_ticks: int
    target_ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyReading:
    """One strategy's word on the market: a signed score and what it rests on."""

    strategy: str
    score: float
    """Signed in [-1, 1]."""
    confidence: float
    """In [0, 1]."""
    threshold: float
    """The |score| this strategy wants before it calls a side."""
    side: Side | None
    """Set when the score is beyond the threshold."""
    available: bool
    reason: str
    """Why it called, did not call, or is unavailable; quotes the numbers and thresholds used."""
    plan: EntryPlan | None = None
    """Where its stop and target would stand, if it says; see `risk.brackets.planned`."""


ENSEMBLE_SCHEMA_VERSION = 1
ENSEMBLE_FEATURES = (
    "momentum_flow",
    "trend_alignment",
    "volume_profile",
    "support_resistance",
    "confluence_score",
    "market_regime_score",
    "volatility_regime",
    "time_factor",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleVector:
    """The eight ensemble features, in the order of `ENSEMBLE_FEATURES`, each in [0, 1].

    Directional ones are taken relative to the side proposed, so that a long and its mirrored short give the
    same vector.
    """

    values: tuple[float, ...]
    schema_version: int = ENSEMBLE_SCHEMA_VERSION

    def __post_init__(self) -> None:
        if len(self.values) != len(ENSEMBLE_FEATURES):
            raise ValueError(
                f"an ensemble vector has {len(ENSEMBLE_FEATURES)} values, not {len(self.values)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleVote:
    """The ensemble's answer. `approved` only when the weighted P(good) is above the threshold."""

    approved: bool
    p_good: float
    """Weighted mean of the models' P(good)."""
    p_good_by_model: tuple[tuple[str, float], ...]
    agreement: float
    """1 - (max - min) of the models' P(good)."""
    threshold: float
    model_version: str
    cached: bool
    reason: str
