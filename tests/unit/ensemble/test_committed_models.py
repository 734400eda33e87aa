from pathlib import Path

import pytest

from mia_actors.core.features import EnsembleVector
from mia_actors.core.market import Timeframe
from mia_actors.ensemble.manifest import MODEL_CARD_FILE, EnsembleWeights
from mia_actors.ensemble.model_card import model_card
from mia_actors.ensemble.registry import current_version, load, load_version, versions
from mia_actors.ensemble.serving import EnsembleServer

MODELS = Path(__file__).parents[3] / "models"
BYTES_MAX = 5_000_000


def test_the_current_models_serve_the_default_configuration() -> None:
    """What a fresh checkout votes with verifies, warms up and answers."""
    models = load(MODELS, entry_timeframe=Timeframe.M5)
    server = EnsembleServer.of(models)
    vote = server.vote(EnsembleVector(values=(0.5,) * 8), threshold=0.6, weights=EnsembleWeights())
    assert len(vote.p_good_by_model) == 3
    assert vote.model_version == current_version(MODELS)


@pytest.mark.parametrize("version", versions(MODELS))
def test_every_committed_version_verifies_and_its_card_tells_its_manifest(version: str) -> None:
    """Files, hashes and evidence belong together; the card is the one this program writes; small enough."""
    models = load_version(MODELS, version)
    assert sum(len(content) for _, content in models.contents) < BYTES_MAX
    card = (MODELS / version / MODEL_CARD_FILE).read_text(encoding="utf-8")
    assert card == model_card(models.manifest)
