"""What a session with a broker shows of itself, by the simulated gateway and by nobody at all."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mia_actors.cli.posture import BrokerFacts
from mia_actors.cli.posture_facts import broker_facts, machine_facts
from mia_actors.core.clock import SystemClock
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import ES
from mia_actors.exchange.gateway.process import GatewayProcess

CLOCK = SystemClock()


@pytest.fixture
def connection() -> Iterator[Connection]:
    found = GatewayProcess.start(("--tape", "synthetic:7", "--cycles", "4"))
    yield Connection(host="127.0.0.1", port=found.tws_port, client_id=13, mode=BrokerMode.PAPER)
    found.stop()


def facts(connection: Connection, timeout_s: float = 10.0) -> BrokerFacts:
    return broker_facts(
        connection, ES, month=None, roll_days=8, expiry_days_min=2, timeout_s=timeout_s, clock=CLOCK
    )


def test_a_session_tells_account_contract_and_clock(connection: Connection) -> None:
    found = facts(connection)
    assert (found.problem, found.account, found.data_problem) == ("", "DUSIM0001", "")
    assert found.contract.startswith("ES")
    assert abs(found.skew_s) > 3600  # the tape is of another day


def test_an_account_that_the_login_does_not_have_is_refused_before_anything_is_asked(
    connection: Connection,
) -> None:
    found = facts(replace(connection, account="DU7654321"))
    assert "DU7654321 is not managed" in found.problem
    assert found.account == ""


def test_where_nobody_listens_the_reason_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    found = facts(Connection(host="127.0.0.1", port=port, client_id=13, mode=BrokerMode.PAPER), 2.0)
    assert found.address == f"127.0.0.1:{port}"
    assert found.problem


def test_this_machine_is_looked_at_and_nothing_is_left_in_the_state_directory(tmp_path: Path) -> None:
    found = machine_facts(tmp_path, own_ray=True, clock=CLOCK)
    assert found.free_bytes > 0
    assert found.filesystem != "unknown"
    assert found.sync_ms > 0
    assert found.ray_settings is not None
    assert machine_facts(tmp_path, own_ray=False, clock=CLOCK).ray_settings is None
    assert list(tmp_path.iterdir()) == []
