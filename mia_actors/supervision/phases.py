"""Where the time of a restart went, from what its host told, for the event log."""

from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.fleet import Host
from mia_actors.supervision.messages import Became

NOTHING_TO_SAY = LoggedEvent(time_ns=0, node="", incarnation=0, event="")


def phases_of(host: Host, outcome: Became, *, lost_s: float | None) -> LoggedEvent:
    """The start of a host's child in its phases; `lost_s` is when the life before it was known to be lost.

    A host on another node counts on a clock of its own: how long its part took to reach it is not known.
    """
    ready_s = max(host.ready_s, host.decided_s)
    same_clock = host.site.keeper is None
    return LoggedEvent(
        time_ns=0,
        node=host.child_id or "",
        incarnation=host.incarnation,
        event="",
        pid=host.identity.process.pid if host.identity else 0,
        decide_ms=None if lost_s is None else milliseconds(host.decided_s - lost_s),
        spawn_ms=milliseconds(ready_s - host.decided_s) if ready_s > host.decided_s else None,
        promote_ms=milliseconds(outcome.received_s - ready_s) if same_clock else None,
        import_ms=milliseconds(outcome.imported_s - outcome.received_s),
        construct_ms=milliseconds(outcome.constructed_s - outcome.imported_s),
        start_ms=milliseconds(outcome.started_s - outcome.constructed_s),
    )


def milliseconds(duration_s: float) -> float:
    """As the event log has it."""
    return round(duration_s * 1000, 3)
