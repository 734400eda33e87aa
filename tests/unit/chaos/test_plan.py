"""The plan of faults: seeded, fair, spread over the session."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.chaos.plan import (
    DELAY_MS_MAX,
    NOT_OFFERED,
    Fault,
    FaultKind,
    parse_kinds,
    plan_faults,
)
from mia_actors.core.errors import ConfigError

CHILDREN = ("guardian", "broker", "features.1m", "ensemble", "execution", "cycle", "mentor")
CONNECTIONS = ("trading", "guardian")
EVERY_KIND = tuple(FaultKind)
AT_CHILDREN = {FaultKind.KILL, FaultKind.HANG}


def plan(**changes: Any) -> tuple[Fault, ...]:
    wanted: dict[str, Any] = {
        "kinds": (FaultKind.KILL,),
        "children": dict.fromkeys(CHILDREN, (FaultKind.KILL, FaultKind.HANG)),
        "connections": CONNECTIONS,
        "cycles": 390,
        "order_cycles": (),
        "count": 20,
        "seed": 1,
    }
    return plan_faults(**(wanted | changes))


kinds = st.lists(st.sampled_from(EVERY_KIND), min_size=1, unique=True).map(tuple)
sessions = st.fixed_dictionaries(
    {
        "kinds": kinds,
        "cycles": st.integers(1, 1500),
        "count": st.integers(1, 120),
        "seed": st.integers(),
        "order_cycles": st.lists(st.integers(1, 1500), max_size=9, unique=True),
    }
)


@given(sessions)
def test_the_same_seed_gives_the_same_plan(session: dict[str, Any]) -> None:
    assert plan(**session) == plan(**session)


def test_another_seed_gives_another_plan() -> None:
    assert plan(seed=1) != plan(seed=2)


@given(sessions)
def test_there_are_as_many_faults_as_asked_for_in_order_of_time(session: dict[str, Any]) -> None:
    faults = plan(**session)
    assert [fault.number for fault in faults] == list(range(1, session["count"] + 1))
    assert [fault.after_cycles for fault in faults] == sorted(fault.after_cycles for fault in faults)
    assert all(0 <= fault.delay_ms <= DELAY_MS_MAX for fault in faults)
    assert {fault.kind for fault in faults} <= set(session["kinds"])


@given(sessions)
def test_no_fault_waits_for_a_cycle_that_never_comes(session: dict[str, Any]) -> None:
    faults = plan(**(session | {"order_cycles": ()}))
    assert all(1 <= fault.after_cycles <= max(1, session["cycles"] - 1) for fault in faults)


@given(sessions)
def test_every_child_is_hit_when_there_are_as_many_faults_as_children(session: dict[str, Any]) -> None:
    faults = plan(**session)
    hit = {fault.target for fault in faults if fault.kind in AT_CHILDREN}
    if AT_CHILDREN & set(session["kinds"]) and session["count"] >= len(CHILDREN):
        assert hit == set(CHILDREN)


@given(sessions)
def test_every_kind_occurs_when_there_is_room_beside_every_child(session: dict[str, Any]) -> None:
    if session["count"] >= len(CHILDREN) + len(session["kinds"]):
        assert {fault.kind for fault in plan(**session)} == set(session["kinds"])


@given(sessions)
def test_each_kind_has_targets_of_its_own(session: dict[str, Any]) -> None:
    allowed = {
        FaultKind.KILL: set(CHILDREN),
        FaultKind.HANG: set(CHILDREN),
        FaultKind.GUARDIAN: {"guardian"},
        FaultKind.SOCKET: set(CONNECTIONS),
        FaultKind.SUPERVISOR: {"supervisor"},
        FaultKind.GATEWAY: {"gateway"},
        FaultKind.NODE: {"node"},
    }
    assert all(fault.target in allowed[fault.kind] for fault in plan(**session))


@given(sessions, st.sets(st.sampled_from(CHILDREN), max_size=len(CHILDREN) - 1))
def test_a_child_has_only_faults_it_may_have(session: dict[str, Any], spared: set[str]) -> None:
    both, kill = (FaultKind.KILL, FaultKind.HANG), (FaultKind.KILL,)
    children = {child: kill if child in spared else both for child in CHILDREN}
    faults = plan(**session, children=children)
    assert not [one for one in faults if one.kind is FaultKind.HANG and one.target in spared]
    assert len(faults) == session["count"]


def test_a_child_that_may_have_none_of_the_faults_is_left_alone_and_all_others_are_hit() -> None:
    children = dict.fromkeys(CHILDREN, (FaultKind.KILL,)) | {"broker": ()}
    assert {one.target for one in plan(children=children)} == set(CHILDREN) - {"broker"}


def test_a_fault_that_no_child_may_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="no child of the tree lists it under faults"):
        plan(children=dict.fromkeys(CHILDREN, (FaultKind.HANG,)))


@given(st.integers(), st.integers(1, 60))
def test_kills_are_dealt_evenly(seed: int, rounds: int) -> None:
    hits = Counter(fault.target for fault in plan(seed=seed, count=rounds * len(CHILDREN)))
    assert set(hits.values()) == {rounds}


@given(st.integers())
def test_moments_are_spread_over_the_whole_session(seed: int) -> None:
    """1000 cycles and ten faults: one fault in each of the ten parts of 98 that end before the quiet tail."""
    faults = plan(seed=seed, count=10, cycles=1001)
    assert [(fault.after_cycles - 1) // 98 for fault in faults] == list(range(10))


@given(st.integers())
def test_a_third_of_the_faults_is_aimed_at_cycles_that_send_orders(seed: int) -> None:
    """Cycles 991 and 992 lie in the quiet tail, where nothing falls by chance."""
    faults = plan(seed=seed, count=12, cycles=1000, order_cycles=(991, 992))
    aimed = Counter(fault.after_cycles for fault in faults if fault.after_cycles > 985)
    assert aimed == {991: 2, 992: 2}


def test_few_such_cycles_do_not_draw_all_faults_upon_them() -> None:
    faults = plan(count=300, cycles=1000, order_cycles=(995,))
    assert sum(fault.after_cycles == 995 for fault in faults) == 4


def test_kinds_are_read_in_order_and_once() -> None:
    assert parse_kinds("socket, kill,socket") == (FaultKind.SOCKET, FaultKind.KILL)


@pytest.mark.parametrize("text", ["", " , ", "kill,flood", *(kind.value for kind in NOT_OFFERED)])
def test_a_fault_that_cannot_be_had_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--faults .*; allowed: kill, hang"):
        parse_kinds(text)
