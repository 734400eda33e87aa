"""The JSON of `mia chaos`: the documented keys, also of a session that failed in the middle."""

from pathlib import Path
from typing import Any

from mia_actors.chaos.agent import ChaosReport
from mia_actors.chaos.comparison import Comparison
from mia_actors.chaos.plan import Fault, FaultKind
from mia_actors.chaos.recovery import Strike
from mia_actors.cli.chaos_report import chaos_document, tell_chaos
from mia_actors.cli.chaos_run import Session
from mia_actors.supervision.event_log import EventLog, LoggedEvent
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec

DOCUMENTED = {
    "equal",
    "ledger_sha256_undisturbed",
    "ledger_sha256_disturbed",
    "kills",
    "kills_by_child",
    "orders_lost",
    "orders_duplicated",
    "mttr_ms",
    "halts",
}
MS = 1_000_000


def fault(number: int, target: str, kind: FaultKind = FaultKind.KILL) -> Fault:
    return Fault(number=number, kind=kind, target=target, after_cycles=number, delay_ms=0.0)


TREE = SupervisorSpec(
    id="root",
    children=(ChildSpec(id="broker", run="m:B", armed_within_s=0.1), ChildSpec(id="cycle", run="m:C")),
)
PLAN = (fault(1, "broker"), fault(2, "cycle"), fault(3, "broker"), fault(4, "trading", FaultKind.SOCKET))


def strike(one: Fault, incarnation: int, at_ms: int, *, gone: bool = True) -> Strike:
    return Strike(fault=one, incarnation=incarnation, pid=1, at_ns=at_ms * MS, gone=gone)


def session(folder: Path | None, report: ChaosReport | None = None) -> Session:
    return Session(
        folder=folder, result=None, failure="it broke", seconds=1.5, report=report, broker_orders=()
    )


def document(folder: Path) -> dict[str, Any]:
    log = EventLog(folder)
    started = [("broker", 2, 140), ("broker", 3, 360), ("cycle", 2, 290)]
    log.append(
        LoggedEvent(time_ns=at_ms * MS, node=node, incarnation=incarnation, event="child.started")
        for node, incarnation, at_ms in started
    )
    log.append(
        LoggedEvent(time_ns=at_ms * MS, node="broker", incarnation=incarnation, event="child.armed")
        for incarnation, at_ms in ((2, 145), (3, 450))
    )
    log.close()
    strikes = (strike(PLAN[0], 1, 100), strike(PLAN[1], 1, 200, gone=False), strike(PLAN[2], 2, 300))
    report = ChaosReport(strikes=strikes, not_carried_out=PLAN[3:], hangs_not_detected=0, broker_orders=())
    compared = Comparison(lost=("one.entry", "one.stop"), duplicated=())
    return chaos_document(
        session(None), session(folder, report), compared, plan=PLAN, seed=5, equal=False, tree=TREE
    )


def test_the_documented_keys_are_there_whatever_became_of_the_session(tmp_path: Path) -> None:
    found = document(tmp_path)
    assert set(found) >= DOCUMENTED
    assert set(found["mttr_ms"]) == {"p50", "p99", "by_child"}
    assert (found["equal"], found["ledger_sha256_disturbed"], found["failure"]) == (False, None, "it broke")
    assert (found["orders_lost"], found["orders_duplicated"]) == (2, 0)


def test_kills_are_confirmed_deaths_and_times_are_by_child(tmp_path: Path) -> None:
    """The cycle's process was not seen to end: no kill, and its restart is no recovery."""
    found = document(tmp_path)
    assert (found["kills"], found["kills_by_child"]) == (2, {"broker": 2})
    assert found["mttr_ms"] == {"p50": 40.0, "p99": 60.0, "by_child": {"broker": {"p50": 40.0, "p99": 60.0}}}
    assert found["faults"]["kill"] == {
        "planned": 3,
        "carried_out": 3,
        "confirmed": 2,
        "mttr_ms": {"p50": 40.0, "p99": 60.0},
    }
    assert found["faults"]["socket"]["carried_out"] == 0
    assert [one["number"] for one in found["not_carried_out"]] == [4]


def test_a_child_that_was_armed_later_than_it_declares_is_named(tmp_path: Path) -> None:
    armed = document(tmp_path)["armed"]
    assert armed["judged"] == 2
    assert armed["late"] == [{"number": 3, "child": "broker", "allowed_ms": 100.0, "took_ms": 150.0}]
    assert armed["by_child"] == {"broker": {"p50": 45.0, "p99": 150.0, "allowed": 100.0}}


def test_a_person_is_told_the_verdict(tmp_path: Path, capsys: Any) -> None:
    tell_chaos(document(tmp_path))
    said = capsys.readouterr().out
    assert "NOT EQUAL" in said
    assert "it broke" in said
