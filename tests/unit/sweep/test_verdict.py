"""What a sweep says of its runs: sums over folds, who is best, who was best before, what is not computable."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.ledger import Ledger
from mia_actors.core.orders import Side
from mia_actors.core.trade_date import session_bounds_ns
from mia_actors.core.tradebook import ClosedTrade
from mia_actors.cycle.backtest import BacktestResult
from mia_actors.evidence.overfitting import deflated_sharpe, probability_of_overfitting
from mia_actors.store.decision_journal import DecisionCounts
from mia_actors.sweep.run import RunOutcome
from mia_actors.sweep.verdict import MULTIPLE_TESTING, Verdict, judge

CASH = Decimal(25_000)
MONDAY = date(2026, 3, 2)


def _trade(day: date, net: float) -> ClosedTrade:
    closed_ns = session_bounds_ns(day)[1] - 3600 * NS_PER_S
    return ClosedTrade(
        instrument="ESH6",
        side=Side.BUY,
        quantity=1,
        entry_ref="a",
        exit_ref="b",
        opened_at_ns=closed_ns - NS_PER_S,
        closed_at_ns=closed_ns,
        entry_price_ticks=Decimal(1),
        exit_price_ticks=Decimal(1),
        gross_usd=Decimal(str(net)),
        commission_usd=Decimal(0),
    )


def _outcome(variant: int, fold: int, first: date, nets: list[float]) -> RunOutcome:
    days = tuple(first + timedelta(days=number) for number in range(len(nets)))
    trades = tuple(_trade(day, net) for day, net in zip(days, nets, strict=True) if net)
    return RunOutcome(
        variant=variant,
        fold=fold,
        stretch=fold - 1,
        result=BacktestResult(
            instrument="ESH6",
            bars=1,
            ledger=Ledger(text="", orders=0, fills=0, sha256=""),
            trades=trades,
            fills=(),
            counts=DecisionCounts(cycles=1, signals=0, approved=0, outcomes={}, refused={}),
            final_position=0,
            halted=False,
        ),
        days=days,
        seconds=1.0,
    )


def _judged(*nets: tuple[list[float], list[float]]) -> Verdict:
    """Two folds of a working week each."""
    outcomes = [
        _outcome(variant, fold, MONDAY + timedelta(days=7 * (fold - 1)), of_fold)
        for fold in (1, 2)
        for variant, both in enumerate(nets)
        for of_fold in (both[fold - 1],)
    ]
    settings = [{"cycle.confluence_min": 0.5 + variant / 10} for variant in range(len(nets))]
    return judge(settings, outcomes, CASH)


FADING = ([100.0, 90.0, 0.0, 110.0, 100.0], [-80.0, -90.0, 0.0, 0.0, 20.0])
STEADY = ([10.0, 0.0, 30.0, -5.0, 10.0], [20.0, 10.0, 15.0, 0.0, 30.0])
IDLE = ([0.0] * 5, [0.0] * 5)


def test_a_variant_s_figures_are_those_of_all_its_folds() -> None:
    found = _judged(FADING, STEADY)
    fading, steady = found.variants
    assert (fading.figures.trades, steady.figures.trades) == (7, 8)
    assert fading.figures.pnl_usd == sum(map(sum, FADING))
    assert fading.net_by_fold == (400.0, -150.0)
    assert fading.figures.max_drawdown_usd == 170.0
    assert fading.figures.trades_per_day == 0.7
    assert list(steady.daily) == [*STEADY[0], *STEADY[1]]
    assert len(found.days) == 10


def test_the_best_has_the_highest_ratio_not_the_highest_profit() -> None:
    found = _judged(FADING, STEADY)
    assert found.variants[0].figures.pnl_usd > found.variants[1].figures.pnl_usd
    assert found.best == 1
    daily = np.array([*STEADY[0], *STEADY[1]])
    sharpes = np.array([one.daily.mean() / one.daily.std(ddof=1) for one in found.variants])
    assert found.deflated_sharpe == deflated_sharpe(daily, sharpes)


def test_choosing_before_a_fold_looks_at_the_past_alone() -> None:
    (chosen,) = _judged(FADING, STEADY).walk_forward
    assert (chosen.fold, chosen.variant, chosen.figures.pnl_usd) == (2, 0, -150.0)
    worse = ([value * -1 for value in FADING[0]], FADING[1])
    (other,) = _judged(worse, STEADY).walk_forward
    assert (other.variant, other.figures.pnl_usd) == (1, 75.0)


def test_who_never_trades_has_no_ratio_and_is_not_best() -> None:
    found = _judged(IDLE, STEADY)
    assert found.best == 1
    assert found.variants[0].deflated_sharpe is None
    nobody = _judged(IDLE, IDLE)
    assert (nobody.best, nobody.deflated_sharpe) == (None, None)


def test_what_cannot_be_computed_is_none_and_says_why() -> None:
    found = _judged(FADING, STEADY)
    assert found.probability_of_overfitting is None
    assert found.notes[:2] == ("2 variants tried.", MULTIPLE_TESTING)
    assert "needs 24 trade dates and two variants whose results vary; there are 10 and 2" in found.notes[2]


def test_a_single_variant_was_not_searched_for() -> None:
    found = _judged(STEADY)
    assert found.notes == ("1 variant tried.",)
    assert found.walk_forward == ()


def test_overfitting_is_taken_over_the_days_of_all_folds() -> None:
    draw = np.random.default_rng(4)
    daily = draw.normal(0, 100, (2, 60, 3)).round(2)
    outcomes = [
        _outcome(
            variant,
            fold,
            MONDAY + timedelta(days=60 * (fold - 1)),
            _weekdays(daily[fold - 1, :, variant], fold),
        )
        for fold in (1, 2)
        for variant in range(3)
    ]
    found = judge([{"a": variant} for variant in range(3)], outcomes, CASH)
    stacked = np.column_stack([one.daily for one in found.variants])
    assert len(stacked) == 120
    assert found.probability_of_overfitting == probability_of_overfitting(stacked)


def _weekdays(nets: "np.typing.NDArray[np.float64]", fold: int) -> list[float]:
    """Nothing is traded on weekends."""
    first = MONDAY + timedelta(days=60 * (fold - 1))
    return [
        float(net) if (first + timedelta(days=number)).weekday() < 5 else 0.0
        for number, net in enumerate(nets)
    ]
