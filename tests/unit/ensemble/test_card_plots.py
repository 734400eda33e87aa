"""The pictures of a model card, and the figures they draw."""

from pathlib import Path

import numpy as np
import pytest

from mia_actors.ensemble.card_plots import PLOT_FILES, net_by_threshold, reliability, roc
from mia_actors.ensemble.manifest import Manifest
from mia_actors.ensemble.validation import area_under_curve

DRAW = np.random.default_rng(4)


def test_a_model_that_says_what_happens_is_on_the_diagonal() -> None:
    p_good = DRAW.random(20_000)
    good = (DRAW.random(20_000) < p_good).astype(np.int64)
    means, shares, counts = reliability(p_good, good)
    assert counts.sum() == 20_000
    assert np.abs(means - shares).max() < 0.05
    assert np.abs(means - reliability(p_good, 1 - good)[1]).max() > 0.5


def test_the_area_under_the_curve_is_the_score_of_the_card() -> None:
    p_good = np.round(DRAW.random(500), 2)
    good = (DRAW.random(500) < p_good).astype(np.int64)
    false, true = roc(p_good, good)
    area = float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))
    assert area == pytest.approx(area_under_curve(p_good, good == 1))


def test_thresholds_with_few_approvals_are_left_out() -> None:
    p_good = np.concatenate([np.full(30, 0.55), np.full(5, 0.9)])
    net = np.concatenate([np.full(30, -10.0), np.full(5, 500.0)])
    thresholds, means, _ = net_by_threshold(p_good, net)
    assert thresholds.max() < 0.55
    assert means[-1] == pytest.approx((30 * -10 + 5 * 500) / 35)


def test_a_stored_version_has_its_pictures(stored: tuple[Path, Manifest]) -> None:
    directory = stored[0] / stored[1].version
    card = (directory / "MODEL_CARD.md").read_text()
    for name in PLOT_FILES:
        assert (directory / name).read_bytes().startswith(b"\x89PNG")
        assert f"({name})" in card
