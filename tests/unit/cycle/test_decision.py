from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.decisions import Decision, Outcome, Reason
from mia_actors.core.features import EnsembleVote, MarketRegime, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.core.tradebook import OpenTrade
from mia_actors.core.units import ES
from mia_actors.cycle.decision import Candidate, CycleInputs, DecisionCore, DecisionSettings
from tests.unit.cycle.situations import (
    CLOSE,
    HEARD,
    bar_ending,
    cycle_inputs,
    long_features,
    long_market,
    mirror_of,
    new_york_ns,
    short_market,
    vote,
)

Market = Mapping[Timeframe, TimeframeFeatures]
MINUTE_NS = 60 * 10**9
FLOW, BATTLE = long_features().flow, long_features().battle


def _core(**changes: Any) -> DecisionCore:
    return DecisionCore(DecisionSettings(**changes), ES)


def _candidate(core: DecisionCore, inputs: CycleInputs) -> Candidate:
    found = core.propose(inputs)
    assert isinstance(found, Candidate), found.detail
    return found


def _refusal(inputs: CycleInputs, **changes: Any) -> Decision:
    found = _core(**changes).propose(inputs)
    assert isinstance(found, Decision)
    return found


def _position(side: Side, opened: str) -> dict[str, Any]:
    trade = OpenTrade(
        side=side,
        quantity=1,
        quantity_max=1,
        entry_ref="MIA.ESZ3.20131008T140000.entry",
        opened_at_ns=new_york_ns(opened),
        cost_ticks=Decimal(CLOSE),
        entered=1,
        entered_ticks=Decimal(CLOSE),
        exited=0,
        exited_ticks=Decimal(0),
        commission_usd=Decimal(0),
    )
    return {"position_contracts": side.sign, "open_trade": trade}


@pytest.mark.parametrize(("market", "sign"), [(long_market(), 1), (short_market(), -1)])
def test_both_sides_are_entered_with_stop_and_target(market: Market, sign: int) -> None:
    """The base lies 8 ticks behind the close, so the stop 10; a weak trend pays 2.5 times that."""
    core, inputs = _core(), cycle_inputs(market)
    decision = core.conclude(inputs, _candidate(core, inputs), vote())
    assert (decision.outcome, decision.reason) == (Outcome.ENTERED, None)
    target = decision.target
    assert target is not None
    assert (target.net_contracts, target.target_id) == (sign, "ESZ3@20131008T140000Z")
    assert (target.stop_ticks, target.target_ticks) == (CLOSE - sign * 10, CLOSE + sign * 25)
    assert target.decided_at_ns == inputs.bar.end_ns
    assert "P(good) 0.720 > 0.60; stop 10, target 25 ticks" in decision.detail


@pytest.mark.parametrize(
    ("said", "reason", "detail"),
    [
        (None, Reason.ENSEMBLE_UNAVAILABLE, "no vote"),
        (vote(approved=False, answered=False), Reason.ENSEMBLE_UNAVAILABLE, "model a failed"),
        (vote(approved=False, p_good=0.41), Reason.ENSEMBLE_REJECTED, "P(good) 0.410, above 0.60 needed"),
    ],
)
def test_only_an_approval_of_the_ensemble_enters(
    said: EnsembleVote | None, reason: Reason, detail: str
) -> None:
    core, inputs = _core(), cycle_inputs()
    decision = core.conclude(inputs, _candidate(core, inputs), said)
    assert (decision.outcome, decision.reason, decision.target) == (Outcome.REFUSED, reason, None)
    assert detail in decision.detail
    assert (decision.proposal is not None, decision.vote) == (True, said)


@pytest.mark.parametrize(
    ("features", "changes", "reason", "detail"),
    [
        ({"battle": None, "flow": None}, {}, "no_strategy_signal", "no battle on 5m"),
        ({"flow": replace(FLOW, score=-0.7)}, {}, "strategies_disagree", "smart_money SELL"),  # type: ignore[type-var]
        ({"flow": None}, {"strategies_agree_min": 3}, "strategies_disagree", "3 on one side needed"),
        ({"vwap_trend": None, "volume_confirmation": None}, {}, "confluence_coverage", "0.37, at least 0.50"),
        ({"volume_confirmation": 0.0}, {"confluence_min": 0.7}, "confluence_too_low", "at least 0.70 needed"),
        ({}, {"confidence_min": 0.95}, "confidence_too_low", "at least 0.95 needed"),
        ({"atr_ticks": 20.5}, {}, "stop_too_wide", "stop 21 ticks, at most 20"),
        ({"market_regime": MarketRegime.RANGE}, {"risk_reward_min": 2.0}, "risk_reward_too_low", "1.50, at"),
        ({"atr_ticks": 13.0}, {}, "size_zero", "162.50 USD a contract, risk cap 150.00 USD: 0"),
    ],
)
@pytest.mark.parametrize("image", [dict, mirror_of])
def test_each_gate_says_no_in_numbers_for_both_sides(
    image: Any, features: dict[str, Any], changes: dict[str, Any], reason: str, detail: str
) -> None:
    decision = _refusal(cycle_inputs(image(long_market(**features))), **changes)
    assert (decision.reason, decision.target) == (reason, None)
    said = detail if image is dict else detail.replace("SELL", "BUY")
    assert said in decision.detail
    assert decision.outcome is (Outcome.NO_SIGNAL if reason == "no_strategy_signal" else Outcome.REFUSED)


@pytest.mark.parametrize(
    "missing", ["momentum", "volume_profile", "level_proximity", "regime_confidence", "volatility_regime"]
)
def test_an_absent_input_is_refused_and_never_neutral(missing: str) -> None:
    market = long_market(**{missing: None})
    decision = _refusal(cycle_inputs(market))
    assert decision.target is None
    if missing == "volatility_regime":  # without it only one strategy has a threshold left
        assert decision.reason is Reason.STRATEGIES_DISAGREE
    else:
        assert decision.reason is Reason.FEATURES_UNAVAILABLE
        assert decision.detail == "an input of the ensemble is unavailable"


def test_without_the_entry_timeframe_nothing_is_decided() -> None:
    others: Market = {frame: one for frame, one in long_market().items() if frame is not Timeframe.M5}
    assert _refusal(cycle_inputs(others)).reason is Reason.FEATURES_UNAVAILABLE


@pytest.mark.xfail(strict=True, reason="the age of the features is not looked at")
def test_features_of_an_hour_ago_are_refused() -> None:
    """After a gap in the feed the first bar closes the old bin: its readings are as old as the gap."""
    end_ns = new_york_ns("2013-10-08T11:36")
    before = bar_ending(end_ns - 90 * MINUTE_NS)
    inputs = cycle_inputs(at="2013-10-08T11:36", as_of="2013-10-08T10:10", previous_bar=before)
    assert isinstance(_core().propose(inputs), Decision)


@pytest.mark.parametrize(
    ("at", "enters"),
    [
        ("2013-10-08T09:30", False),
        ("2013-10-08T09:35", True),
        ("2013-10-08T15:40", True),
        ("2013-10-08T15:45", False),
        ("2013-10-08T20:00", False),
        ("2013-10-12T10:00", False),  # Saturday
        ("2013-12-25T10:00", False),
        ("2013-11-29T12:40", True),  # a half day ends three hours early
        ("2013-11-29T12:45", False),
    ],
)
def test_entries_are_for_trading_hours_only(at: str, enters: bool) -> None:  # noqa: FBT001 - a table
    found = _core().propose(cycle_inputs(at=at))
    assert isinstance(found, Candidate) is enters
    if isinstance(found, Decision):
        assert found.reason is Reason.OUTSIDE_TRADING_HOURS
        assert "New York: entries from 09:35 to " in found.detail


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"draining": True}, Reason.DRAINING),
        ({"closed": (Timeframe.M1,)}, Reason.ENTRY_TIMEFRAME_OPEN),
        ({"entries_today": 20}, Reason.TRADES_PER_DAY),
        ({"bar": replace(bar_ending(new_york_ns("2013-10-08T10:00")), low_ticks=6601)}, "data_integrity"),
        ({"previous_bar": bar_ending(new_york_ns("2013-10-08T10:00"))}, Reason.DATA_INTEGRITY),
        ({"day_pnl_usd": Decimal(-500)}, Reason.SIZE_ZERO),
        ({"equity_usd": Decimal(0)}, Reason.SIZE_ZERO),
    ],
)
def test_the_account_and_the_session_say_no_too(changes: dict[str, Any], reason: str) -> None:
    decision = _refusal(cycle_inputs(**changes))
    assert (decision.reason, decision.target) == (reason, None)


def test_a_profit_of_the_day_never_halts() -> None:
    """In the reference a gain above the loss limit triggered the emergency."""
    rich = cycle_inputs(day_pnl_usd=Decimal(100_000), equity_usd=Decimal(125_000), entries_today=19)
    assert _candidate(_core(), rich) == _candidate(_core(), cycle_inputs())


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("at", "opened", "changes", "reason"),
    [
        ("2013-10-08T15:54", "2013-10-08T15:00", {}, None),
        ("2013-10-08T15:55", "2013-10-08T15:00", {}, Reason.SESSION_ENDING),
        ("2013-10-08T18:05", "2013-10-08T18:00", {}, Reason.SESSION_ENDING),
        ("2013-10-09T09:34", "2013-10-09T09:30", {}, Reason.SESSION_ENDING),
        ("2013-11-29T12:54", "2013-11-29T12:00", {}, None),
        ("2013-11-29T12:55", "2013-11-29T12:00", {}, Reason.SESSION_ENDING),
        ("2013-10-08T12:04", "2013-10-08T10:05", {}, None),
        ("2013-10-08T12:05", "2013-10-08T10:05", {}, Reason.HOLDING_TIME_OVER),
        ("2013-10-08T11:00", "2013-10-08T10:05", {"draining": True}, Reason.DRAINING),
    ],
)
def test_a_position_is_closed_by_time_or_drain_and_otherwise_left_to_its_bracket(
    side: Side, at: str, opened: str, changes: dict[str, Any], reason: Reason | None
) -> None:
    """Never added to or turned, whatever the market says; flat five minutes before the session's end."""
    for market in (long_market(), short_market()):
        decision = _refusal(cycle_inputs(market, at=at, **_position(side, opened), **changes))
        if reason is None:
            assert (decision.outcome, decision.reason) == (Outcome.HOLDING, Reason.POSITION_OPEN)
            assert decision.target is None
        else:
            assert (decision.outcome, decision.reason) == (Outcome.EXITED, reason)
            assert decision.target is not None
            assert (decision.target.net_contracts, decision.target.stop_ticks) == (0, None)


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
    },
)


@settings(max_examples=300, deadline=None)
@given(changes=any_features, slow=scores)
def test_mirrored_features_give_the_mirrored_decision(changes: dict[str, Any], slow: float) -> None:
    """Same gate, same size, same confidence and the same vector; side, stop and target on the other side."""
    battle = replace(BATTLE, signal=slow)  # type: ignore[type-var]
    market = {frame: long_features(frame, battle=battle) for frame in HEARD}
    market[Timeframe.M5] = long_features(Timeframe.M5, **changes)
    core = _core(confluence_min=0.5, confidence_min=0.5)
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
