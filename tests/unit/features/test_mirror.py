from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mia_actors.core.features import TimeframeFeatures
from mia_actors.core.market import Timeframe
from mia_actors.features.evaluate import evaluate
from mia_actors.features.window import BarWindow

Prices = tuple[int, int, int, int, int]
MIRROR = 13_333
SIGNED = ("momentum", "vwap_trend", "pattern_strength", "volume_profile", "headfake")
UNSIGNED = (
    "atr_ticks",
    "volatility_ratio",
    "volatility_regime",
    "market_regime",
    "regime_confidence",
    "volume_confirmation",
    "level_proximity",
    "relative_volume",
    "session_range_ticks",
    "bars_count",
    "as_of_ns",
)
KEEP_FIXTURES = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _mirrored(rows: Sequence[Prices]) -> list[Prices]:
    return [
        (MIRROR - opened, MIRROR - low, MIRROR - high, MIRROR - close, volume)
        for opened, high, low, close, volume in rows
    ]


def _negated(value: float | None) -> float | None:
    return None if value is None else -value


def _flipped(price: int | None) -> int | None:
    return None if price is None else MIRROR - price


def _assert_mirrored(one: TimeframeFeatures, other: TimeframeFeatures) -> None:
    for name in SIGNED:
        assert getattr(other, name) == _negated(getattr(one, name)), name
    for name in UNSIGNED:
        assert getattr(other, name) == getattr(one, name), name
    assert other.regime_direction == -one.regime_direction
    assert other.close_ticks == MIRROR - one.close_ticks
    assert other.support_ticks == _flipped(one.resistance_ticks)
    assert other.resistance_ticks == _flipped(one.support_ticks)
    assert other.lowest_ticks == _flipped(one.highest_ticks)
    assert other.highest_ticks == _flipped(one.lowest_ticks)
    assert (other.battle is None) == (one.battle is None)
    if one.battle and other.battle:
        for name in ("signal", "outcome", "continuation"):
            assert getattr(other.battle, name) == -getattr(one.battle, name), name
        for name in ("confidence", "base_quality", "golden_rule_holds"):
            assert getattr(other.battle, name) == getattr(one.battle, name), name
        assert other.battle.base_low_ticks == _flipped(one.battle.base_high_ticks)
        assert other.battle.base_high_ticks == _flipped(one.battle.base_low_ticks)
    assert (other.flow is None) == (one.flow is None)
    if one.flow and other.flow:
        for name in ("flow", "score"):
            assert getattr(other.flow, name) == -getattr(one.flow, name), name
        for name in ("intensity", "persistence", "confidence", "estimated"):
            assert getattr(other.flow, name) == getattr(one.flow, name), name


def _bar_rows() -> st.SearchStrategy[list[tuple[int, int, int, int, int]]]:
    row = st.tuples(
        st.integers(-4, 4), st.integers(-9, 9), st.integers(0, 6), st.integers(0, 6), st.integers(0, 5000)
    )
    return st.lists(row, min_size=1, max_size=60)


def _prices(rows: Sequence[tuple[int, int, int, int, int]]) -> list[Prices]:
    prices: list[Prices] = []
    close = 6600
    for gap, body, above, below, volume in rows:
        opened = close + gap
        close = opened + body
        prices.append((opened, max(opened, close) + above, min(opened, close) - below, close, volume))
    return prices


@KEEP_FIXTURES
@given(rows=_bar_rows())
def test_mirrored_bars_give_mirrored_readings(
    make_window: Callable[..., BarWindow], rows: list[tuple[int, int, int, int, int]]
) -> None:
    prices = _prices(rows)
    _assert_mirrored(evaluate(make_window(prices)), evaluate(make_window(_mirrored(prices))))


@KEEP_FIXTURES
@given(seed=st.integers(0, 10**6), count=st.integers(20, 200), timeframe=st.sampled_from(list(Timeframe)))
def test_mirrored_long_walks_give_mirrored_readings(
    make_window: Callable[..., BarWindow],
    walk: Callable[[int, int], list[Prices]],
    seed: int,
    count: int,
    timeframe: Timeframe,
) -> None:
    """Enough bars for every reading, on every bar length."""
    prices = walk(seed, count)
    one = evaluate(make_window(prices, timeframe))
    _assert_mirrored(one, evaluate(make_window(_mirrored(prices), timeframe)))


def test_each_signed_reading_takes_both_signs(
    make_window: Callable[..., BarWindow], walk: Callable[[int, int], list[Prices]]
) -> None:
    """The mirror tests would pass on readings that are always 0 or None; these are not."""
    taken: dict[str, set[int]] = {}
    for seed in range(60):
        features = evaluate(make_window(walk(seed, 130)))
        assert features.battle is not None
        assert features.flow is not None
        values = {name: getattr(features, name) for name in SIGNED}
        values["battle"] = features.battle.signal
        values["continuation"] = features.battle.continuation
        values["flow"] = features.flow.score
        values["direction"] = float(features.regime_direction)
        for name, value in values.items():
            assert value is not None, name
            assert -1 <= value <= 1, name
            taken.setdefault(name, set()).add((value > 0) - (value < 0))
    assert {name: signs >= {1, -1} for name, signs in taken.items()} == dict.fromkeys(taken, True)
