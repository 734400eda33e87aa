"""`MLEnsembleFilter`: the vote of the three models on a signal, for programs outside a session."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mia_actors.core.errors import MiaError
from mia_actors.core.features import ENSEMBLE_FEATURES, EnsembleVector, EnsembleVote
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.ensemble.registry import load
from mia_actors.ensemble.serving import EnsembleServer

NO_VERSION = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalQuality:
    """What the models say of one signal."""

    approved: bool
    """P(good) above the threshold, by all models together; every error is False."""
    confidence: float
    """Weighted mean of the models' P(good), in [0, 1]; 0 where there is no answer."""
    p_good_by_model: Mapping[str, float]
    agreement: float
    """1 - (largest - smallest) of the models' P(good); 0 where there is no answer."""
    threshold: float
    model_version: str
    """Empty where no model could be loaded."""
    cached: bool
    reason: str


class MLEnsembleFilter:
    """Random forest, gradient-boosted trees and logistic regression, served as a session serves them.

    Guarantees: what is not clearly approved is rejected, with the reason. No models, altered files, a missing feature,
    one that is no number in [0, 1] or a failing model reject; nothing of that raises. Equal features get equal
    answers. Not thread-safe.
    """

    def __init__(self, models: Path | str = "models", settings: EnsembleSettings | None = None) -> None:
        """Loads the current version of a directory of models; `settings.models` is not looked at.

        Args:
            models: directory that `mia train` writes to.
            settings: threshold, weights and cache; those of supervision.yaml by default.
        """
        self._settings = settings or EnsembleSettings()
        self._server: EnsembleServer | None = None
        self._why_not = ""
        try:
            self._server = EnsembleServer.of(load(Path(models)), cache_entries=self._settings.cache_entries)
        except MiaError as error:
            self._why_not = str(error)

    @property
    def is_available(self) -> bool:
        """There are models that answer."""
        return self._server is not None

    def predict_signal_quality(self, features: Mapping[str, float] | EnsembleVector) -> SignalQuality:
        """The vote on one signal.

        Args:
            features: the eight of `core.features.ENSEMBLE_FEATURES`, each in [0, 1], directional ones relative to the
                side of the signal (1 speaks for it); or the vector of a stored decision.
        """
        if self._server is None:
            return self._rejected(self._why_not)
        if isinstance(features, EnsembleVector):
            vector = features
        else:
            wrong = _wrong(features)
            if wrong:
                return self._rejected(wrong)
            vector = EnsembleVector(values=tuple(float(features[name]) for name in ENSEMBLE_FEATURES))
        settings = self._settings
        return _told(self._server.vote(vector, threshold=settings.approve_above, weights=settings.weights))

    def _rejected(self, reason: str) -> SignalQuality:
        return SignalQuality(
            approved=False,
            confidence=0.0,
            p_good_by_model={},
            agreement=0.0,
            threshold=self._settings.approve_above,
            model_version=NO_VERSION,
            cached=False,
            reason=reason,
        )


def _wrong(features: Mapping[str, float]) -> str:
    missing = [name for name in ENSEMBLE_FEATURES if features.get(name) is None]
    if missing:
        return f"unavailable: {', '.join(missing)}"
    unknown = sorted(set(features) - set(ENSEMBLE_FEATURES))
    if unknown:
        return f"not a feature of the ensemble: {', '.join(unknown)}"
    odd = [name for name in ENSEMBLE_FEATURES if not isinstance(features[name], int | float)]
    return f"not a number: {', '.join(odd)}" if odd else ""


def _told(vote: EnsembleVote) -> SignalQuality:
    return SignalQuality(
        approved=vote.approved,
        confidence=vote.p_good,
        p_good_by_model=dict(vote.p_good_by_model),
        agreement=vote.agreement,
        threshold=vote.threshold,
        model_version=vote.model_version,
        cached=vote.cached,
        reason=vote.reason,
    )
