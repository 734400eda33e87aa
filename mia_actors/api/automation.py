"""`MIAAutomationSystem`: a session started, looked at and ended from Python."""

import json
import subprocess
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mia_actors.cli.config import load_config
from mia_actors.cli.detached import END_WITHIN_S, START_WITHIN_S, Detached, end, launch
from mia_actors.cli.session_status import session_status
from mia_actors.cli.state import StateDirectory, open_state
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import PermanentError, TransientError
from mia_actors.core.session import BrokerMode

SUMMARY_FILE = "summary.json"
OPTIONS = {
    "live_account": "--live-account",
    "tape": "--tape",
    "date": "--date",
    "begin": "--from",
    "until": "--to",
    "contract": "--contract",
    "pace": "--pace",
    "cycles": "--cycles",
    "address": "--address",
}
OF_TAPES = ("tape", "date", "begin", "until", "pace", "cycles")
GRACE_S = 10.0
"""For the process to be gone after its lock is."""


class AutomationConfig(BaseModel):
    """The options of `mia run`, checked when the object is made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Path = Field(default=Path("supervision.yaml"), description="The tree and all settings.")
    state: Path | None = Field(
        default=None, description="State directory; default: the one the config names."
    )
    broker: BrokerMode = Field(default=BrokerMode.SIM, description="sim, paper or live.")
    live_account: str | None = Field(default=None, description="Second switch of live: the account, again.")
    tape: str | None = Field(default=None, description="File of bars, or synthetic[:SEED].")
    date: str | None = Field(default=None, description="CME trade date, YYYY-MM-DD.")
    begin: str | None = Field(default=None, description="First bar start, UTC, 2013-10-08T13:30.")
    until: str | None = Field(default=None, description="End of the last bar, UTC.")
    contract: str | None = Field(default=None, pattern=r"^\d{6}$", description="Expiry month YYYYMM.")
    pace: str | None = Field(
        default=None, pattern=r"^(lockstep|[1-9][0-9]{0,3}x)$", description="Of the tape."
    )
    cycles: int | None = Field(default=None, ge=1, description="End after so many base bars.")
    address: str = Field(default="local", description="local starts Ray; auto or HOST:PORT joins one.")

    @model_validator(mode="after")
    def _tapes_go_with_the_simulation(self) -> Self:
        given = [name for name in OF_TAPES if getattr(self, name) is not None]
        if self.broker is not BrokerMode.SIM and given:
            raise ValueError(
                f"broker {self.broker.value} trades the market as it comes; {', '.join(given)}: sim only"
            )
        if self.broker is BrokerMode.LIVE and not self.live_account:
            raise ValueError("broker live needs live_account, the second switch")
        return self

    def arguments(self) -> list[str]:
        """Of `mia run`."""
        given: list[str] = ["--config", str(self.config.absolute()), "--broker", self.broker.value]
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if value is not None:
                given += [option, str(value)]
        return given


class MIAAutomationSystem:
    """One session in a process of its own, as `mia up` starts it: it outlives the program that started it.

    May be used as a context manager, which ends the session.
    """

    def __init__(self, config: AutomationConfig | None = None) -> None:
        self._config = config or AutomationConfig()
        self._clock = SystemClock()
        self._running: Detached | None = None

    def start(self, *, within_s: float = START_WITHIN_S) -> str:
        """Starts the session and returns its id once its tree is up.

        Raises:
            ConfigError: a session runs already with the state directory, or `mia run` refused to start.
            PermanentError: it ended at once.
            TransientError: it is not up in time.
        """
        self._running = launch(
            self._config.arguments(), state=self._state(), clock=self._clock, within_s=within_s
        )
        return self._running.session_id

    def get_status(self) -> dict[str, object]:
        """The document of `mia status --json`, and the `summary` of a session that has ended (else None).

        Raises:
            ConfigError: nothing was ever run with the state directory.
        """
        directory = self._state()
        session = directory.current()
        summary = session / SUMMARY_FILE if session is not None else None
        ended = summary is not None and summary.exists()
        return session_status(directory) | {
            "summary": json.loads(summary.read_text(encoding="utf-8"))
            if summary is not None and ended
            else None
        }

    def wait(self, *, within_s: float) -> int:
        """Waits for the session's own end, of its tape for example; the exit code of `mia run`.

        Raises:
            PermanentError: this object started no session.
            TransientError: it still runs after that time.
        """
        if self._running is None:
            raise PermanentError("this object has started no session")
        try:
            return self._running.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise TransientError(f"the session still runs after {within_s:.0f} s") from None

    def stop(self, *, within_s: float = END_WITHIN_S) -> bool:
        """Closes the position, stops the tree and waits for it; False where no session was running.

        Raises:
            TransientError: it still runs after that time.
        """
        ran = end(self._state(), clock=self._clock, within_s=within_s)
        if self._running is not None:
            self.wait(within_s=GRACE_S)
        return ran

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _state(self) -> StateDirectory:
        return open_state(self._config.state or load_config(self._config.config).session.state)
