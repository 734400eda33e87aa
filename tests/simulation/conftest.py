"""One backtest for all sessions of this folder to be compared with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.session_driver import Session, backtest, loose_config


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loose_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def reference(config: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The in-process backtest: JSON and ledger."""
    return backtest(config, tmp_path_factory.mktemp("backtest") / "state")


@pytest.fixture
def session(config: Path, tmp_path: Path) -> Session:
    return Session(state=tmp_path / "state", config=config)


@pytest.fixture
def make_session(config: Path, tmp_path: Path) -> Callable[..., Session]:
    def make(**changes: Any) -> Session:
        return Session(**({"state": tmp_path / "state", "config": config} | changes))

    return make
