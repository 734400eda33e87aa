"""The document `supervision.yaml`: the session, its connections, the standby pool and the tree."""

from pathlib import Path
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.broker.actor import BrokerSettings
from mia_actors.cli.limit_checks import check_limits
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import PRODUCTS
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.silence import DeadmanSettings
from mia_actors.supervision.child import parse_settings
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.yaml_file import load_yaml, validate_children, validate_pool

SettingsT = TypeVar("SettingsT", bound=BaseModel)
LIVE_PORTS = frozenset({4001, 7496})
"""Where TWS and IB Gateway listen for a live account."""
GUARDIAN = "guardian"
INSTRUMENTS = tuple(PRODUCTS)


class SessionSection(BaseModel):
    """What is traded and where its state is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instrument: Literal["ES", "MES", "NQ"] = Field(description="Futures product.")
    account: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{1,3}[0-9][0-9A-Z]{3,11}$",
        description="IB account to trade, such as DU1234567; needed where the login has several, and for live.",
    )
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
    deadman: DeadmanSettings = Field(default_factory=DeadmanSettings)
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
    return _sound(path, config)


def load_without_children(path: Path) -> SystemConfig:
    """The file without loading any child's class: for whoever must work when one of them is broken.

    Raises:
        ConfigError: as `load_config`.
    """
    return _sound(path, load_yaml(path, SystemConfig).value)


def _sound(path: Path, config: SystemConfig) -> SystemConfig:
    seen: dict[int, str] = {}
    for name, connection in config.connections.items():
        other = seen.setdefault(connection.client_id, name)
        if other != name:
            raise ConfigError(
                f"{path}: connections.{name}.client_id: {connection.client_id} is used by {other!r} too; "
                "every connection needs its own"
            )
    if config.deadman.connection not in config.connections:
        raise ConfigError(
            f"{path}: deadman.connection: {config.deadman.connection!r} is not declared; "
            f"allowed: {', '.join(config.connections)}"
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


def roll_days_of(config: SystemConfig) -> int:
    """The guardian's rule for the contract, for whoever must find the same one without it."""
    return guardian_settings(config).roll_days


def guardian_settings(config: SystemConfig) -> GuardianSettings:
    """The guardian's settings, for whoever must judge without it; the defaults where the tree has none."""
    for _, child in config.tree.child_specs():
        if child.id == GUARDIAN:
            return GuardianSettings.model_validate(child.settings)
    return GuardianSettings()


def history_days(config: SystemConfig) -> int:
    """The broker's warm-up, so that the simulated gateway and a backtest keep as much."""
    return child_settings(config, "broker", BrokerSettings).history_days


def session_connections(
    config: SystemConfig, mode: BrokerMode, gateway_port: int | None, *, live_account: str | None = None
) -> tuple[tuple[str, Connection], ...]:
    """The connections for a session; with the simulated gateway all go to its port on loopback.

    Raises:
        ConfigError: a live port in paper mode, or live mode without the account named a second time.
    """
    if live_account is not None and mode is not BrokerMode.LIVE:
        raise ConfigError(f"--live-account goes with --broker live, not with --broker {mode.value}")
    if mode is BrokerMode.LIVE and (config.session.account is None or live_account != config.session.account):
        raise ConfigError(
            "--broker live trades REAL money: it needs session.account in supervision.yaml and the same account "
            f"again as --live-account; the file says {config.session.account}, the command {live_account}"
        )
    found: list[tuple[str, Connection]] = []
    for name, section in config.connections.items():
        if gateway_port is not None:
            place = Connection(host="127.0.0.1", port=gateway_port, client_id=section.client_id, mode=mode)
        elif section.port in LIVE_PORTS and mode is BrokerMode.PAPER:
            raise ConfigError(
                f"connections.{name}.port: {section.port} is where a LIVE account listens; paper is 4002 or 7497"
            )
        else:
            place = _place(config, section, mode, halts_only=False)
        found.append((name, place))
    return tuple(found)


def halting_connections(config: SystemConfig) -> dict[str, Connection]:
    """The same for who only cancels and closes: no switch stands between a person and a halt."""
    return {
        name: _place(config, section, BrokerMode.PAPER, halts_only=True)
        for name, section in config.connections.items()
    }


def _place(
    config: SystemConfig, section: ConnectionSection, mode: BrokerMode, *, halts_only: bool
) -> Connection:
    return Connection(
        host=section.host,
        port=section.port,
        client_id=section.client_id,
        mode=mode,
        account=config.session.account or "",
        halts_only=halts_only,
    )
