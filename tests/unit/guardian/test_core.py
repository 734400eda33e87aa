"""The guardian's judgement at, just below and just above every limit, and what it must never do."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.orders import Side
from mia_actors.core.units import ES
from mia_actors.guardian.core import Assessment, Demand, GuardianCore, Level
from mia_actors.guardian.limits import GuardianSettings
from tests.unit.guardian.account import ENTRY, NOON_NS, TICK_USD, fill, round_trips

EQUITY_USD = Decimal(10_000)
SETTINGS = GuardianSettings(
    daily_loss_limit_usd=Decimal(200),
    account_balance_min_usd=Decimal(1000),
    position_contracts_max=1,
    consecutive_losses_max=5,
    consecutive_losses_pause_s=3600,
    trades_per_hour_warning=10,
    warning_share=0.5,
    critical_share=0.8,
)


def core_of(*, equity_usd: Decimal = EQUITY_USD, settings: GuardianSettings = SETTINGS) -> GuardianCore:
    return GuardianCore(settings, ES, equity_usd)


def judged(core: GuardianCore, at_s: float, mark_ticks: int = ENTRY) -> Assessment:
    return core.assess(NOON_NS + round(at_s * NS_PER_S), mark_ticks)


def named(assessment: Assessment, name: str) -> list[tuple[Level, Demand]]:
    return [(found.level, found.demand) for found in assessment.findings if found.name == name]


def failed(assessment: Assessment) -> bool:
    return assessment.failed and (assessment.level, assessment.demand) == (Level.CATASTROPHE, Demand.HALT)


@pytest.mark.parametrize(
    ("commission_usd", "expected"),
    [
        ("99.99", []),
        ("100.00", [(Level.WARNING, Demand.NONE)]),
        ("159.99", [(Level.WARNING, Demand.NONE)]),
        ("160.00", [(Level.CRITICAL, Demand.NONE)]),
        ("199.99", [(Level.CRITICAL, Demand.NONE)]),
        ("200.00", [(Level.CATASTROPHE, Demand.HALT)]),
        ("200.01", [(Level.CATASTROPHE, Demand.HALT)]),
    ],
)
def test_the_daily_loss_warns_at_half_is_critical_at_four_fifths_and_halts_at_the_limit(
    commission_usd: str, expected: list[tuple[Level, Demand]]
) -> None:
    """To the cent, through the commission of a scratch trade."""
    core = core_of()
    core.add_fills(
        [fill(1, Side.BUY, ENTRY), fill(2, Side.SELL, ENTRY, commission_usd=Decimal(commission_usd))]
    )
    assessment = judged(core, 5)
    assert named(assessment, "daily_loss") == expected
    assert assessment.day_pnl_usd == -Decimal(commission_usd)
    assert assessment.level == max((level for level, _ in expected), default=Level.INFO)


@pytest.mark.parametrize(("side", "mark_ticks"), [(Side.BUY, ENTRY - 16), (Side.SELL, ENTRY + 16)])
def test_a_loss_that_is_not_realised_halts_too(side: Side, mark_ticks: int) -> None:
    """16 ticks of 12.50 USD are the limit of 200 USD; 15 are not."""
    core = core_of()
    core.add_fills([fill(1, side, ENTRY)])
    assert judged(core, 5, mark_ticks + side.sign).demand is Demand.NONE
    halted = judged(core, 10, mark_ticks)
    assert halted.demand is Demand.HALT
    assert halted.reason == "day P&L -200.00 USD, limit -200.00 USD"


@pytest.mark.parametrize(
    ("equity_usd", "expected"),
    [("1000.01", []), ("1000.00", []), ("999.99", [(Level.CATASTROPHE, Demand.HALT)])],
)
def test_equity_below_the_minimum_halts_and_the_minimum_itself_does_not(
    equity_usd: str, expected: list[tuple[Level, Demand]]
) -> None:
    assert named(judged(core_of(equity_usd=Decimal(equity_usd)), 5), "account_balance") == expected


def test_equity_counts_what_the_open_position_has_lost() -> None:
    core = core_of(equity_usd=Decimal(1012))
    core.add_fills([fill(1, Side.BUY, ENTRY)])
    assert judged(core, 5, ENTRY).demand is Demand.NONE
    assert judged(core, 10, ENTRY - 1).demand is Demand.HALT  # 1012.00 - 12.50 = 999.50


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    ("limit", "held", "expected"),
    [
        (1, 1, []),
        (1, 2, [(Level.CRITICAL, Demand.FLATTEN)]),
        (2, 2, []),
        (2, 3, [(Level.CRITICAL, Demand.FLATTEN)]),
    ],
)
def test_a_position_over_the_limit_is_flattened_whatever_its_side_and_profit(
    side: Side, limit: int, held: int, expected: list[tuple[Level, Demand]]
) -> None:
    core = core_of(settings=SETTINGS.model_copy(update={"position_contracts_max": limit}))
    core.add_fills([fill(1, side, ENTRY, quantity=held)])
    assert named(judged(core, 5, ENTRY + 4 * side.sign), "position") == expected


@pytest.mark.parametrize(
    ("results", "pauses"),
    [
        ([-1, -1, -1, -1], False),
        ([-1, -1, -1, -1, -1], True),
        ([-1, -1, -1, -1, 1, -1], False),
        ([-1, -1, -1, -1, 0, -1], False),
        ([1, -1, -1, -1, -1, -1], True),
    ],
)
def test_five_losses_in_a_row_pause_and_anything_else_between_them_does_not(
    results: list[int], *, pauses: bool
) -> None:
    core = core_of()
    core.add_fills(round_trips(results))
    expected = [(Level.CRITICAL, Demand.PAUSE)] if pauses else []
    assert named(judged(core, 60), "consecutive_losses") == expected


def test_the_pause_ends_an_hour_after_the_fifth_loss_and_not_before() -> None:
    core = core_of()
    core.add_fills(round_trips([-1] * 5, every_s=2))  # the fifth closes ten seconds after noon
    assert judged(core, 10 + 3600 - 5).demand is Demand.PAUSE
    assert judged(core, 10 + 3600).demand is Demand.NONE


def test_a_sixth_loss_in_a_row_pauses_again() -> None:
    core = core_of()
    core.add_fills(round_trips([-1] * 5, every_s=2))
    core.add_fills([fill(90, Side.BUY, ENTRY, at_s=4000), fill(91, Side.SELL, ENTRY - 1, at_s=4010)])
    assert judged(core, 4020).demand is Demand.PAUSE


@pytest.mark.parametrize(("trades", "expected"), [(9, []), (10, [(Level.WARNING, Demand.NONE)])])
def test_ten_round_trips_within_an_hour_warn(trades: int, expected: list[tuple[Level, Demand]]) -> None:
    core = core_of()
    core.add_fills(round_trips([1] * trades))
    assert named(judged(core, 60), "trades_per_hour") == expected
    assert named(judged(core, 7200), "trades_per_hour") == []


@pytest.mark.parametrize("missing", [Decimal("NaN"), Decimal("sNaN")])
def test_equity_that_is_not_a_number_is_a_catastrophe(missing: Decimal) -> None:
    assert failed(judged(core_of(equity_usd=missing), 5))


@pytest.mark.parametrize("missing", [Decimal("NaN"), Decimal("sNaN")])
def test_a_commission_that_is_not_a_number_is_a_catastrophe_for_good(missing: Decimal) -> None:
    core = core_of()
    core.add_fills([fill(1, Side.BUY, ENTRY, commission_usd=missing)])
    assert failed(judged(core, 5))
    core.add_fills([fill(2, Side.SELL, ENTRY + 1)])
    assert failed(judged(core, 10))


def test_no_equity_at_all_halts() -> None:
    """An equity nobody told is zero, which is below every minimum worth setting."""
    assert judged(core_of(equity_usd=Decimal(0)), 5).demand is Demand.HALT


def test_a_commission_that_comes_late_counts_from_then_on() -> None:
    core = core_of()
    opened, closed = fill(1, Side.BUY, ENTRY), fill(2, Side.SELL, ENTRY - 15, commission_usd=None)
    core.add_fills([opened, closed])
    assert judged(core, 5).demand is Demand.NONE  # 187.50 USD lost
    core.add_fills([fill(2, Side.SELL, ENTRY - 15, commission_usd=Decimal("12.50"))])
    assert judged(core, 10).demand is Demand.HALT
    core.add_fills([closed])
    assert judged(core, 15).demand is Demand.HALT


def test_a_quiet_account_is_judged_anew_when_a_fill_comes() -> None:
    core = core_of()
    assert judged(core, 5).findings == ()
    core.add_fills(round_trips([-16]))
    assert judged(core, 10).demand is Demand.HALT


def test_a_new_trade_date_starts_at_zero_but_the_equity_keeps_the_loss() -> None:
    """17:00 in Chicago: the bar that ends there belongs to the old day, the next one to the new."""
    core = core_of(equity_usd=Decimal(1200))
    core.add_fills(round_trips([-16]))
    close_s = datetime(2013, 10, 8, 22, tzinfo=UTC).timestamp() - NOON_NS / NS_PER_S
    assert judged(core, close_s).day_pnl_usd == Decimal(-200)
    fresh = judged(core, close_s + 5)
    assert (fresh.day_pnl_usd, fresh.equity_usd, fresh.demand) == (Decimal(0), Decimal(1000), Demand.NONE)


winning_trades = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(0, 10**9), st.integers(0, 10**9)), max_size=30
)


@settings(deadline=None)
@given(trades=winning_trades)
def test_no_profit_however_big_ever_halts_pauses_or_flattens(trades: list[tuple[Side, int, int]]) -> None:
    """Paths that are never under water: marked at a gain, then closed at a gain, judged at every step."""
    core = core_of()
    for index, (side, marked_gain, closed_gain) in enumerate(trades):
        core.add_fills([fill(2 * index, side, ENTRY, at_s=10 * index)])
        held = judged(core, 10 * index + 5, ENTRY + side.sign * marked_gain)
        core.add_fills(
            [fill(2 * index + 1, side.opposite, ENTRY + side.sign * closed_gain, at_s=10 * index + 6)]
        )
        closed = judged(core, 10 * index + 10)
        assert {held.demand, closed.demand} == {Demand.NONE}
        assert {found.name for found in (*held.findings, *closed.findings)} <= {"trades_per_hour"}


@settings(deadline=None)
@given(
    results=st.lists(st.integers(-20, 20), max_size=12),
    side=st.sampled_from(Side),
    mark=st.integers(-30, 30),
    better=st.integers(0, 10**6),
)
def test_a_better_mark_never_makes_the_judgement_worse(
    results: list[int], side: Side, mark: int, better: int
) -> None:
    fills = [*round_trips(results), fill(900, side, ENTRY)]
    cores = core_of(), core_of()
    for core in cores:
        core.add_fills(fills)
    worse = judged(cores[0], 1000, ENTRY + side.sign * mark)
    best = judged(cores[1], 1000, ENTRY + side.sign * (mark + better))
    assert best.day_pnl_usd - worse.day_pnl_usd == better * TICK_USD
    assert best.demand <= worse.demand
    assert best.level <= worse.level


@settings(deadline=None)
@given(results=st.lists(st.integers(-20, 20), max_size=8), data=st.data())
def test_a_restarted_guardian_that_folds_the_same_fills_in_any_order_says_the_same(
    results: list[int], data: st.DataObject
) -> None:
    fills = round_trips(results)
    lived, restarted = core_of(), core_of()
    for found in fills:
        lived.add_fills([found])
        judged(lived, found.event_time_ns / NS_PER_S - NOON_NS / NS_PER_S)
    restarted.add_fills([*data.draw(st.permutations(fills)), *fills])
    assert judged(lived, 100) == judged(restarted, 100)
