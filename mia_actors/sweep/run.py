"""One backtest of many: everything it needs in a plan, everything it did in an outcome. No Ray, no screen."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.features import EnsembleVector, EnsembleVote
from mia_actors.core.trade_date import trade_date
from mia_actors.cycle.backtest import Backtest, BacktestResult, Voter
from mia_actors.cycle.settings import DecisionSettings
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.ensemble.manifest import Manifest
from mia_actors.ensemble.registry import ModelSet, load, load_version
from mia_actors.ensemble.schedule import Swap, version_at
from mia_actors.ensemble.serving import EnsembleServer
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.guardian.limits import GuardianSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What the tree would give to the children that a backtest needs."""

    decision: DecisionSettings
    guardian: GuardianSettings
    """With its news file read."""
    ensemble: EnsembleSettings
    config_dir: Path
    """Where relative paths of the settings begin."""
    schedule: tuple[Swap, ...] = ()
    """The versions that vote, by event time, as a session kept them (ADR 19); empty: the current one throughout."""

    def models(self) -> ModelSet:
        """The models the ensemble would load.

        Raises:
            ConfigError: they are missing or not what their manifest says.
        """
        return load(self.config_dir / self.ensemble.models, entry_timeframe=self.ensemble.entry_timeframe)

    def voter(self, models: ModelSet) -> Voter:
        """The ensemble's vote in this process: of `models`, or of those in the schedule.

        Raises:
            ConfigError: a version of the schedule is missing or not what its manifest says.
        """
        ensemble = self.ensemble
        schedule = self.schedule or (Swap(version=models.manifest.version, from_ns=0),)
        servers = {
            swap.version: EnsembleServer.of(self._models(swap.version), cache_entries=ensemble.cache_entries)
            for swap in schedule
        }

        def vote(vector: EnsembleVector, event_time_ns: int) -> EnsembleVote:
            server = servers[version_at(schedule, event_time_ns)]
            return server.vote(vector, threshold=ensemble.approve_above, weights=ensemble.weights)

        return vote

    def manifests(self, models: ModelSet) -> tuple[Manifest, ...]:
        """Of all versions that `voter` would ask, each once."""
        named = dict.fromkeys(swap.version for swap in self.schedule)
        return tuple(self._models(version).manifest for version in named) or (models.manifest,)

    def _models(self, version: str) -> ModelSet:
        entry = self.ensemble.entry_timeframe
        return load_version(self.config_dir / self.ensemble.models, version, entry_timeframe=entry)

    def backtest(self, tape: Tape, voter: Voter, *, every_decision: bool = False) -> Backtest:
        """A backtest that has not begun."""
        return Backtest(
            tape,
            decision=self.decision,
            guardian=self.guardian,
            voter=voter,
            every_decision=every_decision,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One variant on one part of a tape."""

    variant: int
    """From 0."""
    fold: int | None
    """From 1; None: all of the time."""
    stretch: int
    """Place in time among the runs of a variant, from 0."""
    selection: TapeSelection
    settings: RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What one run did."""

    variant: int
    fold: int | None
    stretch: int
    result: BacktestResult
    days: tuple[date, ...]
    """Trade dates of its bars."""
    seconds: float
    """Reading the tape and the models included."""


def carry_out(plan: RunPlan) -> RunOutcome:
    """Runs it; the ledger is that of `mia backtest` with the same settings on the same part.

    Raises:
        ConfigError: the tape or the models cannot be used.
    """
    clock: Clock = SystemClock()
    began_s = clock.monotonic_s()
    tape = _loaded(plan.selection)
    voter = plan.settings.voter(plan.settings.models())
    found = plan.settings.backtest(tape, voter).run()
    return RunOutcome(
        variant=plan.variant,
        fold=plan.fold,
        stretch=plan.stretch,
        result=found,
        days=trade_dates(tape),
        seconds=clock.monotonic_s() - began_s,
    )


_loaded: Callable[[TapeSelection], Tape] = lru_cache(maxsize=1)(load_tape)
"""A process runs the variants of one fold one after the other."""


def trade_dates(tape: Tape) -> tuple[date, ...]:
    """The trade dates of a tape's bars, without those of its history."""
    return tuple(sorted({trade_date(bar.start_ns) for bar in tape.bars}))
