"""Folds of a tape by time: consecutive, together all of it, with as many trade dates each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.tape import TapeSelection
from mia_actors.sweep.days import TapeDay


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What one run trades: consecutive trade dates of one contract, all or a part of a fold."""

    fold: int
    """From 1."""
    days: tuple[TapeDay, ...]

    def selection(self, whole: TapeSelection) -> TapeSelection:
        """What to ask of the tape's source; what came before is history, as for any part of a tape."""
        return replace(
            whole,
            from_ns=self.days[0].first_ns,
            to_ns=self.days[-1].last_ns + NS_PER_S,
            contract=self.days[0].contract,
        )


def stretches(days: Sequence[TapeDay], folds: int) -> tuple[Stretch, ...]:
    """Folds in order of time, each in one stretch for each of its contracts.

    Where the trade dates do not divide evenly, the first folds have one more.

    Raises:
        ConfigError: there are fewer trade dates than folds.
    """
    if folds > len(days):
        raise ConfigError(
            f"--folds {folds}: trade dates in the part chosen: {len(days)}; allowed: up to as many"
        )
    length, longer = divmod(len(days), folds)
    firsts = [number * length + min(number, longer) for number in range(folds + 1)]
    return tuple(
        Stretch(fold=number + 1, days=tuple(of_contract))
        for number in range(folds)
        for _, of_contract in groupby(days[firsts[number] : firsts[number + 1]], key=lambda day: day.contract)
    )
