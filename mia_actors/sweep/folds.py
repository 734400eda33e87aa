"""Folds of a tape by time: consecutive, together all of it, with as many trade dates each. Pure."""

from dataclasses import dataclass, replace
from datetime import date

from mia_actors.core.errors import ConfigError
from mia_actors.core.trade_date import trade_date
from mia_actors.exchange.synthetic import is_synthetic
from mia_actors.exchange.tape import Tape, TapeSelection
from mia_actors.sweep.run import trade_dates


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A stretch of trade dates; what came before it is there as history, as for any part of a tape."""

    number: int
    """From 1."""
    days: tuple[date, ...]
    from_ns: int
    """Start of its first bar."""
    to_ns: int
    """Start of the next fold's first bar, or the end of the last bar."""

    def selection(self, whole: TapeSelection, tape: Tape) -> TapeSelection:
        """What to ask of the tape's source to get this part of `tape`, which is all of `whole`.

        The contract is that of the whole; a generated tape has but one at a time.
        """
        contract = whole.contract if is_synthetic(whole.source) else tape.contract.month
        return replace(whole, from_ns=self.from_ns, to_ns=self.to_ns, contract=contract)


def folds_of(tape: Tape, count: int) -> tuple[Fold, ...]:
    """`count` folds; where the trade dates do not divide evenly, the first ones have one more.

    Raises:
        ConfigError: there are fewer trade dates than folds.
    """
    days = trade_dates(tape)
    if count > len(days):
        raise ConfigError(
            f"--folds {count}: the part chosen of {tape.source_name} has {len(days)} trade dates; "
            f"allowed: 1 to {len(days)}"
        )
    starts_ns: dict[date, int] = {}
    for bar in tape.bars:
        starts_ns.setdefault(trade_date(bar.start_ns), bar.start_ns)
    length, longer = divmod(len(days), count)
    firsts = [number * length + min(number, longer) for number in range(count + 1)]
    ends_ns = [*(starts_ns[days[first]] for first in firsts[1:-1]), tape.bars[-1].end_ns]
    return tuple(
        Fold(
            number=number + 1,
            days=days[firsts[number] : firsts[number + 1]],
            from_ns=starts_ns[days[firsts[number]]],
            to_ns=ends_ns[number],
        )
        for number in range(count)
    )
