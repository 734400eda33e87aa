"""The ensemble swaps at an event time; whoever votes, before or after a crash, gives the same answer."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mia_actors.ensemble.actor import Ensemble, EnsembleSettings
from mia_actors.ensemble.promotion import promote
from mia_actors.ensemble.schedule import Swap, schedule_swap
from tests.unit.ensemble.test_actor import GOOD, context_of

SWAP_NS = 1000


@pytest.fixture
def session(three: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, str, str]:
    """A folder with models of two versions, the first of them current."""
    shutil.copytree(three[0], tmp_path / "models")
    first, second, _ = three[1]
    promote(tmp_path / "models", first)
    return tmp_path, first, second


def _started(folder: Path, **settings: Any) -> Ensemble:
    ensemble = Ensemble(EnsembleSettings(models=Path("models"), **settings), context_of(folder))
    ensemble.start()
    return ensemble


def test_a_promotion_alone_does_not_touch_a_session_that_runs(session: tuple[Path, str, str]) -> None:
    """Also not one whose ensemble dies after it: only what runs next begins with the new one."""
    folder, first, second = session
    before = _started(folder).vote(GOOD, 0)
    promote(folder / "models", second)
    after = _started(folder).vote(GOOD, 0)
    assert before == after
    assert after.model_version == first


def test_a_swap_counts_from_its_event_time_for_every_incarnation(session: tuple[Path, str, str]) -> None:
    folder, first, second = session
    ensemble = _started(folder)
    ensemble.vote(GOOD, 0)
    schedule_swap(folder, Swap(version=second, from_ns=SWAP_NS))
    successor = _started(folder)
    for moment, version in ((SWAP_NS - 1, first), (SWAP_NS, second), (SWAP_NS - 1, first)):
        one, other = ensemble.vote(GOOD, moment), successor.vote(GOOD, moment)
        assert one.model_version == other.model_version == version
        assert one.p_good_by_model == other.p_good_by_model


def test_what_it_swaps_to_must_be_what_was_stored(session: tuple[Path, str, str]) -> None:
    """Altered after it was promoted: it refuses from then on, and the version before it goes on until then."""
    folder, first, second = session
    ensemble = _started(folder)
    schedule_swap(folder, Swap(version=second, from_ns=SWAP_NS))
    (folder / "models" / second / "xgboost.onnx").write_bytes(b"something else")
    for one in (ensemble, _started(folder)):
        assert one.vote(GOOD, SWAP_NS - 1).model_version == first
        refused = one.vote(GOOD, SWAP_NS)
        assert (refused.approved, refused.p_good_by_model, refused.model_version) == (False, (), second)
        assert "is not the file the manifest names" in refused.reason
