from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.decisions import Decision
from mia_actors.core.features import MarketRegime, VolatilityRegime
from mia_actors.core.market import Timeframe
from mia_actors.core.units import ES
from mia_actors.cycle.decision import DecisionCore, DecisionSettings
from mia_actors.strategies.registry import BUILT_IN, DEFAULT
from tests.unit.cycle.situations import CLOSE, HEARD, cycle_inputs, long_features, mirror_of, vote

FLOW, BATTLE = long_features().flow, long_features().battle
signed = st.none() | st.floats(-1, 1)
share = st.none() | st.floats(0, 1)
scores = st.sampled_from((0.3, 0.6, 0.9, 0.0, -0.6))
any_features = st.fixed_dictionaries(
    {},
    optional={
        "battle": st.none() | st.builds(lambda signal: replace(BATTLE, signal=signal), scores),  # type: ignore[type-var]
        "flow": st.none() | st.builds(lambda score: replace(FLOW, score=score), scores),  # type: ignore[type-var]
        "momentum": signed,
        "vwap_trend": signed,
        "pattern_strength": signed,
        "volume_profile": signed,
        "volume_confirmation": share,
        "level_proximity": share,
        "regime_confidence": share,
        "regime_direction": st.sampled_from((-1, 0, 1)),
        "volatility_regime": st.none() | st.sampled_from(VolatilityRegime),
        "market_regime": st.none() | st.sampled_from(MarketRegime),
        "atr_ticks": st.none() | st.floats(1, 24),
        "headfake": signed,
        "support_ticks": st.none() | st.integers(CLOSE - 30, CLOSE),
        "resistance_ticks": st.none() | st.integers(CLOSE, CLOSE + 30),
        "lowest_ticks": st.none() | st.integers(CLOSE - 60, CLOSE),
        "highest_ticks": st.none() | st.integers(CLOSE, CLOSE + 60),
    },
)

ASKED: tuple[dict[str, Any], ...] = (
    {"strategies": DEFAULT},
    {"strategies": tuple(BUILT_IN)},
    *({"strategies": (name,), "strategies_agree_min": 1} for name in BUILT_IN if name not in DEFAULT),
)


@settings(max_examples=300, deadline=None)
@given(changes=any_features, slow=scores, asked=st.sampled_from(ASKED))
def test_mirrored_features_give_the_mirrored_decision(
    changes: dict[str, Any], slow: float, asked: dict[str, Any]
) -> None:
    """Same gate, same size, same confidence and the same vector; side, stop and target on the other side."""
    battle = replace(BATTLE, signal=slow)  # type: ignore[type-var]
    market = {frame: long_features(frame, battle=battle) for frame in HEARD}
    market[Timeframe.M5] = long_features(Timeframe.M5, **changes)
    core = DecisionCore(DecisionSettings(confluence_min=0.5, confidence_min=0.5, **asked), ES)
    here, there = cycle_inputs(market), cycle_inputs(mirror_of(market))
    one, other = core.propose(here), core.propose(there)
    if isinstance(one, Decision) or isinstance(other, Decision):
        assert isinstance(one, Decision)
        assert isinstance(other, Decision)
        assert (one.outcome, one.reason) == (other.outcome, other.reason)
        return
    assert replace(one.proposal, side=one.proposal.side.opposite) == other.proposal
    first, second = core.conclude(here, one, vote()).target, core.conclude(there, other, vote()).target
    assert first is not None
    assert second is not None
    assert first.stop_ticks is not None
    assert first.target_ticks is not None
    assert first.net_contracts == -second.net_contracts != 0
    assert (2 * CLOSE - first.stop_ticks, 2 * CLOSE - first.target_ticks) == (
        second.stop_ticks,
        second.target_ticks,
    )
    assert (CLOSE - first.stop_ticks) * first.net_contracts > 0
