"""The ensemble as a supervised child: loads the current models, verifies them, votes."""

from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.errors import ConfigError, InvariantViolated
from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.core.market import Timeframe
from mia_actors.ensemble.manifest import EnsembleWeights
from mia_actors.ensemble.registry import current_version, load_version
from mia_actors.ensemble.schedule import SCHEDULE_FILE, Swap, begin_schedule, read_schedule, version_at
from mia_actors.ensemble.serving import CACHE_ENTRIES, EnsembleServer, refusal
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
    """Shell around `EnsembleServer`. Holds nothing that a successor could not load again.

    Which version votes follows from the event time of the decision and the session's schedule (ADR 19).
    """

    Settings = EnsembleSettings

    def __init__(self, settings: EnsembleSettings, context: ChildContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._session = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._servers: dict[str, EnsembleServer] = {}
        self._schedule: tuple[Swap, ...] = ()
        self._schedule_read_ns = 0
        self._newest = ""
        self._durations_s: deque[float] = deque(maxlen=DURATIONS_KEPT)

    def start(self) -> None:
        """Loads, verifies and warms up the version that the session began with, and what it swapped to since.

        Raises:
            ConfigError: there are no models, or they are not what their manifest says.
        """
        directory = self._session.path("")
        self._schedule = begin_schedule(directory, current_version(self._models_dir))
        self._schedule_read_ns = (directory / SCHEDULE_FILE).stat().st_mtime_ns
        self._serve(self._schedule[0].version)
        for swap in self._schedule[1:]:
            with suppress(ConfigError):  # its votes will tell
                self._serve(swap.version)

    def stop(self) -> None:
        """Nothing to release."""

    def vote(self, vector: EnsembleVector, event_time_ns: int) -> EnsembleVote:
        """The models' answer to one proposal; whatever fails is a refusal that says why."""
        version = self._version_at(event_time_ns)
        with tracing.span(conventions.SPAN_RUN_MODELS) as span:
            began_s = self._clock.monotonic_s()
            vote = self._voted(version, vector)
            if not vote.cached:
                self._durations_s.append(self._clock.monotonic_s() - began_s)
            span.set_attribute(conventions.P_GOOD, vote.p_good)
        if not vote.p_good_by_model:
            self._log.warning("ensemble.vote_failed", reason=vote.reason)
        return vote

    def figures(self) -> dict[str, float]:
        """Counts of this incarnation's newest version, cache hit rate, percentiles of votes not from the cache."""
        self._begun()
        server = self._servers[self._newest]
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

    def _begun(self) -> None:
        if not self._schedule:
            raise InvariantViolated("the ensemble was asked before it was started")

    @property
    def _models_dir(self) -> Path:
        return Path(self._session.config_dir) / self._settings.models

    def _version_at(self, event_time_ns: int) -> str:
        """By the schedule as it is now: it is read again when it was replaced, between two votes."""
        self._begun()
        directory = self._session.path("")
        replaced_ns = (directory / SCHEDULE_FILE).stat().st_mtime_ns
        if replaced_ns != self._schedule_read_ns:
            self._schedule, self._schedule_read_ns = read_schedule(directory), replaced_ns
        return version_at(self._schedule, event_time_ns)

    def _voted(self, version: str, vector: EnsembleVector) -> EnsembleVote:
        threshold, weights = self._settings.approve_above, self._settings.weights
        if version not in self._servers:
            try:
                self._serve(version)
            except ConfigError as error:  # what it swapped to is not what was stored: errors reject
                return refusal(str(error), threshold=threshold, version=version)
        return self._servers[version].vote(vector, threshold=threshold, weights=weights)

    def _serve(self, version: str) -> None:
        models = load_version(self._models_dir, version, entry_timeframe=self._settings.entry_timeframe)
        self._servers[version] = EnsembleServer.of(models, cache_entries=self._settings.cache_entries)
        self._newest = version
        self._log.info("models.loaded", version=version, approve_above=self._settings.approve_above)
