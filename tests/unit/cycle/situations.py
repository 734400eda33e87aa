"""A market in which everything speaks for a long, its mirror image, and what a decision looks at."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from mia_actors.core.clock import time_ns_of
from mia_actors.core.features import (
    BattleReading,
    EnsembleVote,
    FlowReading,
    MarketRegime,
    TimeframeFeatures,
    VolatilityRegime,
)
from mia_actors.core.ids import cycle_id
from mia_actors.core.market import Bar, Timeframe
from mia_actors.cycle.decision import CycleInputs

CLOSE = 6600
"""Also where prices are mirrored."""
HEARD = (Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4)
TUESDAY_TEN = "2013-10-08T10:00"


def new_york_ns(text: str) -> int:
    """A New York wall-clock time."""
    return time_ns_of(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/New_York")))


def bar_ending(end_ns: int, close: int = CLOSE, timeframe: Timeframe = Timeframe.M5) -> Bar:
    """A quiet bar."""
    return Bar(
        instrument="ESZ3",
        timeframe=timeframe,
        start_ns=end_ns - timeframe.ns,
        open_ticks=close,
        high_ticks=close + 2,
        low_ticks=close - 2,
        close_ticks=close,
        volume=1500,
    )


def long_features(timeframe: Timeframe = Timeframe.M5, **changes: Any) -> TimeframeFeatures:
    """Battle, flow, several timeframes and confluence all call for a long; stop 10 ticks by its base."""
    whole = TimeframeFeatures(
        timeframe=timeframe,
        as_of_ns=new_york_ns(TUESDAY_TEN),
        bars_count=120,
        close_ticks=CLOSE,
        atr_ticks=6.0,
        volatility_ratio=1.0,
        volatility_regime=VolatilityRegime.NORMAL,
        market_regime=MarketRegime.WEAK_TREND,
        regime_direction=1,
        regime_confidence=0.8,
        battle=BattleReading(
            signal=0.6,
            confidence=0.7,
            outcome=0.6,
            continuation=0.4,
            base_quality=0.7,
            base_low_ticks=CLOSE - 8,
            base_high_ticks=CLOSE - 3,
            golden_rule_holds=True,
        ),
        flow=FlowReading(flow=0.7, intensity=0.8, persistence=0.8, score=0.7, confidence=0.6, estimated=True),
        momentum=0.4,
        volume_confirmation=0.6,
        vwap_trend=0.6,
        pattern_strength=0.5,
        volume_profile=0.3,
        support_ticks=CLOSE - 8,
        resistance_ticks=CLOSE + 20,
        level_proximity=0.3,
        headfake=0.0,
        relative_volume=1.0,
        session_range_ticks=60,
        lowest_ticks=CLOSE - 30,
        highest_ticks=CLOSE + 10,
    )
    return replace(whole, **changes)


def mirrored(one: TimeframeFeatures) -> TimeframeFeatures:
    """The readings of the same bars with every price mirrored at `CLOSE`."""

    def price(ticks: int | None) -> int | None:
        return None if ticks is None else 2 * CLOSE - ticks

    def negated(value: float | None) -> float | None:
        return None if value is None else -value

    battle, flow = one.battle, one.flow
    if battle is not None:
        battle = replace(
            battle,
            signal=-battle.signal,
            outcome=-battle.outcome,
            continuation=-battle.continuation,
            base_low_ticks=price(battle.base_high_ticks),
            base_high_ticks=price(battle.base_low_ticks),
        )
    if flow is not None:
        flow = replace(flow, flow=-flow.flow, score=-flow.score)
    return replace(
        one,
        close_ticks=2 * CLOSE - one.close_ticks,
        regime_direction=-one.regime_direction,
        battle=battle,
        flow=flow,
        momentum=negated(one.momentum),
        vwap_trend=negated(one.vwap_trend),
        pattern_strength=negated(one.pattern_strength),
        volume_profile=negated(one.volume_profile),
        support_ticks=price(one.resistance_ticks),
        resistance_ticks=price(one.support_ticks),
        headfake=negated(one.headfake),
        lowest_ticks=price(one.highest_ticks),
        highest_ticks=price(one.lowest_ticks),
    )


def long_market(**changes: Any) -> dict[Timeframe, TimeframeFeatures]:
    """The features of all timeframes heard; `changes` to the entry timeframe only."""
    market = {timeframe: long_features(timeframe) for timeframe in HEARD}
    return market | {Timeframe.M5: long_features(Timeframe.M5, **changes)}


def short_market(**changes: Any) -> dict[Timeframe, TimeframeFeatures]:
    """The mirror image of `long_market`."""
    return mirror_of(long_market(**changes))


def mirror_of(market: Mapping[Timeframe, TimeframeFeatures]) -> dict[Timeframe, TimeframeFeatures]:
    """Every timeframe mirrored."""
    return {timeframe: mirrored(one) for timeframe, one in market.items()}


def cycle_inputs(
    features: Mapping[Timeframe, TimeframeFeatures] | None = None,
    *,
    at: str = TUESDAY_TEN,
    as_of: str | None = None,
    **changes: Any,
) -> CycleInputs:
    """A flat account at the close of a 5-minute bar; the features are as of then unless told otherwise."""
    end_ns = new_york_ns(at)
    as_of_ns = new_york_ns(as_of or at)
    market = long_market() if features is None else features
    whole = CycleInputs(
        cycle_id=cycle_id("ESZ3", end_ns),
        bar=bar_ending(end_ns),
        previous_bar=bar_ending(end_ns - Timeframe.M5.ns),
        features={frame: replace(one, as_of_ns=as_of_ns) for frame, one in market.items()},
        closed=(Timeframe.M5,),
        position_contracts=0,
        open_trade=None,
        closed_trades=(),
        entries_today=(),
        equity_usd=Decimal(25_000),
        day_pnl_usd=Decimal(0),
        draining=False,
        traded_by_others=False,
    )
    return replace(whole, **changes)


def vote(*, approved: bool = True, p_good: float = 0.72, answered: bool = True) -> EnsembleVote:
    """The ensemble's answer; `answered` false is how it tells an error."""
    return EnsembleVote(
        approved=approved,
        p_good=p_good,
        p_good_by_model=(("a", p_good), ("b", p_good), ("c", p_good)) if answered else (),
        agreement=1.0,
        threshold=0.6,
        model_version="test",
        cached=False,
        reason=f"P(good) {p_good:.3f}, above 0.60 needed" if answered else "model a failed",
    )
