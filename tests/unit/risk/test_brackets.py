import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.features import BattleReading, MarketRegime, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.risk.brackets import bracket

CLOSE = 6600


def _battle(quality: float, low: int | None = None, high: int | None = None) -> BattleReading:
    return BattleReading(
        signal=0.0,
        confidence=0.5,
        outcome=0.0,
        continuation=0.0,
        base_quality=quality,
        base_low_ticks=low,
        base_high_ticks=high,
        golden_rule_holds=True,
    )


def _features(
    regime: MarketRegime | None = MarketRegime.WEAK_TREND,
    volatility: VolatilityRegime | None = VolatilityRegime.NORMAL,
    *,
    atr: float | None = None,
    battle: BattleReading | None = None,
) -> TimeframeFeatures:
    return TimeframeFeatures(
        timeframe=Timeframe.M5,
        as_of_ns=0,
        bars_count=100,
        close_ticks=CLOSE,
        atr_ticks=atr,
        volatility_ratio=None,
        volatility_regime=volatility,
        market_regime=regime,
        regime_direction=0,
        regime_confidence=None,
        battle=battle,
        flow=None,
        momentum=None,
        volume_confirmation=None,
        vwap_trend=None,
        pattern_strength=None,
        volume_profile=None,
        support_ticks=None,
        resistance_ticks=None,
        level_proximity=None,
    )


@pytest.mark.parametrize(
    ("regime", "stop", "target"),
    [
        (MarketRegime.STRONG_TREND, 8, 20),
        (MarketRegime.WEAK_TREND, 8, 20),
        (MarketRegime.RANGE, 4, 6),
        (MarketRegime.UNCLEAR, 6, 12),
        (None, 6, 12),
    ],
)
def test_the_regime_gives_stop_and_reward(regime: MarketRegime | None, stop: int, target: int) -> None:
    found = bracket(_features(regime), Side.BUY, 0.7)
    assert (found.stop_ticks, found.target_ticks) == (stop, target)


@pytest.mark.parametrize(
    ("volatility", "stop"),
    [("low", 7), ("normal", 8), ("transitioning", 10), ("high", 12), ("extreme", 16)],
)
def test_volatility_widens_the_stop_and_the_target_with_it(volatility: str, stop: int) -> None:
    """8 ticks by 0.8, 1.0, 1.2, 1.5 and 2.0, rounded up; in the reference high volatility changed nothing."""
    found = bracket(_features(volatility=VolatilityRegime(volatility)), Side.SELL, 0.7)
    assert (found.stop_ticks, found.target_ticks) == (stop, -(-stop * 5 // 2))


def test_a_good_base_tightens_the_stop_by_a_fifth() -> None:
    assert bracket(_features(battle=_battle(0.81)), Side.BUY, 0.7).stop_ticks == 7
    assert bracket(_features(battle=_battle(0.80)), Side.BUY, 0.7).stop_ticks == 8


def test_the_stop_is_never_inside_one_mean_true_range() -> None:
    assert bracket(_features(atr=9.3), Side.BUY, 0.7).stop_ticks == 10
    assert bracket(_features(atr=7.9), Side.BUY, 0.7).stop_ticks == 8


@pytest.mark.parametrize(
    ("low", "high", "side", "stop"),
    [
        (6588, 6595, Side.BUY, 14),  # base 12 under the close, and two ticks
        (6588, 6595, Side.SELL, 8),  # a base below protects no short
        (6605, 6611, Side.SELL, 13),
        (6605, 6611, Side.BUY, 8),
        (6598, 6602, Side.BUY, 8),  # two and two: the regime's stop is beyond it already
        (None, None, Side.BUY, 8),
    ],
)
def test_the_stop_is_two_ticks_beyond_the_base_that_protects(
    low: int | None, high: int | None, side: Side, stop: int
) -> None:
    assert bracket(_features(battle=_battle(0.5, low, high)), side, 0.7).stop_ticks == stop


def test_strong_confluence_moves_the_target_not_the_stop() -> None:
    ordinary, strong = (bracket(_features(), Side.BUY, value) for value in (0.80, 0.81))
    assert (ordinary.stop_ticks, ordinary.target_ticks) == (8, 20)
    assert (strong.stop_ticks, strong.target_ticks) == (8, 24)
    assert strong.reward_over_risk == 3


@given(
    regime=st.sampled_from((None, *MarketRegime)),
    volatility=st.sampled_from((None, *VolatilityRegime)),
    atr=st.none() | st.floats(0, 60),
    quality=st.floats(0, 1),
    base=st.none() | st.tuples(st.integers(-40, 40), st.integers(0, 20)),
    confluence=st.floats(0.5, 1),
)
def test_a_long_and_its_mirrored_short_have_the_same_bracket(
    regime: MarketRegime | None,
    volatility: VolatilityRegime | None,
    atr: float | None,
    quality: float,
    base: tuple[int, int] | None,
    confluence: float,
) -> None:
    """Prices mirrored at the close: what was the base's low is the mirrored base's high."""
    low, high = (base[0], base[0] + base[1]) if base else (0, 0)
    here = _battle(quality, CLOSE + low, CLOSE + high) if base else _battle(quality)
    there = _battle(quality, CLOSE - high, CLOSE - low) if base else _battle(quality)
    long = bracket(_features(regime, volatility, atr=atr, battle=here), Side.BUY, confluence)
    short = bracket(_features(regime, volatility, atr=atr, battle=there), Side.SELL, confluence)
    assert long == short
    assert long.stop_ticks >= max(1, atr or 0)
    assert long.reward_over_risk >= 1.5
    if low < 0 and base:
        assert long.stop_ticks >= -low + 2
