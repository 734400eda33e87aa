"""What every child knows of the session it belongs to; built once by the command that starts it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.core.units import Product, product


class BrokerMode(StrEnum):
    """What stands behind the broker connection."""

    SIM = "sim"
    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One client's way to TWS, IB Gateway or the simulated gateway."""

    host: str
    port: int
    client_id: int
    mode: BrokerMode
    account: str = ""
    """The account to trade; empty: the only one the login manages."""
    halts_only: bool = False
    """Opens nothing: whatever kind of account it is, its orders may be cancelled and its position closed."""
    reads_only: bool = False
    """Neither orders nor an account are of interest: any login will do, also where the API is read-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """Facts fixed for the session. Paths are text so that the record is plain data on any wire."""

    session_id: str
    state_dir: str
    """Outlives sessions: the guardian's latch lives here."""
    session_dir: str
    """Journals, traces, ledger and report of this session."""
    symbol: str
    contract_month: str | None
    """`YYYYMM` when the user named one; None: the front contract by the roll rule."""
    base_timeframe: Timeframe
    """One cycle per closed bar of this length."""
    lockstep: bool
    control_host: str
    control_port: int
    """The simulated gateway's control port; 0 when there is none (a real TWS)."""
    connections: tuple[tuple[str, Connection], ...]
    config_dir: str = "."
    """Where supervision.yaml lies; relative paths in settings start there."""

    @property
    def product(self) -> Product:
        """Units of the instrument traded."""
        return product(self.symbol)

    def connection(self, name: str) -> Connection:
        """The connection named in a child's settings.

        Raises:
            ConfigError: there is none of that name.
        """
        for key, connection in self.connections:
            if key == name:
                return connection
        known = ", ".join(key for key, _ in self.connections)
        raise ConfigError(f"connection {name!r} is not declared; allowed: {known}")

    def path(self, name: str) -> Path:
        """A file of this session, such as `market.db`."""
        return Path(self.session_dir) / name

    def state_path(self, name: str) -> Path:
        """A file that outlives the session, such as `guardian.db`."""
        return Path(self.state_dir) / name
