"""Which fault is due when, and what a script may not say."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.gateway.faults import Fault, FaultSchedule, load_script

START_NS = 1_700_000_000 * NS_PER_S
PLACE, STATUS = 3, 3


def schedule(*faults: dict[str, Any], struck: Counter[int] | None = None) -> FaultSchedule:
    known = struck if struck is not None else Counter[int]()
    return FaultSchedule([Fault(**fault) for fault in faults], start_ns=START_NS, struck=known)


def test_faults_are_due_from_their_market_time_on_until_they_were_carried_out() -> None:
    struck: Counter[int] = Counter()
    plan = schedule({"at": "+0:01:00", "do": "restart"}, {"at": "+0:00:30", "do": "reset"}, struck=struck)
    assert plan.due(START_NS + 29 * NS_PER_S) == []
    assert [place for place, _ in plan.due(START_NS + 60 * NS_PER_S)] == [1, 0]
    struck[1] += 1
    assert [place for place, _ in plan.due(START_NS + 60 * NS_PER_S)] == [0]


def test_a_moment_may_be_an_instant() -> None:
    plan = schedule({"at": "2023-11-14T22:14:20Z", "do": "reset"})
    assert plan.due(START_NS + 59 * NS_PER_S) == []
    assert len(plan.due(START_NS + 60 * NS_PER_S)) == 1


def test_messages_are_counted_from_the_nth_on_for_so_many_times() -> None:
    struck: Counter[int] = Counter()
    plan = schedule({"receives": "placeOrder", "nth": 2, "times": 2, "do": "ignore"}, struck=struck)
    hit = []
    for number in range(1, 6):
        found = plan.received(11, PLACE)
        if found is not None:
            struck[found[0]] += 1
            hit.append(number)
    assert hit == [2, 3]


def test_a_fault_of_one_client_leaves_the_others_alone() -> None:
    plan = schedule({"sends": "orderStatus", "client": 11, "do": "omit"})
    assert plan.sending(12, STATUS) is None
    assert plan.sending(11, STATUS) is not None


def test_what_was_carried_out_before_a_restart_is_not_again() -> None:
    plan = schedule({"receives": "placeOrder", "do": "ignore"}, struck=Counter({0: 1}))
    assert plan.received(11, PLACE) is None


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("{do: reset}", "exactly one of at, receives, sends"),
        ("{at: +0:00:05, sends: error, do: reset}", "exactly one of at, receives, sends"),
        ("{at: +0:00:05, do: explode}", "do"),
        ("{at: +0:00:05, do: duplicate}", "duplicate does not go with at"),
        ("{receives: placeOrders, do: ignore}", "'placeOrders' is no receives; allowed:"),
        ("{at: +0:00:05, do: black_hole}", "black_hole needs seconds"),
        ("{at: +0:00:05, do: reset, seconds: 1}", "reset has no seconds"),
        ("{receives: placeOrder, do: reject, text: full}", "reject needs a code"),
        ("{at: +0:00:05, do: reset, klient: 11}", "klient"),
    ],
)
def test_a_wrong_script_is_refused_with_its_line(fault: str, named: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(f"version: 1\nfaults:\n  - {fault}\n")
    with pytest.raises(ConfigError) as refused:
        load_script(path)
    assert named in str(refused.value)
    assert f"{path}:3" in str(refused.value)


@pytest.mark.parametrize("moment", ["5 minutes", "+1:2:3", "2023-11-14T22:14:20"])
def test_a_moment_that_is_none_is_refused(moment: str) -> None:
    with pytest.raises(ConfigError, match="allowed: "):
        schedule({"at": moment, "do": "reset"})
