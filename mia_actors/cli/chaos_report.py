"""What `mia chaos` says: the documented JSON, and the same for a person."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table

from mia_actors.chaos.comparison import Comparison
from mia_actors.chaos.plan import Fault, FaultKind
from mia_actors.chaos.promises import armings
from mia_actors.chaos.recovery import Recovery, kills, recoveries
from mia_actors.cli.app import results
from mia_actors.cli.chaos_run import INTENSITY, Session
from mia_actors.cli.session_run import Ending
from mia_actors.cli.summary import percentiles
from mia_actors.supervision.event_log import read_events
from mia_actors.supervision.spec import SupervisorSpec

UNDISTURBED, DISTURBED = "undisturbed", "disturbed"
EVENTS_MAX = 1_000_000
TOLD = (
    "ledger_sha256_undisturbed",
    "ledger_sha256_disturbed",
    "lost",
    "duplicated",
    "kills",
    "hangs_not_detected",
    "halts",
    "seed",
    "cycles",
    "orders",
    "fills",
    "restarts",
    "restart_intensity",
    "seconds",
    "sessions",
)
"""What a person is told of the document, beside the verdict and the times."""


def chaos_document(
    before: Session,
    after: Session,
    compared: Comparison,
    *,
    plan: tuple[Fault, ...],
    seed: int,
    equal: bool,
    tree: SupervisorSpec,
) -> dict[str, Any]:
    """The JSON of `mia chaos --json`."""
    report = after.report
    events = [event for _, event in read_events(after.folder, limit=EVENTS_MAX)] if after.folder else []
    found = recoveries(report.strikes if report is not None else (), events)
    killed = kills(found)
    armed = armings(found, {spec.id: spec for _, spec in tree.child_specs()}, events)
    summary = after.result.summary if after.result is not None else None
    return {
        "equal": equal,
        "ledger_sha256_undisturbed": before.sha256,
        "ledger_sha256_disturbed": after.sha256,
        "kills": len(killed),
        "kills_by_child": {target: len(ones) for target, ones in _by_target(killed).items()},
        "orders_lost": len(compared.lost),
        "orders_duplicated": len(compared.duplicated),
        "mttr_ms": _times(killed)
        | {"by_child": {target: _times(ones) for target, ones in _by_target(killed).items()}},
        "armed": {
            "judged": len(armed),
            "late": [asdict(one) for one in armed if not one.in_time],
            "ms": _spread(one.took_ms for one in armed),
            "by_child": {
                child: _spread(one.took_ms for one in armed if one.child == child)
                | {"allowed": max(one.allowed_ms for one in armed if one.child == child)}
                for child in sorted({one.child for one in armed})
            },
        },
        "halts": int(after.ending is Ending.HALTED),
        "seed": seed,
        "faults": _by_kind(plan, found),
        "not_carried_out": [asdict(fault) for fault in (report.not_carried_out if report else plan)],
        "hangs_not_detected": report.hangs_not_detected if report is not None else 0,
        "lost": list(compared.lost),
        "duplicated": list(compared.duplicated),
        "cycles": summary.counts.cycles if summary is not None else None,
        "orders": summary.ledger.orders if summary is not None else None,
        "fills": summary.ledger.fills if summary is not None else None,
        "restarts": summary.restarts if summary is not None else None,
        "restart_intensity": f"raised to {INTENSITY} for every supervisor of the disturbed session and for the gateway",
        "ending": {UNDISTURBED: before.ending.value, DISTURBED: after.ending.value},
        "failure": after.failure,
        "seconds": {UNDISTURBED: before.seconds, DISTURBED: after.seconds},
        "sessions": {UNDISTURBED: str(before.folder), DISTURBED: str(after.folder)},
    }


def _by_target(found: Iterable[Recovery]) -> dict[str, list[Recovery]]:
    groups: dict[str, list[Recovery]] = {}
    for one in found:
        groups.setdefault(one.strike.fault.target, []).append(one)
    return dict(sorted(groups.items()))


def _times(found: Iterable[Recovery]) -> dict[str, float | None]:
    return _spread(one.mttr_ms for one in found)


def _spread(found: Iterable[float | None]) -> dict[str, float | None]:
    values = [value for value in found if value is not None]
    figures = percentiles(values)
    return {"p50": figures.p50, "p99": figures.p99} if values else {"p50": None, "p99": None}


def _by_kind(plan: tuple[Fault, ...], found: tuple[Recovery, ...]) -> dict[str, dict[str, Any]]:
    document = {}
    for kind in FaultKind:
        planned = sum(fault.kind is kind for fault in plan)
        own = [one for one in found if one.strike.fault.kind is kind]
        if planned:
            document[kind.value] = {
                "planned": planned,
                "carried_out": len(own),
                "confirmed": sum(one.confirmed for one in own),
                "mttr_ms": _times(one for one in own if one.confirmed),
            }
    return document


def tell_chaos(found: dict[str, Any]) -> None:
    """Verdict, facts, and times by child and by kind of fault."""
    good = found["equal"] and not found["lost"] and not found["duplicated"]
    results.print(
        "the ledgers are equal, nothing lost, nothing doubled" if good else "NOT EQUAL",
        style="bold green" if good else "bold red",
    )
    if found["failure"]:
        results.print(f"the disturbed session failed: {found['failure']}", style="red", markup=False)
    for one in found["armed"]["late"]:
        took = "never" if one["took_ms"] is None else f"after {one['took_ms']:.0f} ms"
        said = f"{one['child']} was armed {took}, allowed {one['allowed_ms']:.0f} ms (fault {one['number']})"
        results.print(said, style="red", markup=False)
    facts = Table.grid(padding=(0, 2))
    for name in TOLD:
        value = found[name]
        shown = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
        facts.add_row(name.replace("_", " "), str(shown))
    results.print(facts)
    table = Table(box=None, pad_edge=False)
    for column in ("killed", "times", "recovery p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column == "killed" else "right")
    for child, times in found["mttr_ms"]["by_child"].items():
        table.add_row(child, str(found["kills_by_child"][child]), str(times["p50"]), str(times["p99"]))
    for child, times in found["armed"]["by_child"].items():
        allowed = f"{times['allowed']:g} ms allowed"
        table.add_row(f"{child} armed", allowed, str(times["p50"]), str(times["p99"]))
    for kind, faults in found["faults"].items():
        times = faults["mttr_ms"]
        done = f"{faults['confirmed']} of {faults['planned']}"
        table.add_row(f"all of {kind}", done, str(times["p50"]), str(times["p99"]))
    results.print(table)
