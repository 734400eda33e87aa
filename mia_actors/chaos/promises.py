"""Whether children were armed again in the time that the tree declares for them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mia_actors.chaos.plan import FaultKind
from mia_actors.chaos.recovery import NS_PER_MS, Recovery
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import Fact
from mia_actors.supervision.spec import ChildSpec

MS_PER_S = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arming:
    """A child that was hit and declares within what time it is armed again."""

    number: int
    """Of the fault."""
    child: str
    allowed_ms: float
    """Its `armed_within_s`; after a hang also the time in which that has to be noticed."""
    took_ms: float | None
    """From the fault to the next life's `child.armed`; None when that never came."""

    @property
    def in_time(self) -> bool:
        """Whether it kept its promise."""
        return self.took_ms is not None and self.took_ms <= self.allowed_ms


def armings(
    found: Iterable[Recovery], children: Mapping[str, ChildSpec], events: Sequence[LoggedEvent]
) -> tuple[Arming, ...]:
    """Judges confirmed faults by the session's event log; a life that was hit before it was armed is left out."""
    confirmed = [one for one in found if one.confirmed and one.strike.incarnation]
    lives_hit = {(one.strike.fault.target, one.strike.incarnation) for one in confirmed}
    judged = []
    for one in confirmed:
        strike, spec = one.strike, children.get(one.strike.fault.target)
        if spec is None or spec.armed_within_s is None:
            continue
        later = [
            event for event in events if event.node == spec.id and event.incarnation > strike.incarnation
        ]
        armed = [event for event in later if event.event == Fact.CHILD_ARMED.value]
        first = min(armed, key=lambda event: event.time_ns, default=None)
        if first is None and (spec.id, strike.incarnation + 1) in lives_hit:
            continue
        if first is not None and first.incarnation > strike.incarnation + 1:
            continue
        noticed_s = (spec.alive_within_s or 0.0) if strike.fault.kind is FaultKind.HANG else 0.0
        judged.append(
            Arming(
                number=strike.fault.number,
                child=spec.id,
                allowed_ms=round((spec.armed_within_s + noticed_s) * MS_PER_S, 3),
                took_ms=None if first is None else round((first.time_ns - strike.at_ns) / NS_PER_MS, 3),
            )
        )
    return tuple(judged)
