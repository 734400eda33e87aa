from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mia_actors.core.features import EnsembleVector
from mia_actors.ensemble.manifest import EnsembleWeights, Manifest
from mia_actors.ensemble.registry import load
from mia_actors.ensemble.serving import EnsembleServer, Model

WEIGHTS = EnsembleWeights()
VECTOR = EnsembleVector(values=(0.9, 0.9, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5))


class FixedModel:
    """Answers always the same, and counts."""

    def __init__(self, answer: float) -> None:
        self.answer = answer
        self.asked = 0

    def p_good(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        self.asked += 1
        return np.full(len(x), self.answer)


class BrokenModel:
    """Fails until told otherwise."""

    def __init__(self) -> None:
        self.broken = True

    def p_good(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.broken:
            raise RuntimeError("out of memory")
        return np.full(len(x), 0.9)


def _server(
    forest: float = 0.7, boosted: float = 0.7, logistic: float = 0.7, *, cache_entries: int = 500
) -> EnsembleServer:
    models: dict[str, Model] = {
        "random_forest": FixedModel(forest),
        "xgboost": FixedModel(boosted),
        "logistic_regression": FixedModel(logistic),
    }
    return EnsembleServer(models, version="test-version", cache_entries=cache_entries)


def _with(value: float, *, place: int = 0) -> EnsembleVector:
    values = list(VECTOR.values)
    values[place] = value
    return EnsembleVector(values=tuple(values))


def test_a_unanimous_bad_is_rejected() -> None:
    """Three models sure that the trade is bad: certainty is not approval."""
    vote = _server(0.16, 0.02, 0.00).vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    assert not vote.approved
    assert vote.p_good == pytest.approx(0.5 * 0.16 + 0.3 * 0.02)
    assert vote.agreement == pytest.approx(0.84)


def test_the_vote_is_the_weighted_mean_with_its_reason() -> None:
    """0.5 x 0.8 + 0.3 x 0.5 + 0.2 x 0.4 = 0.63."""
    vote = _server(0.8, 0.5, 0.4).vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    assert vote.approved
    assert vote.p_good == pytest.approx(0.63)
    assert vote.agreement == pytest.approx(0.6)
    assert vote.model_version == "test-version"
    assert vote.reason == (
        "P(good) 0.630 is above 0.600 (random_forest 0.800, xgboost 0.500, logistic_regression 0.400)"
    )


def test_exactly_the_threshold_is_not_enough() -> None:
    """Above means above."""
    vote = _server(0.5, 0.5, 0.5).vote(VECTOR, threshold=0.5, weights=WEIGHTS)
    assert vote.p_good == 0.5
    assert not vote.approved
    assert "is not above 0.500" in vote.reason


def test_weights_are_those_asked_for() -> None:
    """All weight on the last model: only its word counts."""
    only_logistic = EnsembleWeights(random_forest=0, xgboost=0, logistic_regression=1)
    assert _server(0.9, 0.9, 0.1).vote(VECTOR, threshold=0.6, weights=only_logistic).p_good == 0.1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.001, 1.001])
@pytest.mark.parametrize("place", [0, 7])
def test_a_value_out_of_range_is_rejected_by_name(value: float, place: int) -> None:
    """No clipping and no guessing at the models' door."""
    server = _server()
    vote = server.vote(_with(value, place=place), threshold=0.6, weights=WEIGHTS)
    assert not vote.approved
    assert vote.p_good_by_model == ()
    assert ("momentum_flow" if place == 0 else "time_factor") in vote.reason
    assert server.counts.failed == 1


def test_a_vector_of_another_schema_is_rejected() -> None:
    """Same eight numbers, other meaning."""
    vote = _server().vote(replace(VECTOR, schema_version=2), threshold=0.6, weights=WEIGHTS)
    assert not vote.approved
    assert "feature schema 2" in vote.reason


def test_a_failing_model_rejects_and_is_not_remembered() -> None:
    """Two good answers are no ensemble; once the model works again, so does the vote."""
    broken = BrokenModel()
    models: dict[str, Model] = {
        "random_forest": FixedModel(0.9),
        "xgboost": broken,
        "logistic_regression": FixedModel(0.9),
    }
    server = EnsembleServer(models, version="v")
    vote = server.vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    assert not vote.approved
    assert vote.reason == "RuntimeError: out of memory"
    broken.broken = False
    assert server.vote(VECTOR, threshold=0.6, weights=WEIGHTS).approved


@pytest.mark.parametrize("answer", [float("nan"), 1.5, -0.5])
def test_a_senseless_answer_rejects(answer: float) -> None:
    """A model that answers no probability is a failing model."""
    vote = _server(boosted=answer).vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    assert not vote.approved
    assert "xgboost answered" in vote.reason


def test_rounding_of_single_precision_is_no_failure() -> None:
    """A sum of 100 leaves may end a hair above 1."""
    assert _server(1.0 + 5e-7, 1.0, 1.0).vote(VECTOR, threshold=0.6, weights=WEIGHTS).p_good == 1.0


def test_a_cached_vote_differs_in_its_mark_only() -> None:
    """Same vector, same answer; the models are asked once."""
    server = _server()
    first = server.vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    second = server.vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    assert (first.cached, second.cached) == (False, True)
    assert replace(second, cached=False) == first


def test_the_cache_remembers_answers_not_verdicts() -> None:
    """Another threshold on a remembered vector is judged anew."""
    server = _server()
    assert server.vote(VECTOR, threshold=0.6, weights=WEIGHTS).approved
    strict = server.vote(VECTOR, threshold=0.8, weights=WEIGHTS)
    assert strict.cached
    assert not strict.approved


def test_nearly_equal_vectors_are_not_confused() -> None:
    """The key is every bit the models see, not a rounding of it."""
    server = _server()
    server.vote(_with(0.50001), threshold=0.6, weights=WEIGHTS)
    assert not server.vote(_with(0.50002), threshold=0.6, weights=WEIGHTS).cached


def test_the_hit_rate_counts_hits_among_all_votes() -> None:
    """Three hits of four votes are 0.75, never above 1."""
    server = _server()
    for _ in range(4):
        server.vote(VECTOR, threshold=0.6, weights=WEIGHTS)
    assert (server.counts.votes, server.counts.cache_hits) == (4, 3)
    assert server.counts.cache_hit_rate == 0.75


def test_the_cache_is_bounded_and_forgets_the_least_recently_used() -> None:
    """Two entries: the one just used survives the third."""
    server = _server(cache_entries=2)
    for value in (0.1, 0.2, 0.1, 0.3):
        server.vote(_with(value), threshold=0.6, weights=WEIGHTS)
    assert server.cached_entries == 2
    assert server.vote(_with(0.1), threshold=0.6, weights=WEIGHTS).cached
    assert not server.vote(_with(0.2), threshold=0.6, weights=WEIGHTS).cached


def test_a_cache_of_no_entries_asks_the_models_each_time() -> None:
    """Zero turns it off."""
    server = _server(cache_entries=0)
    assert [server.vote(VECTOR, threshold=0.6, weights=WEIGHTS).cached for _ in range(2)] == [False, False]


def test_two_servers_of_one_version_give_equal_votes(stored: tuple[Path, Manifest]) -> None:
    """A successor answers as the dead one did, bit for bit."""
    servers = [EnsembleServer.of(load(stored[0])) for _ in range(2)]
    for row in np.random.default_rng(11).random((50, 8)):
        vector = EnsembleVector(values=tuple(row))
        first, second = (server.vote(vector, threshold=0.6, weights=WEIGHTS) for server in servers)
        assert first == second


def test_warming_up_is_no_vote(stored: tuple[Path, Manifest]) -> None:
    """Counts and cache begin empty."""
    server = EnsembleServer.of(load(stored[0]))
    assert server.counts.votes == 0
    assert server.cached_entries == 0
