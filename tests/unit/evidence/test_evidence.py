"""The comparison finds an edge that is there, none where there is none, and looks at nothing to come."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mia_actors.core.features import ENSEMBLE_FEATURES
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.evidence import document
from mia_actors.evidence.collected import Collected
from mia_actors.evidence.comparison import ALL, Comparison, compare
from mia_actors.evidence.overfitting import deflated_sharpe, probability_of_overfitting
from mia_actors.evidence.trading import figures, one_at_a_time
from mia_actors.evidence.variants import Variant, known_before, variants

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
START = pd.Timestamp("2015-01-02 15:00", tz="UTC").value
QUICK = TrainingSettings(samples_min=100, forest_trees=10, forest_depth=4, boost_trees=10, boost_depth=2)


def _collected(seed: int, *, days: int = 1100, edge: float = 0.0) -> Collected:
    """Three years with four signals a day; where momentum is high, they win `edge` more than chance gives."""
    draw = np.random.default_rng(seed)
    count = 4 * days
    times = START + np.repeat(np.arange(days), 4) * DAY_NS + np.tile(np.arange(4), days) * HOUR_NS
    inputs = {name: draw.random(count) for name in ENSEMBLE_FEATURES}
    net = draw.normal(0, 100, count) + edge * (inputs["momentum_flow"] > 0.5)
    moments = pd.to_datetime(times)
    signals = pd.DataFrame(
        {
            "time_ns": times,
            "end_ns": times + HOUR_NS // 2,
            "day": times // DAY_NS,
            "year": moments.year,
            "minute": 60 * (10 + np.tile(np.arange(4), days)),
            "side": draw.choice([-1, 1], count),
            "net": net - 10,
            "gross": net,
            "stop": 8,
            "support": 0.5 + 0.4 * draw.random(count),
            "coverage": 0.7,
            "confidence": 0.6 + 0.2 * draw.random(count),
            "called": draw.integers(1, 4, count),
            "battle_navale": draw.random(count) < 0.5,
            "mtf_confluence": draw.random(count) < 0.5,
            "smart_money": draw.random(count) < 0.5,
            "volatility": draw.choice(["low", "normal", "high"], count),
            "market": draw.choice(["strong_trend", "range"], count),
            "trend": draw.choice([-1, 0, 1], count),
            **inputs,
        }
    )
    elsewhere = signals[["time_ns", "end_ns", "year", "side", "stop"]].assign(
        net=draw.normal(-10, 100, count)
    )
    daily = signals.drop_duplicates("day")[["day", "year"]].assign(net=draw.normal(0, 300, days))
    trend = signals[signals["trend"] == 1]
    return Collected(
        signals=signals, alone={"trend": trend}, elsewhere=elsewhere, holding=daily.reset_index(drop=True)
    )


def _compare(collected: Collected) -> Comparison:
    return compare(
        collected,
        settings=DecisionSettings(),
        training=QUICK,
        years=[2016, 2017],
        draws=50,
        seed=1,
    )


def test_a_planted_edge_is_found_by_the_models_and_not_by_the_rules() -> None:
    found = {one.name: one for one in _compare(_collected(1, edge=120)).variants}
    learnt, rules = found["ensemble"], found["rules"]
    whole = learnt.by_year[ALL]
    assert whole.net_usd_per_trade is not None
    assert whole.standard_error is not None
    assert whole.net_usd_per_trade > 50 + 2 * whole.standard_error
    assert (learnt.deflated_sharpe or 0) > 0.95
    assert learnt.better_than_random == 1.0
    assert (rules.by_year[ALL].net_usd_per_trade or 0) < whole.net_usd_per_trade


def test_without_an_edge_nothing_is_proved_and_costs_are_lost() -> None:
    collected = _collected(2)
    found = _compare(collected)
    for one in found.variants:
        whole = one.by_year[ALL]
        if whole.trades > 200:
            assert whole.net_usd_per_trade is not None
            assert whole.net_usd_per_trade < 0
            assert (one.deflated_sharpe or 0) < 0.95
    proved = next(one for one in found.variants if one.name == "only what the past proves")
    assert proved.by_year[ALL].trades <= 100
    tested = collected.elsewhere[collected.elsewhere["year"].isin([2016, 2017])]
    assert found.random[ALL][0] == pytest.approx(tested["net"].mean(), abs=3)


def test_what_is_traded_in_a_year_does_not_depend_on_its_results() -> None:
    """The same signals with other outcomes in 2017: the trades of 2016 and 2017 are the same ones."""
    one = _collected(3, edge=120)
    turned = one.signals.copy()
    later = turned["year"] == 2017
    turned.loc[later, ["net", "gross"]] *= -1
    other = Collected(signals=turned, alone=one.alone, elsewhere=one.elsewhere, holding=one.holding)
    for here, there in zip(_compare(one).variants, _compare(other).variants, strict=True):
        assert here.by_year["2017"].trades == there.by_year["2017"].trades, here.name
        assert here.by_year["2016"] == there.by_year["2016"], here.name


def test_a_strategy_that_is_not_asked_by_default_is_compared_by_its_own_signals() -> None:
    collected = _collected(5)
    found = {one.name: one.by_year[ALL] for one in _compare(collected).variants}
    tested = collected.alone["trend"]["year"].isin([2016, 2017])
    assert found["trend alone"].trades == tested.sum()
    assert found["range alone"].trades == 0


def test_a_past_ends_a_day_before_its_year() -> None:
    signals = _collected(4).signals
    past = known_before(signals, 2016)
    begin_ns = pd.Timestamp("2016-01-01", tz="America/New_York").value
    assert 0 < len(past) < (signals["time_ns"] < begin_ns).sum()
    assert (past["end_ns"] + DAY_NS <= begin_ns).all()


def test_a_signal_while_a_position_is_open_is_not_traded() -> None:
    signals = pd.DataFrame(
        {"time_ns": [0, 5, 10, 11], "end_ns": [10, 6, 20, 12], "net": [1.0, 9.0, 2.0, 9.0]}
    )
    assert one_at_a_time(signals)["net"].tolist() == [1.0, 2.0]


def test_figures_are_what_a_hand_makes_them() -> None:
    found = figures(np.array([100.0, -50.0, -70.0, 30.0]), np.array([1, 1, 2, 4]), np.array([1, 2, 3, 4]))
    assert (found.trades, found.trades_per_day, found.win_rate) == (4, 1.0, 0.5)
    assert found.profit_factor == pytest.approx(130 / 120)
    assert (found.net_usd, found.max_drawdown_usd) == (10.0, 120.0)
    assert found.max_drawdown_pct == pytest.approx(100 * 120 / 25_100)
    daily = np.array([50.0, -70.0, 0.0, 30.0])
    assert found.sharpe == pytest.approx(daily.mean() / daily.std(ddof=1) * 252**0.5)


def test_nothing_traded_has_no_figures_and_divides_by_nothing() -> None:
    found = figures(np.zeros(0), np.zeros(0, dtype=np.int64), np.array([1, 2]))
    assert (found.trades, found.win_rate, found.profit_factor, found.sharpe) == (0, None, None, None)


def test_more_trials_and_worse_results_deflate_a_sharpe_ratio() -> None:
    draw = np.random.default_rng(5)
    good = draw.normal(0.1, 1, 1000)
    few, many = (deflated_sharpe(good, draw.normal(0, 0.03, count)) for count in (3, 300))
    assert few is not None
    assert many is not None
    assert 0.5 < many < few < 1
    assert (deflated_sharpe(good - 0.3, draw.normal(0, 0.03, 3)) or 0) < 0.01
    assert deflated_sharpe(np.zeros(10), np.zeros(2)) is None


def test_choosing_among_worthless_variants_is_overfitting_and_a_true_best_is_not() -> None:
    draw = np.random.default_rng(6)
    noise = draw.normal(0, 1, (1200, 10))
    best = noise + np.where(np.arange(10) == 3, 0.3, 0.0)
    worthless, true = probability_of_overfitting(noise), probability_of_overfitting(best)
    assert worthless is not None
    assert true is not None
    assert 0.25 < worthless < 0.85
    assert true < 0.02
    assert probability_of_overfitting(np.zeros((100, 3))) is None


def test_every_variant_says_what_it_is() -> None:
    every = variants(DecisionSettings(), QUICK)
    assert len({one.name for one in every}) == len(every) >= 10
    assert all(isinstance(one, Variant) and one.what for one in every)


def test_table_and_pictures_show_every_variant(tmp_path: Path) -> None:
    found = _compare(_collected(7))
    text = document.table(found, "bars.parquet")
    assert all(f"**{one.name}**" in text for one in found.variants)
    assert "65-70 % won" in text
    document.draw(found, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {document.EQUITY_FILE, document.TRADES_FILE}
