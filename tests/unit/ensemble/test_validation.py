from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, f1_score, log_loss, precision_score, recall_score, roc_auc_score

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import PermanentError
from mia_actors.ensemble.training_set import TrainingSet, check
from mia_actors.ensemble.validation import (
    Split,
    area_under_curve,
    at_base_rate,
    holdout_split,
    score,
    walk_forward,
)

MakeSamples = Callable[..., TrainingSet]
HOUR_NS = 3600 * NS_PER_S


def _holdout(samples: TrainingSet, *, from_ns: int | None = None, embargo_ns: int = 0) -> Split:
    return holdout_split(samples, holdout_from_ns=from_ns, holdout_share=0.2, embargo_ns=embargo_ns)


def test_nothing_is_learned_from_an_outcome_known_after_the_test_began(make_samples: MakeSamples) -> None:
    """Outcomes take two hours, samples are an hour apart: exactly one older sample must go."""
    samples = make_samples(100)
    split = _holdout(samples)
    test_start_ns = samples.event_time_ns[split.test].min()
    assert (samples.label_end_ns[split.train] <= test_start_ns).all()
    assert split.purged == 1
    assert len(split.train) + split.purged + len(split.test) == 100


def test_the_embargo_removes_more_of_the_past(make_samples: MakeSamples) -> None:
    """Five hours of embargo purge five samples more."""
    samples = make_samples(100)
    assert _holdout(samples, embargo_ns=5 * HOUR_NS).purged == _holdout(samples).purged + 5


def test_one_long_trade_far_back_is_purged_too(make_samples: MakeSamples) -> None:
    """Purging looks at when each outcome was known, not at how many rows back it is."""
    samples = make_samples(100)
    ends = samples.label_end_ns.copy()
    ends[10] = samples.event_time_ns[-1]
    split = _holdout(replace(samples, label_end_ns=ends))
    assert 10 not in split.train
    assert 9 in split.train


def test_a_dated_holdout_begins_at_its_date(make_samples: MakeSamples) -> None:
    """Everything decided from that moment on is held out, and nothing else."""
    samples = make_samples(100)
    split = _holdout(samples, from_ns=int(samples.event_time_ns[70]))
    assert split.test.tolist() == list(range(70, 100))


def test_folds_walk_forward_and_never_touch_the_holdout(make_samples: MakeSamples) -> None:
    """Each fold is fitted on more of the past and tests a block no other fold tests."""
    samples = make_samples(300)
    holdout = _holdout(samples)
    folds = walk_forward(samples, holdout.train, folds=4, embargo_ns=HOUR_NS)
    assert len(folds) == 4
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)
    assert not set(tested) & set(holdout.test)
    for fold in folds:
        test_start_ns = samples.event_time_ns[fold.test].min()
        assert (samples.label_end_ns[fold.train] + HOUR_NS <= test_start_ns).all()
    sizes = [len(fold.train) for fold in folds]
    assert sizes == sorted(sizes)
    assert folds[-1].test[-1] == holdout.train[-1]


def test_decisions_of_one_moment_stay_on_one_side(make_samples: MakeSamples) -> None:
    """Samples that share their time are cut before or after, never through."""
    samples = make_samples(300)
    shared = samples.event_time_ns - samples.event_time_ns % (7 * HOUR_NS)
    grouped = replace(samples, event_time_ns=shared)
    for fold in walk_forward(grouped, _holdout(grouped).train, folds=3, embargo_ns=0):
        assert shared[fold.train].max() < shared[fold.test].min()


def test_an_empty_part_is_refused(make_samples: MakeSamples) -> None:
    """A holdout that begins before the data leaves nothing to learn from."""
    with pytest.raises(PermanentError, match="no train samples"):
        _holdout(make_samples(100), from_ns=0)


def test_a_training_part_of_one_class_is_refused(make_samples: MakeSamples) -> None:
    """All good trades in the holdout: the past teaches nothing."""
    samples = make_samples(100)
    late = (np.arange(100) >= 80).astype(np.int64)
    with pytest.raises(PermanentError, match="one class only"):
        _holdout(replace(samples, y=late))


def test_scores_agree_with_scikit_learn(make_samples: MakeSamples) -> None:
    """Our few lines of numpy against the library, ties included."""
    samples = make_samples(400)
    split = _holdout(samples)
    p_good = np.round(np.random.default_rng(5).random(len(split.test)), 1)
    good = samples.y[split.test]
    base_rate = samples.y[split.train].mean()
    found = score("any", p_good, samples, split, approve_above=0.6)
    approved = p_good > 0.6
    corrected = at_base_rate(p_good, float(base_rate))
    assert found.auc == pytest.approx(roc_auc_score(good, p_good), abs=1e-6)
    assert found.precision == pytest.approx(precision_score(good, approved), abs=1e-6)
    assert found.recall == pytest.approx(recall_score(good, approved), abs=1e-6)
    assert found.f1 == pytest.approx(f1_score(good, approved), abs=1e-6)
    assert found.brier == pytest.approx(brier_score_loss(good, corrected), abs=1e-6)
    bounded = np.clip(corrected, 1e-6, 1 - 1e-6)
    assert found.log_loss == pytest.approx(log_loss(good, bounded), abs=1e-6)


def test_money_is_that_of_the_approved_samples(make_samples: MakeSamples) -> None:
    """A perfect model approves only the winners; all samples together lose."""
    samples = make_samples(400, base_rate=0.2)
    split = _holdout(samples)
    good = samples.y[split.test]
    found = score("perfect", good.astype(np.float64), samples, split, approve_above=0.6)
    assert found.net_usd_mean_approved == 100.0
    assert found.net_usd_mean < 0
    assert found.precision == 1.0
    assert found.approved == int(good.sum())
    assert found.majority_accuracy == pytest.approx(max(good.mean(), 1 - good.mean()), abs=1e-6)


def test_what_is_not_defined_is_none(make_samples: MakeSamples) -> None:
    """A model that approves nothing has no precision and no money, not zero of it."""
    samples = make_samples(400)
    split = _holdout(samples)
    found = score("never", np.zeros(len(split.test)), samples, split, approve_above=0.6)
    assert (found.precision, found.f1, found.net_usd_mean_approved) == (None, None, None)
    assert found.recall == 0.0
    assert area_under_curve(np.array([0.1, 0.2]), np.array([True, True])) is None


def test_balanced_probability_of_one_half_is_the_base_rate() -> None:
    """The prior the card explains: 0.5 is the base rate, 0.6 is 1.5 times its odds."""
    half, gate = at_base_rate(np.array([0.5, 0.6]), 0.2)
    assert half == pytest.approx(0.2)
    assert gate / (1 - gate) == pytest.approx(1.5 * 0.2 / 0.8)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x", np.nan, "momentum_flow is nan"),
        ("x", 1.01, "momentum_flow is 1.01"),
        ("net_usd", np.inf, "net_usd inf"),
        ("y", 2, "allowed are 0 and 1"),
        ("label_end_ns", 0, "outcome before its decision"),
        ("event_time_ns", 0, "sample 5 is older"),
    ],
)
def test_one_bad_value_refuses_the_whole_set(
    make_samples: MakeSamples, name: str, value: float, message: str
) -> None:
    """Nothing is repaired or dropped: the message names the sample."""
    samples = make_samples(100)
    array = getattr(samples, name).copy()
    array.reshape(100, -1)[5, 0] = value
    changed: TrainingSet = replace(samples, **{name: array})
    with pytest.raises(PermanentError, match=message):
        check(changed, samples_min=50)


def test_no_data_is_refused_not_replaced(make_samples: MakeSamples) -> None:
    """Fewer samples than the minimum: say how many there are."""
    with pytest.raises(PermanentError, match=r"30 samples from synthetic.*at least 50"):
        check(make_samples(30), samples_min=50)


def test_one_class_only_is_refused(make_samples: MakeSamples) -> None:
    """A tape on which every trade loses trains nothing."""
    samples = make_samples(100)
    with pytest.raises(PermanentError, match="all 100 samples have label 0"):
        check(replace(samples, y=np.zeros(100, dtype=np.int64)), samples_min=50)


def test_wrong_shape_is_refused(make_samples: MakeSamples) -> None:
    """Seven features are not eight."""
    samples = make_samples(100)
    with pytest.raises(PermanentError, match=r"shape \(100, 7\)"):
        check(replace(samples, x=samples.x[:, :7]), samples_min=50)
