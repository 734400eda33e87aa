from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from mia_actors.core.decisions import Decision, Outcome, Reason
from mia_actors.core.features import EnsembleVote, MarketRegime, TimeframeFeatures, VolatilityRegime
from mia_actors.core.market import Timeframe
from mia_actors.core.orders import Side
from mia_actors.core.tradebook import ClosedTrade, OpenTrade
from mia_actors.core.units import ES
from mia_actors.cycle.decision import Candidate, CycleInputs, DecisionCore, DecisionSettings
from mia_actors.risk.allocation import Entry
from tests.unit.cycle.situations import (
    CLOSE,
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

ENTRIES = tuple(
    Entry(event_time_ns=number, strategies=("smart_money",), risk_usd=Decimal(100)) for number in range(20)
)


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
        assert decision.detail == "an input of the ensemble or of the stop is unavailable"


def test_without_the_entry_timeframe_nothing_is_decided() -> None:
    others: Market = {frame: one for frame, one in long_market().items() if frame is not Timeframe.M5}
    assert _refusal(cycle_inputs(others)).reason is Reason.FEATURES_UNAVAILABLE


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
        ({"entries_today": ENTRIES}, Reason.TRADES_PER_DAY),
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
    rich = cycle_inputs(day_pnl_usd=Decimal(100_000), equity_usd=Decimal(125_000), entries_today=ENTRIES[:19])
    assert _candidate(_core(), rich).proposal == _candidate(_core(), cycle_inputs()).proposal


def _closed(net: int, quantity: int = 1) -> ClosedTrade:
    return ClosedTrade(
        instrument="ESZ3",
        side=Side.BUY,
        quantity=quantity,
        entry_ref="a",
        exit_ref="b",
        opened_at_ns=0,
        closed_at_ns=1,
        entry_price_ticks=Decimal(CLOSE),
        exit_price_ticks=Decimal(CLOSE),
        gross_usd=Decimal(net),
        commission_usd=Decimal(0),
    )


@pytest.mark.parametrize(
    ("record", "regime", "said"),
    [
        ([_closed(-100)] * 30, "normal", "kelly 0.000"),
        # 75 USD a contract against 100: a larger size is no better result.
        ([_closed(150, 2), _closed(-100)] * 15, "normal", "payoff 0.75, n=30"),
        ([_closed(150), _closed(-100)] * 15, "extreme", "kelly 0.167 (win rate 0.50, payoff 1.50, n=30)"),
        ([_closed(150), _closed(-100)] * 15, "extreme", "x gamma 1.0 x volatility 0.5"),
    ],
)
def test_the_record_and_the_volatility_reach_the_size(
    record: list[ClosedTrade], regime: str, said: str
) -> None:
    """In extreme volatility the stop of 16 ticks, 200 USD, is more than one trade may risk."""
    market = long_market(volatility_regime=VolatilityRegime(regime))
    decision = _refusal(cycle_inputs(market, closed_trades=record))
    assert decision.reason is Reason.SIZE_ZERO
    assert said in decision.detail


@pytest.mark.parametrize("held", [0, 1, -1])
def test_after_an_execution_of_somebody_else_s_all_that_is_ours_is_closed(held: int) -> None:
    """Also when flat by then, and whatever the bar is like: what is left of the bracket would open a position."""
    odd_bar = replace(bar_ending(new_york_ns("2013-10-08T10:00")), low_ticks=6601)
    found = _core().propose(cycle_inputs(traded_by_others=True, position_contracts=held, bar=odd_bar))
    assert isinstance(found, Decision)
    assert (found.outcome, found.reason) == (Outcome.EXITED, Reason.TRADED_BY_OTHERS)
    assert found.target is not None
    assert found.target.net_contracts == 0


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


# Gates, kept with the decision.


def test_a_refusal_keeps_the_gates_it_passed_and_the_one_that_said_no() -> None:
    found = _refusal(cycle_inputs(), confidence_min=0.99)
    passed = [gate.reason for gate in found.gates if gate.passed]
    assert passed == [
        Reason.DATA_INTEGRITY,
        Reason.OUTSIDE_TRADING_HOURS,
        Reason.ENTRY_TIMEFRAME_OPEN,
        Reason.FEATURES_UNAVAILABLE,
        Reason.FEATURES_UNAVAILABLE,
        Reason.NO_STRATEGY_SIGNAL,
        Reason.STRATEGIES_DISAGREE,
        Reason.CONFLUENCE_COVERAGE,
        Reason.CONFLUENCE_TOO_LOW,
    ]
    last = found.gates[-1]
    assert (last.reason, last.passed, last.wanted) == (Reason.CONFIDENCE_TOO_LOW, False, "at least 0.99")
    assert last.found in found.detail


def test_an_entry_keeps_every_gate_with_its_threshold() -> None:
    core, inputs = _core(), cycle_inputs()
    found = core.conclude(inputs, _candidate(core, inputs), vote())
    assert all(gate.passed for gate in found.gates)
    assert (found.gates[-1].reason, found.gates[-1].wanted) == (Reason.ENSEMBLE_REJECTED, "above 0.60")


def test_a_warning_about_the_data_is_kept_and_stops_nothing() -> None:
    core = _core()
    inputs = cycle_inputs(long_market(relative_volume=11.0))
    found = core.conclude(inputs, _candidate(core, inputs), vote())
    assert found.notes == ("volume 11.0 times the mean of ten bars, more than 10",)


# Allocation and session.


def test_a_strategy_that_has_risked_its_share_enters_no_more() -> None:
    """100 USD each of 20 entries, and 125 USD for this one, shared by three."""
    shares = {"smart_money": Decimal("0.2")}
    found = _refusal(cycle_inputs(entries_today=ENTRIES[:1]), allocation=shares)
    assert found.reason is Reason.ALLOCATION
    assert found.detail == "smart_money has risked 100.00 of 100.00 USD today: room for 0"
    assert _candidate(_core(allocation=shares), cycle_inputs()).proposal.contracts == 1


def test_the_session_asks_for_more_confidence_before_the_close() -> None:
    late = cycle_inputs(long_market(market_regime=MarketRegime.UNCLEAR), at="2013-10-08T14:30")
    assert _candidate(_core(), late).proposal.confidence < 0.85
    found = _refusal(late, session_context=True)
    assert (found.reason, found.gates[-1].wanted) == (Reason.CONFIDENCE_TOO_LOW, "at least 0.85")


def test_a_session_unfit_to_trade_is_suspended() -> None:
    wild = cycle_inputs(long_market(volatility_regime=VolatilityRegime.EXTREME))
    found = _refusal(wild, session_context=True)
    assert found.reason is Reason.SESSION_SUSPENDED
    assert "extreme volatility" in found.detail


def test_the_plan_of_a_strategy_widens_the_stop_and_nears_the_target() -> None:
    """Trend's stop stands two ticks beyond the swing 9 ticks below, its target at twice that."""
    market = long_market(support_ticks=CLOSE - 9)
    alone = {"strategies": ("trend",), "strategies_agree_min": 1}
    found = _candidate(_core(**alone), cycle_inputs(market)).proposal
    assert (found.stop_distance_ticks, found.target_distance_ticks) == (11, 22)
