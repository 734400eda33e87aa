"""What every test needs: nothing of ours survives it, and unit tests touch neither Ray nor the network."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import ray
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # how long an example takes says something about the machine only

UNIT = Path(__file__).parent / "unit"


@pytest.fixture(autouse=True)
def _unit_tests_stay_pure(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unit tests that start Ray or open a socket fail with the reason."""
    if UNIT not in Path(str(request.node.path)).parents:
        yield
        return

    def forbidden(*_: object, **__: object) -> NoReturn:
        pytest.fail(
            "unit tests open no sockets and start no Ray: it belongs to tests/gateway or tests/actors"
        )

    monkeypatch.setattr(socket.socket, "connect", forbidden)
    monkeypatch.setattr(socket.socket, "bind", forbidden)
    monkeypatch.setattr(ray, "init", forbidden)
    yield
