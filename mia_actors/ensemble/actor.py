"""The ensemble as a supervised child: loads the current models, verifies them, votes."""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.errors import InvariantViolated
from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.core.market import Timeframe
from mia_actors.ensemble.manifest import EnsembleWeights
from mia_actors.ensemble.registry import load
from mia_actors.ensemble.serving import CACHE_ENTRIES, EnsembleServer
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry import conventions, tracing
from mia_actors.telemetry.logs import get_logger

if TYPE_CHECKING:
    from mia_actors.core.session import SessionInfo

DURATIONS_KEPT = 1000
PERCENTILES = (50, 95, 99)
MS_PER_S = 1000.0


class EnsembleSettings(BaseModel):
    """Which models vote, and how high the bar is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Path = Field(
        default=Path("models"), description="Directory of model versions, relative to supervision.yaml."
    )
    approve_above: float = Field(
        default=0.60, ge=0.5, lt=1, description="P(good) a vote must exceed; 0.5 is the base rate."
    )
    weights: EnsembleWeights = Field(
        default=EnsembleWeights(), description="Weight of each model; they add up to 1."
    )
    entry_timeframe: Timeframe = Field(
        default=Timeframe.M5, description="Bars entries are decided on; the models must be trained for it."
    )
    cache_entries: int = Field(
        default=CACHE_ENTRIES, ge=0, le=100_000, description="Vectors whose answers are remembered; 0: none."
    )


class Ensemble:
    """Shell around `EnsembleServer`. Holds nothing that a successor could not load again."""

    Settings = EnsembleSettings

    def __init__(self, settings: EnsembleSettings, context: ChildContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._session = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._server: EnsembleServer | None = None
        self._durations_s: deque[float] = deque(maxlen=DURATIONS_KEPT)

    def start(self) -> None:
        """Loads, verifies and warms up the current version.

        Raises:
            ConfigError: there are no models, or they are not what their manifest says.
        """
        directory = Path(self._session.config_dir) / self._settings.models
        models = load(directory, entry_timeframe=self._settings.entry_timeframe)
        self._server = EnsembleServer.of(models, cache_entries=self._settings.cache_entries)
        manifest = models.manifest
        self._log.info("models.loaded", version=manifest.version, approve_above=self._settings.approve_above)

    def stop(self) -> None:
        """Nothing to release."""

    def vote(self, vector: EnsembleVector) -> EnsembleVote:
        """The models' answer to one proposal; whatever fails is a refusal that says why."""
        server = self._serving()
        with tracing.span(conventions.SPAN_RUN_MODELS) as span:
            began_s = self._clock.monotonic_s()
            vote = server.vote(vector, threshold=self._settings.approve_above, weights=self._settings.weights)
            if not vote.cached:
                self._durations_s.append(self._clock.monotonic_s() - began_s)
            span.set_attribute(conventions.P_GOOD, vote.p_good)
        if not vote.p_good_by_model:
            self._log.warning("ensemble.vote_failed", reason=vote.reason)
        return vote

    def figures(self) -> dict[str, float]:
        """Counts of this incarnation, cache hit rate, percentiles of the last votes not from the cache."""
        server = self._serving()
        counts = server.counts
        found = {
            "votes": float(counts.votes),
            "approved": float(counts.approved),
            "failed": float(counts.failed),
            "cache_hits": float(counts.cache_hits),
            "cache_hit_rate": counts.cache_hit_rate,
            "cache_entries": float(server.cached_entries),
        }
        if self._durations_s:
            for rank, value in zip(PERCENTILES, np.percentile(self._durations_s, PERCENTILES), strict=True):
                found[f"inference_p{rank}_ms"] = float(value) * MS_PER_S
        return found

    def _serving(self) -> EnsembleServer:
        if self._server is None:
            raise InvariantViolated("the ensemble was asked before it was started")
        return self._server
