"""What the event log tells of a strike: whether it killed, and when the next life served."""

from dataclasses import replace

from mia_actors.chaos.plan import Fault, FaultKind
from mia_actors.chaos.recovery import Strike, kills, recoveries
from mia_actors.supervision.event_log import LoggedEvent

MS = 1_000_000
KILL = Fault(number=1, kind=FaultKind.KILL, target="broker", after_cycles=5, delay_ms=0.0)
STRIKE = Strike(fault=KILL, incarnation=2, pid=77, at_ns=1000 * MS, gone=True)


def logged(
    at_ms: int, event: str, incarnation: int, *, node: str = "broker", traceback: str = ""
) -> LoggedEvent:
    return LoggedEvent(
        time_ns=at_ms * MS, node=node, incarnation=incarnation, event=event, traceback=traceback
    )


LOG = (
    logged(10, "child.started", 1),
    logged(900, "child.started", 2),
    logged(1004, "child.exited", 2),
    logged(1005, "child.started", 7, node="cycle"),
    logged(1040, "child.started", 3),
    logged(1900, "child.started", 4),
)


def test_recovery_is_from_the_strike_to_the_next_life_of_that_child() -> None:
    (found,) = recoveries([STRIKE], LOG)
    assert (found.confirmed, found.mttr_ms) == (True, 40.0)
    assert kills([found]) == (found,)


def test_the_next_life_counts_even_if_an_attempt_failed_in_between() -> None:
    log = (*LOG[:4], logged(1030, "child.start_failed", 3), logged(1090, "child.started", 4))
    assert recoveries([STRIKE], log)[0].mttr_ms == 90.0


def test_a_child_that_never_came_back_has_no_time_to_recovery() -> None:
    (found,) = recoveries([STRIKE], LOG[:4])
    assert (found.confirmed, found.mttr_ms) == (True, None)


def test_a_process_that_was_not_seen_to_end_was_not_killed() -> None:
    assert kills(recoveries([replace(STRIKE, gone=False)], LOG)) == ()


def test_a_process_that_crashed_by_itself_was_not_killed_by_us() -> None:
    crashed = logged(1001, "child.exited", 2, traceback="Traceback ...")
    assert kills(recoveries([STRIKE], (*LOG[:2], crashed, LOG[4]))) == ()
    earlier = logged(500, "child.exited", 1, traceback="Traceback ...")
    assert len(kills(recoveries([STRIKE], (earlier, *LOG)))) == 1


def test_hangs_and_cut_connections_are_no_kills() -> None:
    hang = replace(STRIKE, fault=replace(KILL, kind=FaultKind.HANG))
    socket = replace(
        STRIKE, fault=replace(KILL, kind=FaultKind.SOCKET), incarnation=0, recovered_ns=1011 * MS
    )
    found = recoveries([hang, socket], LOG)
    assert [one.mttr_ms for one in found] == [40.0, 11.0]
    assert kills(found) == ()
