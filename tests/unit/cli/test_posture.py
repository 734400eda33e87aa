"""What makes a machine or a broker session unfit, and what it says should be done."""

from dataclasses import replace
from typing import Any

import pytest

from mia_actors.cli.posture import (
    RAY_WANTED,
    BrokerFacts,
    Finding,
    Grade,
    MachineFacts,
    broker_findings,
    is_fit,
    library_finding,
    machine_findings,
)
from mia_actors.core.session import BrokerMode

GOOD = MachineFacts(
    clock_synchronised=True,
    filesystem="ext4",
    free_bytes=50 << 30,
    sync_ms=1.0,
    memory_bytes=16 << 30,
    shared_memory_bytes=8 << 30,
    niceness=0,
    oom_score_adjustment=0,
    ray_settings={name: value for name, (value, _) in RAY_WANTED.items()},
)
SESSION = BrokerFacts(address="h:7", account="DU1", contract="ESZ3")


def worst(findings: list[Finding]) -> dict[str, Grade]:
    """Those that are not well."""
    return {one.name: one.grade for one in findings if one.grade is not Grade.OK}


def test_a_good_machine_has_nothing_to_be_mended() -> None:
    findings = machine_findings(GOOD, BrokerMode.LIVE)
    assert (worst(findings), is_fit(findings)) == ({}, True)


@pytest.mark.parametrize(
    ("change", "name", "grade"),
    [
        ({"clock_synchronised": False}, "clock", Grade.ERROR),
        ({"clock_synchronised": None}, "clock", Grade.WARNING),
        ({"filesystem": "tmpfs"}, "latch", Grade.ERROR),
        ({"sync_ms": 400.0}, "latch", Grade.WARNING),
        ({"free_bytes": 100 << 20}, "disk", Grade.ERROR),
        ({"free_bytes": 1 << 30}, "disk", Grade.WARNING),
        ({"memory_bytes": 1 << 30}, "memory", Grade.WARNING),
        ({"shared_memory_bytes": 64 << 20}, "memory", Grade.WARNING),
        ({"niceness": 10}, "priority", Grade.ERROR),
        ({"oom_score_adjustment": 500}, "out of memory", Grade.ERROR),
        ({"ray_settings": None}, "ray", Grade.WARNING),
        ({"ray_settings": dict(GOOD.ray_settings or {}) | {"RAY_worker_niceness": "15"}}, "ray", Grade.ERROR),
    ],
)
def test_each_thing_a_guardian_depends_on_is_found_wanting_with_its_remedy(
    change: dict[str, Any], name: str, grade: Grade
) -> None:
    findings = machine_findings(replace(GOOD, **change), BrokerMode.LIVE)
    assert worst(findings) == {name: grade}
    assert all(one.remedy for one in findings if one.grade is not Grade.OK)
    assert is_fit(findings) == (grade is Grade.WARNING)


def test_a_closed_market_is_no_missing_permission() -> None:
    findings = broker_findings(replace(SESSION, has_bars=False), BrokerMode.PAPER, guardian_client_id=12)
    assert worst(findings)["market data"] is Grade.WARNING


def test_a_simulation_may_keep_its_latch_in_memory() -> None:
    assert worst(machine_findings(replace(GOOD, filesystem="tmpfs"), BrokerMode.SIM)) == {
        "latch": Grade.WARNING
    }


@pytest.mark.parametrize(
    ("change", "name", "remedy"),
    [
        ({"problem": "Connection refused"}, "broker", "start TWS"),
        (
            {"problem": "code 321: The API interface is currently in Read-Only mode."},
            "broker",
            "untick Read-Only",
        ),
        ({"problem": "code 326: client id in use"}, "broker", "uses this client id"),
        ({"problem": "session.account: DU2 is not managed"}, "broker", "session.account"),
        ({"skew_s": -7.0}, "broker clock", "synchronise"),
        ({"data_problem": "code 354", "has_bars": False}, "market data", "subscribe"),
    ],
)
def test_what_the_broker_refuses_is_an_error_with_its_remedy(
    change: dict[str, Any], name: str, remedy: str
) -> None:
    findings = broker_findings(replace(SESSION, **change), BrokerMode.PAPER, guardian_client_id=12)
    (error,) = [one for one in findings if one.grade is Grade.ERROR]
    assert (error.name, remedy in error.remedy) == (name, True)


def test_nobody_claims_to_see_the_orders_of_all_clients() -> None:
    found = worst(broker_findings(SESSION, BrokerMode.PAPER, guardian_client_id=12))
    assert found == {"orders of all clients": Grade.WARNING}


@pytest.mark.parametrize(
    ("installed", "mode", "grade"),
    [
        (("ib_insync",), BrokerMode.LIVE, Grade.OK),
        (("ib_async",), BrokerMode.PAPER, Grade.OK),
        (("ib_async", "ib_insync"), BrokerMode.SIM, Grade.WARNING),
        (("ib_async", "ib_insync"), BrokerMode.PAPER, Grade.ERROR),
        (("ib_async", "ib_insync"), BrokerMode.LIVE, Grade.ERROR),
        ((), BrokerMode.SIM, Grade.ERROR),
    ],
)
def test_a_real_broker_is_not_traded_with_two_client_libraries_in_one_environment(
    installed: tuple[str, ...], mode: BrokerMode, grade: Grade
) -> None:
    """Both bring a module `eventkit`: which of the two is there depends on what was installed last."""
    found = library_finding(installed, mode)
    assert found.grade is grade
    assert all(name in found.found for name in installed)
    assert bool(found.remedy) == (grade is not Grade.OK)


def test_what_is_held_in_another_expiry_forbids_to_trade() -> None:
    facts = replace(SESSION, elsewhere=("position of -2 in ESZ3",))
    (found,) = [
        one
        for one in broker_findings(facts, BrokerMode.PAPER, guardian_client_id=12)
        if one.name == "contract"
    ]
    assert found.grade is Grade.ERROR
    assert "position of -2 in ESZ3" in found.found
    assert "--contract" in found.remedy
