"""What it takes to be promoted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mia_actors.trainer.drift import LARGE, drift, population_stability
from mia_actors.trainer.judgement import Judgement, Unseen, judge

DAYS, A_DAY = 60, 8


def _market(seed: int, *, knows: float = 0.0, days: int = DAYS) -> tuple[Unseen, Any, Any]:
    """Outcomes, a champion that knows nothing, and a challenger that knows as much as it is told."""
    draw = np.random.default_rng(seed)
    count = days * A_DAY
    good = (draw.random(count) < 0.5).astype(np.int64)
    net = np.where(good == 1, 100.0, -100.0)
    day = np.repeat(np.arange(days), A_DAY)
    champion = np.clip(0.5 + draw.normal(0, 0.05, count), 0, 1)
    challenger = np.clip(0.5 + knows * (good - 0.5) + draw.normal(0, 0.05, count), 0, 1)
    return Unseen(good=good, net_usd=net, day=day), champion, challenger


def _judged(unseen: Unseen, champion: Any, challenger: Any, **changes: Any) -> Judgement:
    chosen = {"approve_above": 0.5, "p_value_max": 0.05, "seed": 1} | changes
    return judge(unseen, champion, challenger, **chosen)


def test_one_that_knows_more_is_promoted() -> None:
    found = _judged(*_market(1, knows=0.2))
    assert found.is_promoted, found.reason
    assert found.log_loss_challenger < found.log_loss_champion
    assert (found.samples, found.days) == (DAYS * A_DAY, DAYS)


def test_one_that_knows_the_same_is_hardly_ever_promoted() -> None:
    """At most the stated error rate, and a little for luck: 5 % of 200 is 10."""
    promoted = sum(_judged(*_market(seed)).is_promoted for seed in range(200))
    assert promoted <= 16


def test_one_that_knows_less_is_not_promoted() -> None:
    unseen, better, worse = _market(2, knows=0.2)
    found = _judged(unseen, worse, better)
    assert not found.is_promoted
    assert "not shown to be better" in found.reason


def test_few_days_show_nothing_however_many_samples() -> None:
    unseen, champion, challenger = _market(3, knows=0.4)
    found = _judged(replace(unseen, day=np.arange(len(unseen.day)) % 9), champion, challenger)
    assert (found.is_promoted, found.reason) == (False, "9 unseen trade dates, at least 10 needed")


def test_better_probabilities_that_earn_less_are_not_promoted() -> None:
    """It approves the one good trade that costs dearly."""
    unseen, champion, challenger = _market(4, knows=0.2)
    turned = replace(unseen, net_usd=-unseen.net_usd)
    found = _judged(turned, champion, challenger)
    assert not found.is_promoted
    assert "what it approves makes -" in found.reason


def test_one_that_approves_nothing_is_not_promoted() -> None:
    found = _judged(*_market(5, knows=0.2), approve_above=0.99)
    assert found.reason == "the challenger approves nothing of what neither had seen"


def test_the_verdict_is_a_function_of_its_inputs() -> None:
    assert _judged(*_market(6, knows=0.05)) == _judged(*_market(6, knows=0.05))


@pytest.mark.parametrize(("shift", "is_large"), [(0.0, False), (0.4, True)])
def test_an_input_that_moved_is_named(shift: float, is_large: bool) -> None:  # noqa: FBT001 - a case
    draw = np.random.default_rng(7)
    earlier, new = draw.random((2000, 8)), draw.random((1000, 8))
    new[:, 3] = np.clip(new[:, 3] + shift, 0, 1)
    good = (draw.random(1000) < 0.3).astype(np.int64)
    found = drift(earlier, new, good, np.full(1000, 0.5), trained_base_rate=0.3)
    assert found.drifted == (("support_resistance",) if is_large else ())
    assert all(value < 0.1 for name, value in found.feature_psi.items() if name != "support_resistance")
    assert found.expected_rate == pytest.approx(0.3)
    assert found.brier == pytest.approx(found.brier_of_base_rate, abs=1e-4)


def test_the_stability_index_of_a_sample_with_itself_is_nothing() -> None:
    values = np.random.default_rng(8).random(500)
    assert population_stability(values, values) == 0
    assert population_stability(np.full(500, 0.5), np.full(500, 0.5)) == 0
    assert population_stability(values, np.ones(500)) > LARGE
