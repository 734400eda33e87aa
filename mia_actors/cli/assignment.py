"""The file by which a session's market is found without Ray: by its deadman, by a drill's trader, by `mia halt`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mia_actors.cli.config import SystemConfig, roll_days_of
from mia_actors.cli.herald import channel_of
from mia_actors.core.codec import from_json
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import SessionInfo
from mia_actors.guardian.silence import DeadmanSettings

ASSIGNMENT_FILE = "deadman.json"


class Assignment(BaseModel):
    """What `mia run` gives its deadman, as a file of the session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session: SessionInfo
    settings: DeadmanSettings
    channel: str
    """Where the session's notifier sends."""
    roll_days: int
    """The guardian's rule for the contract."""


def write_assignment(session: SessionInfo, config: SystemConfig) -> None:
    """Makes the file, for the deadman and for whoever must reach the session's market without it."""
    assignment = Assignment(
        session=session,
        settings=config.deadman,
        channel=channel_of(config),
        roll_days=roll_days_of(config),
    )
    text = assignment.model_dump_json(indent=1)
    (Path(session.session_dir) / ASSIGNMENT_FILE).write_text(text + "\n", encoding="utf-8")


def read_assignment(folder: Path) -> Assignment:
    """What `write_assignment` wrote.

    Raises:
        ConfigError: there is none that can be read.
    """
    try:
        return from_json(Assignment, (folder / ASSIGNMENT_FILE).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--session {folder}: no readable {ASSIGNMENT_FILE} there: {error}") from error
