"""The state directory: version, the lock against a second copy, one folder per session."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mia_actors.core.errors import ConfigError

STATE_VERSION = "1"
VERSION_FILE = "VERSION"
LOCK_FILE = "lock"
CURRENT_FILE = "current"
SESSIONS = "sessions"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDirectory:
    """An opened state directory; `path` is absolute."""

    path: Path

    def session(self, session_id: str) -> Path:
        """Folder of a session."""
        return self.path / SESSIONS / session_id

    def current(self) -> Path | None:
        """Folder of the newest session, running or ended."""
        marker = self.path / CURRENT_FILE
        if not marker.exists():
            return None
        folder = self.session(marker.read_text(encoding="utf-8").strip())
        return folder if folder.is_dir() else None

    def new_session(self, session_id: str) -> Path:
        """Makes the folder; it counts from `mark_newest` on."""
        folder = self.session(session_id)
        folder.mkdir(parents=True, exist_ok=False)
        return folder

    def mark_newest(self, session_id: str) -> None:
        """From now on this session is the current one."""
        marker = self.path / (CURRENT_FILE + ".new")
        marker.write_text(session_id + "\n", encoding="utf-8")
        marker.replace(self.path / CURRENT_FILE)


def open_state(path: Path) -> StateDirectory:
    """Opens or creates a state directory of this version.

    Raises:
        ConfigError: not a directory, not writable, the disk is full, or made by another version.
    """
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        version = path / VERSION_FILE
        if not version.exists():
            if any(path.iterdir()):
                raise ConfigError(
                    f"{path}: not a state directory of mia (no {VERSION_FILE} file, yet not empty); "
                    "name another one with --state"
                )
            version.write_text(STATE_VERSION + "\n", encoding="utf-8")
        found = version.read_text(encoding="utf-8").strip()
        probe = path / ".writable"
        probe.write_text("x" * 4096, encoding="utf-8")
        probe.unlink()
    except FileExistsError:
        raise ConfigError(f"{path}: is a file; --state wants a directory") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); free space or name another --state"
        ) from error
    if found != STATE_VERSION:
        raise ConfigError(
            f"{path}: made by another version (state version {found!r}, this one writes {STATE_VERSION!r}); "
            "move it away or name another directory with --state"
        )
    return StateDirectory(path=path)


def existing_state(path: Path) -> StateDirectory:
    """Opens a state directory for looking, without creating one.

    Raises:
        ConfigError: there is none.
    """
    if not (path / VERSION_FILE).exists():
        raise ConfigError(f"{path}: no session was ever run with this state directory; `mia run` makes one")
    return open_state(path)


@contextmanager
def locked(state: StateDirectory) -> Iterator[TextIO]:
    """Holds the lock of the directory; the kernel frees it when the holder dies, however it dies.

    Raises:
        ConfigError: another mia runs with this directory; its pid is named.
    """
    path = state.path / LOCK_FILE
    handle = path.open("a+", encoding="utf-8")
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise ConfigError(
                f"{state.path}: another mia (pid {holder}) runs with this state directory; "
                "end it with Ctrl-C, or name another directory with --state"
            ) from None
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield handle
    finally:
        handle.close()


def is_running(state: StateDirectory) -> bool:
    """True while a mia holds the lock."""
    path = state.path / LOCK_FILE
    if not path.exists():
        return False
    with path.open("r", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def write_json(path: Path, document: object) -> None:
    """Replaces a small JSON file atomically."""
    fresh = path.with_suffix(path.suffix + ".new")
    fresh.write_text(json.dumps(document, indent=1, default=str) + "\n", encoding="utf-8")
    fresh.replace(path)
