"""What came of the faults that were carried out: confirmed deaths and times to recovery. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mia_actors.chaos.plan import Fault, FaultKind
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.events import Fact

NS_PER_MS = 1e6
DEATHS = frozenset({Fact.CHILD_EXITED.value, Fact.CHILD_START_FAILED.value})
SIGKILLS = frozenset({FaultKind.KILL, FaultKind.GUARDIAN, FaultKind.SUPERVISOR, FaultKind.GATEWAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A fault that was carried out."""

    fault: Fault
    incarnation: int
    """Life of the child it hit; 0 where there are no lives."""
    pid: int
    """Process it hit; 0 for a connection."""
    at_ns: int
    """Just before the signal was sent or the connection cut."""
    gone: bool
    """The process it hit was seen to end, or the connection to be away."""
    recovered_ns: int | None = None
    """When it served again, as seen from outside; None where only the event log can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What came of a strike."""

    strike: Strike
    confirmed: bool
    """It had the effect it was meant to have, and nothing else had it."""
    mttr_ms: float | None
    """To the next life's `child.started`; of a connection to the next one; of the gateway until it answers and the
    trading client is connected; None when that never came."""


def recoveries(strikes: Iterable[Strike], events: Sequence[LoggedEvent]) -> tuple[Recovery, ...]:
    """Judges strikes by the supervision event log of their session, which may be in any order."""
    return tuple(_recovery(strike, events) for strike in strikes)


def _recovery(strike: Strike, events: Sequence[LoggedEvent]) -> Recovery:
    own = [event for event in events if event.node == strike.fault.target]
    if strike.recovered_ns is None and strike.incarnation:
        started = [
            event.time_ns
            for event in own
            if event.event == Fact.CHILD_STARTED.value and event.incarnation > strike.incarnation
        ]
        strike = replace(strike, recovered_ns=min(started, default=None))
    crashed = any(
        event.event in DEATHS and event.incarnation == strike.incarnation and event.traceback for event in own
    )
    recovered_ns = strike.recovered_ns
    return Recovery(
        strike=strike,
        confirmed=strike.gone and not crashed,
        mttr_ms=None if recovered_ns is None else round((recovered_ns - strike.at_ns) / NS_PER_MS, 3),
    )


def kills(found: Iterable[Recovery]) -> tuple[Recovery, ...]:
    """Those in which a process really died by our SIGKILL."""
    return tuple(one for one in found if one.confirmed and one.strike.fault.kind in SIGKILLS)
