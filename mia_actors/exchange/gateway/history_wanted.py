"""What a request for historical bars asks for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from mia_actors.exchange.gateway.historical_bars import BAR_SIZES, BarSize
from mia_actors.exchange.gateway.moments import moment_ns
from mia_actors.exchange.gateway.price_points import Shown
from mia_actors.exchange.gateway.refusals import Refused

SCHEDULE = "SCHEDULE"
EPOCH_FORM = "2"
FIELDS = 23
CONTRACT_PLACE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryWanted:
    """A request that can be answered."""

    request_id: int
    size: BarSize
    duration: str
    shown: Shown | None
    """None: the schedule of sessions instead of bars."""
    until_ns: int | None
    """None: the present."""
    regular_only: bool
    epoch: bool
    goes_on: bool

    @classmethod
    def parsed(cls, fields: Sequence[str]) -> Self:
        """Message 20.

        Raises:
            Refused: not simulated, or it contradicts itself.
        """
        request_id = int(fields[1])
        if len(fields) < FIELDS:
            raise Refused(request_id, 321, f"reqHistoricalData has {len(fields)} fields, {FIELDS} are needed")
        end, size, duration, regular, what, form, goes_on = fields[15:22]
        if size not in BAR_SIZES:
            raise Refused(request_id, 321, f"bars of {size!r} are not simulated; {', '.join(BAR_SIZES)} are")
        if what not in {*Shown, SCHEDULE}:
            allowed = ", ".join((*Shown, SCHEDULE))
            raise Refused(request_id, 321, f"bars of {what!r} are not simulated; {allowed} are")
        if goes_on == "1" and (end or what == SCHEDULE):
            raise Refused(request_id, 321, "keepUpToDate needs an empty end time and bars")
        try:
            until_ns = moment_ns(end) if end else None
        except ValueError as error:
            raise Refused(request_id, 321, f"Error validating request: {error}") from error
        return cls(
            request_id=request_id,
            size=BAR_SIZES[size],
            duration=duration,
            shown=None if what == SCHEDULE else Shown(what),
            until_ns=until_ns,
            regular_only=regular == "1",
            epoch=form == EPOCH_FORM,
            goes_on=goes_on == "1",
        )
