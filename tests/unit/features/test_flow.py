from collections.abc import Callable
from math import isnan, nan

import pytest

from mia_actors.features.evaluate import evaluate
from mia_actors.features.flow import read_flow
from mia_actors.features.window import BarWindow

Prices = tuple[int, int, int, int, int]
MakeWindow = Callable[..., BarWindow]

CALM: list[Prices] = [(100, 102, 98, 100, 1000)] * 30
BUY: Prices = (100, 104, 100, 104, 2500)
SELL: Prices = (100, 100, 96, 96, 2500)


def test_persistent_buying_and_selling_score_alike_with_opposite_sign(make_window: MakeWindow) -> None:
    """Mirror tapes measured +0.73 and -0.33 in the reference: its bonuses always counted for buyers."""
    bought = read_flow(*make_window([*CALM, *[BUY] * 5]).view, 0.7)
    sold = read_flow(*make_window([*CALM, *[SELL] * 5]).view, 0.7)
    assert bought.score == -sold.score
    assert bought.score > 0.6
    assert bought.persistence == sold.persistence == 1


def test_flow_says_that_it_is_an_estimate(make_window: MakeWindow) -> None:
    flow = evaluate(make_window(CALM)).flow
    assert flow is not None
    assert flow.estimated


def test_bars_that_close_where_they_opened_have_no_flow(make_window: MakeWindow) -> None:
    flow = read_flow(*make_window(CALM).view, 1.0)
    assert (flow.flow, flow.intensity, flow.score, flow.persistence) == (0, 0, 0, 0.5)


def test_surge_counts_double(make_window: MakeWindow) -> None:
    """Two surge bars against three equal ordinary ones: the surge side's share doubles."""
    rows = [*CALM, *[(*SELL[:4], 1000)] * 3, *[(*BUY[:4], 3000)] * 2]
    flow = read_flow(*make_window(rows).view, nan)
    assert flow.flow == (2 * 6000 - 3000) / (2 * 6000 + 3000)


def test_close_to_a_level_adds_to_the_side_of_the_flow(make_window: MakeWindow) -> None:
    far, near = (read_flow(*make_window([*CALM, *[SELL] * 5]).view, level) for level in (0.0, 1.0))
    assert near.score < far.score < 0


@pytest.mark.parametrize("rows", [CALM[:19], [(100, 102, 98, 101, 0)] * 30])
def test_too_few_bars_or_no_volume_are_unavailable(make_window: MakeWindow, rows: list[Prices]) -> None:
    assert all(isnan(value) for value in read_flow(*make_window(rows).view, nan))
