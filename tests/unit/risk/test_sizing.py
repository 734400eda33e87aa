from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.core.features import VolatilityRegime
from mia_actors.core.units import ES, MES, Product
from mia_actors.risk.gamma import GammaCycle, GammaPhase
from mia_actors.risk.kelly import kelly
from mia_actors.risk.sizing import RiskSettings, Size, size

EDGE = [Decimal(150), Decimal(-100)] * 15
"""Half of thirty won, payoff 1.5: Kelly's fraction is 1/2 - 1/2 / 1.5 = 1/6."""
WIDE = RiskSettings(
    position_contracts_max=2,
    risk_per_trade_usd_max=Decimal(10_000),
    risk_per_trade_equity_max=Decimal("0.05"),
    daily_allowance_usd=Decimal(500),
    allowance_share_max=Decimal(1),
)
results = st.lists(st.integers(-500, 500).map(Decimal), max_size=60)


def _gamma(factor: float = 1.0) -> GammaCycle:
    return GammaCycle(
        phase=GammaPhase.NORMAL,
        size_factor=factor,
        next_expiry=date(2013, 10, 18),
        last_expiry=date(2013, 9, 20),
        days_to=11,
        days_since=17,
        reason="",
    )


def _size(
    settings: RiskSettings = WIDE,
    *,
    stop_ticks: int = 8,
    equity: int = 25_000,
    day_pnl: int = 0,
    trades: list[Decimal] = EDGE,
    gamma: float = 1.0,
    volatility: VolatilityRegime = VolatilityRegime.NORMAL,
) -> Size:
    return size(
        settings,
        ES,
        stop_ticks=stop_ticks,
        equity_usd=Decimal(equity),
        day_pnl_usd=Decimal(day_pnl),
        results_usd=trades,
        gamma=_gamma(gamma),
        volatility=volatility,
    )


def test_kelly_weighs_win_rate_against_payoff() -> None:
    found = kelly(EDGE)
    assert (found.trades, found.win_rate, found.payoff) == (30, 0.5, 1.5)
    assert found.fraction == pytest.approx(1 / 6)


def test_kelly_is_silent_below_thirty_trades() -> None:
    assert kelly(EDGE[:29]).fraction == 0
    assert kelly(EDGE[:30]).fraction > 0


def test_kelly_is_clipped_at_a_quarter() -> None:
    """Eighteen of thirty won at a payoff of three would be 0.6 - 0.4 / 3 = 0.47."""
    assert kelly([Decimal(300)] * 18 + [Decimal(-100)] * 12).fraction == 0.25


@given(results)
def test_kelly_risks_nothing_without_profit_in_the_record(record: list[Decimal]) -> None:
    fraction = kelly(record).fraction
    assert 0 <= fraction <= 0.25
    if len(record) < 30 or sum(record) <= 0:
        assert fraction == 0


def test_a_break_even_trade_is_no_win() -> None:
    """Ten scratches in forty leave 15 of 40 won: 0.375 - 0.625 / 1.5 is below zero."""
    assert kelly([*EDGE, *[Decimal(0)] * 10]).fraction == 0


def test_probation_stands_in_until_thirty_trades_are_closed() -> None:
    """The record after it has no edge: Kelly's zero replaces the probation size."""
    losing = [Decimal(-100)] * 30
    assert _size(trades=losing[:29]).contracts == 1
    assert "29 of 30 trades" in _size(trades=losing[:29]).reason
    assert _size(trades=losing).contracts == 0
    assert _size(WIDE.model_copy(update={"probation_contracts": 0}), trades=[]).contracts == 0


def test_a_record_of_nothing_but_wins_does_not_stop_trading() -> None:
    """(1 - p) · L / W vanishes with the last loss: Kelly's fraction is p, clipped; profit never halts."""
    assert _size(trades=[Decimal(100)] * 30).contracts > 0


def test_kelly_looks_at_the_newest_trades_only() -> None:
    settings = WIDE.model_copy(update={"kelly_window_trades": 30})
    assert _size(settings, trades=[*[Decimal(-900)] * 30, *EDGE]).contracts == 2
    assert _size(settings, trades=[*EDGE, *[Decimal(-900)] * 30]).contracts == 0


@pytest.mark.parametrize(
    ("gamma", "volatility", "contracts"),
    [
        (1.0, VolatilityRegime.NORMAL, 1),  # 1.40
        (0.8, VolatilityRegime.NORMAL, 1),  # 1.12; twice it would be 0.90
        (1.0, VolatilityRegime.HIGH, 1),  # 1.12
        (0.8, VolatilityRegime.HIGH, 0),  # 0.90
        (1.0, VolatilityRegime.TRANSITIONING, 0),  # 0.98
        (1.0, VolatilityRegime.EXTREME, 0),  # 0.70
        (1.2, VolatilityRegime.LOW, 2),  # 2.02
    ],
)
def test_gamma_and_volatility_scale_the_kelly_amount_once(
    gamma: float, volatility: VolatilityRegime, contracts: int
) -> None:
    """A fifth of a sixth of 4200 USD is 140 USD, 1.4 contracts at a stop of 100 USD."""
    assert _size(equity=4200, gamma=gamma, volatility=volatility).contracts == contracts


@pytest.mark.parametrize(
    ("changes", "day_pnl", "contracts"),
    [
        ({}, 0, 2),
        ({"position_contracts_max": 1}, 0, 1),
        ({"risk_per_trade_usd_max": Decimal(199)}, 0, 1),
        ({"risk_per_trade_usd_max": Decimal(200)}, 0, 2),
        ({"risk_per_trade_equity_max": Decimal("0.0079")}, 0, 1),
        ({"allowance_share_max": Decimal("0.30")}, 0, 1),
        ({}, -301, 1),
        ({}, -300, 2),
        ({"allowance_share_max": Decimal("0.30")}, -200, 0),
        ({}, -500, 0),
        ({}, -2000, 0),
        ({}, 5000, 2),
        ({"daily_allowance_usd": Decimal(100)}, 5000, 1),
    ],
)
def test_the_tightest_cap_decides(changes: dict[str, object], day_pnl: int, contracts: int) -> None:
    """100 USD a contract. A profit of the day neither stops trading nor widens the allowance."""
    assert _size(WIDE.model_copy(update=changes), day_pnl=day_pnl).contracts == contracts


def test_the_reason_tells_the_sum() -> None:
    said = _size(RiskSettings(), stop_ticks=13).reason
    assert "kelly 0.167 (win rate 0.50, payoff 1.50, n=30)" in said
    assert "stop 13 ticks = 162.50 USD a contract, risk cap 150.00 USD: 0" in said


def test_an_account_without_equity_buys_nothing() -> None:
    assert _size(equity=0).contracts == 0
    assert _size(equity=-5000).contracts == 0
    assert _size(equity=-5000, trades=[]).contracts == 0


@given(
    record=results,
    stop_ticks=st.integers(1, 80),
    equity=st.integers(-10_000, 5_000_000).map(Decimal),
    day_pnl=st.integers(-1000, 1000).map(Decimal),
    factor=st.sampled_from((0.8, 1.0, 1.2)),
    volatility=st.sampled_from(VolatilityRegime),
    product=st.sampled_from((ES, MES)),
    settings=st.builds(
        RiskSettings,
        probation_contracts=st.integers(0, 2),
        position_contracts_max=st.integers(1, 2),
        risk_per_trade_usd_max=st.integers(1, 1000).map(Decimal),
        allowance_share_max=st.integers(1, 100).map(lambda share: Decimal(share) / 100),
    ),
)
def test_no_size_goes_over_a_hard_cap(
    record: list[Decimal],
    stop_ticks: int,
    equity: Decimal,
    day_pnl: Decimal,
    factor: float,
    volatility: VolatilityRegime,
    product: Product,
    settings: RiskSettings,
) -> None:
    found = size(
        settings,
        product,
        stop_ticks=stop_ticks,
        equity_usd=equity,
        day_pnl_usd=day_pnl,
        results_usd=record,
        gamma=_gamma(factor),
        volatility=volatility,
    )
    assert 0 <= found.contracts <= settings.position_contracts_max
    if found.contracts:
        risk = found.contracts * stop_ticks * product.tick_value_usd
        assert risk <= settings.risk_per_trade_usd_max
        assert risk <= settings.risk_per_trade_equity_max * equity
        assert risk <= settings.allowance_share_max * (
            settings.daily_allowance_usd + min(day_pnl, Decimal(0))
        )
