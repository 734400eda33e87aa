"""Children are held to the time in which they declare to be armed again."""

import pytest

from mia_actors.chaos.plan import Fault, FaultKind
from mia_actors.chaos.promises import armings
from mia_actors.chaos.recovery import Recovery, Strike
from mia_actors.supervision.event_log import LoggedEvent
from mia_actors.supervision.spec import ChildSpec

MS = 1_000_000
CHILDREN = {
    "broker": ChildSpec(id="broker", run="m:B", armed_within_s=2.0, alive_within_s=1.5),
    "mentor": ChildSpec(id="mentor", run="m:M"),
}


def hit(
    target: str = "broker",
    *,
    incarnation: int = 1,
    at_ms: int = 0,
    kind: FaultKind = FaultKind.KILL,
    confirmed: bool = True,
) -> Recovery:
    fault = Fault(number=7, kind=kind, target=target, after_cycles=1, delay_ms=0.0)
    strike = Strike(fault=fault, incarnation=incarnation, pid=1, at_ns=at_ms * MS, gone=True)
    return Recovery(strike=strike, confirmed=confirmed, mttr_ms=None)


def armed(incarnation: int, at_ms: int, node: str = "broker") -> LoggedEvent:
    return LoggedEvent(time_ns=at_ms * MS, node=node, incarnation=incarnation, event="child.armed")


@pytest.mark.parametrize(("took_ms", "verdict"), [(2000, "in time"), (2001, "late")])
def test_a_kill_may_cost_what_the_child_declares(took_ms: int, verdict: str) -> None:
    (judged,) = armings([hit(at_ms=100)], CHILDREN, [armed(1, 50), armed(2, 100 + took_ms)])
    assert (judged.took_ms, judged.allowed_ms) == (took_ms, 2000)
    assert judged.in_time is (verdict == "in time")


def test_a_hang_may_cost_the_time_of_its_detection_beside_that() -> None:
    (judged,) = armings([hit(kind=FaultKind.HANG)], CHILDREN, [armed(2, 3400)])
    assert (judged.allowed_ms, judged.in_time) == (3500, True)


def test_one_that_was_never_armed_again_broke_its_promise() -> None:
    (judged,) = armings([hit()], CHILDREN, [armed(1, 50)])
    assert (judged.took_ms, judged.in_time) == (None, False)


def test_a_life_that_was_hit_before_it_was_armed_is_not_held_to_anything() -> None:
    found = [hit(), hit(incarnation=2, at_ms=10)]
    (judged,) = armings(found, CHILDREN, [armed(3, 500)])
    assert judged.took_ms == 490


@pytest.mark.parametrize("one", [hit("mentor"), hit("trading"), hit(confirmed=False), hit(incarnation=0)])
def test_who_declares_nothing_and_what_did_not_happen_is_not_judged(one: Recovery) -> None:
    assert armings([one], CHILDREN, [armed(2, 10)]) == ()
