from datetime import date
from decimal import Decimal

import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.orders import Side
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.cycle.performance import performance

DAY_NS = 86_400 * NS_PER_S
MONDAY_NOON_NS = 1_381_147_200 * NS_PER_S


def _trade(result: str, day: int) -> ClosedTrade:
    return ClosedTrade(
        instrument="ESZ3",
        side=Side.BUY,
        quantity=1,
        entry_ref="a",
        exit_ref="b",
        opened_at_ns=MONDAY_NOON_NS + day * DAY_NS,
        closed_at_ns=MONDAY_NOON_NS + day * DAY_NS + 1,
        entry_price_ticks=Decimal(1),
        exit_price_ticks=Decimal(1),
        gross_usd=Decimal(result),
        commission_usd=Decimal(0),
    )


DAYS = [date(2013, 10, 7), date(2013, 10, 8), date(2013, 10, 9)]


def test_figures_of_a_small_record() -> None:
    found = performance([_trade("100", 0), _trade("-50", 1), _trade("-25", 1)], DAYS, Decimal(900))
    assert found.win_rate == pytest.approx(1 / 3)
    assert found.profit_factor == pytest.approx(100 / 75)
    assert found.max_drawdown_usd == 75
    assert found.max_drawdown_pct == pytest.approx(7.5)
    assert found.trades_per_day == 1.0


def test_a_day_without_a_trade_counts_as_zero_in_the_sharpe_ratio() -> None:
    found = performance([_trade("100", 0)], DAYS, Decimal(1000))
    assert found.sharpe == pytest.approx((100 / 3) / 57.735 * 252**0.5, rel=1e-3)


def test_no_trade_has_no_ratio() -> None:
    found = performance([], DAYS, Decimal(1000))
    assert (found.win_rate, found.profit_factor, found.sharpe) == (None, None, None)
