"""The document `supervision.yaml`: the session, its connections, the standby pool and the tree."""

from pathlib import Path
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.broker.actor import BrokerSettings
from mia_actors.cli.limit_checks import check_limits
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import PRODUCTS
from mia_actors.supervision.child import parse_settings
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.yaml_file import load_yaml, validate_children, validate_pool

SettingsT = TypeVar("SettingsT", bound=BaseModel)
LIVE_PORTS = frozenset({4001, 7496})
"""Where TWS and IB Gateway listen for a live account; refused until live trading is its own switch."""
INSTRUMENTS = tuple(PRODUCTS)


class SessionSection(BaseModel):
    """What is traded and where its state is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instrument: Literal["ES", "MES", "NQ"] = Field(description="Futures product.")
    state: Path = Field(default=Path(".mia"), description="Directory of latch, journals, traces and reports.")
    pace: str = Field(
        default="lockstep",
        pattern=r"^(lockstep|[1-9][0-9]{0,3}x)$",
        description="Pace of the simulated gateway: lockstep, or a multiple of real time such as 60x.",
    )
    tape: str = Field(default="synthetic", description="Tape of the simulated gateway when none is given.")
    gateway_restarts_max: int = Field(
        default=5,
        ge=0,
        le=1000,
        description="Deaths of the simulated gateway within the period that are made good for.",
    )
    gateway_restart_period_s: float = Field(
        default=60.0, gt=0, le=86_400, description="Seconds in which deaths of the simulated gateway count."
    )


class ConnectionSection(BaseModel):
    """One client's way to the broker; secrets never stand here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(
        default="127.0.0.1", description="Host of TWS or IB Gateway; the simulated one ignores it."
    )
    port: int = Field(default=4002, ge=1, le=65535, description="4002 gateway paper, 7497 TWS paper.")
    client_id: int = Field(ge=1, le=999, description="Fixed API client id; each connection has its own.")


class SystemConfig(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = Field(description="Version of this file's shape.")
    session: SessionSection
    connections: dict[str, ConnectionSection] = Field(min_length=1)
    standby_pool: PoolSpec
    tree: SupervisorSpec


def load_config(path: Path) -> SystemConfig:
    """Reads and checks the file, every child's settings included.

    Raises:
        ConfigError: one line per finding: file, line, key, what is wrong, what is allowed.
    """
    document = load_yaml(path, SystemConfig)
    config = document.value
    validate_children(document, config.tree)
    validate_pool(document, config.standby_pool, config.tree)
    check_limits(config.tree, instrument=config.session.instrument, path=path)
    seen: dict[int, str] = {}
    for name, connection in config.connections.items():
        other = seen.setdefault(connection.client_id, name)
        if other != name:
            raise ConfigError(
                f"{path}: connections.{name}.client_id: {connection.client_id} is used by {other!r} too; "
                "every connection needs its own"
            )
    return config


def child_settings(config: SystemConfig, child_id: str, model: type[SettingsT]) -> SettingsT:
    """Settings the tree gives a child, as its model; the document was checked before.

    Raises:
        ConfigError: the tree has no such child.
    """
    for _, child in config.tree.child_specs():
        if child.id == child_id:
            return cast("SettingsT", parse_settings(model, child.settings))
    raise ConfigError(f"tree: there is no child {child_id!r}")


def history_days(config: SystemConfig) -> int:
    """The broker's warm-up, so that the simulated gateway and a backtest keep as much."""
    return child_settings(config, "broker", BrokerSettings).history_days


def session_connections(
    config: SystemConfig, mode: BrokerMode, gateway_port: int | None
) -> tuple[tuple[str, Connection], ...]:
    """The connections for a session; with the simulated gateway all go to its port on loopback.

    Raises:
        ConfigError: a live port without the live mode, which this version does not offer.
    """
    if mode is BrokerMode.LIVE:
        raise ConfigError(
            "--broker live: this version trades the simulated gateway and paper accounts only; "
            "allowed: sim, paper"
        )
    found: list[tuple[str, Connection]] = []
    for name, section in config.connections.items():
        if gateway_port is not None:
            host, port = "127.0.0.1", gateway_port
        else:
            host, port = section.host, section.port
            if port in LIVE_PORTS:
                raise ConfigError(
                    f"connections.{name}.port: {port} is where a LIVE account listens; paper is 4002 or 7497"
                )
        found.append((name, Connection(host=host, port=port, client_id=section.client_id, mode=mode)))
    return tuple(found)
