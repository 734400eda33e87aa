"""What Ray reads from its surroundings, set for our own processes and put back afterwards."""

import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import _raylet
from ray._private import ray_constants
from ray._private import worker as ray_worker

from mia_actors.supervision.leftovers import MARK, TEMP_PREFIX, TOKEN_FILE

TEMP_LENGTH_MAX = 40
"""Ray's socket paths add 66 characters to it, and a Unix socket path may have 107."""
PRINT_TO_STDSTREAM: Any = vars(ray_worker)["print_to_stdstream"]


def write_token(directory: Path) -> Path:
    """A new token in a file that only this user can read."""
    path = directory / TOKEN_FILE
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    return path.absolute()


def short_temp_dir() -> Path:
    """A new directory whose name leaves room for Ray's socket paths."""
    made = Path(tempfile.mkdtemp(prefix=TEMP_PREFIX))
    if len(str(made)) <= TEMP_LENGTH_MAX:
        return made
    made.rmdir()
    return Path(tempfile.mkdtemp(prefix=TEMP_PREFIX, dir="/tmp"))


def local_environment(token_path: Path, temp_dir: Path) -> dict[str, str]:
    """What Ray's processes and the driver read; inherited by nobody else."""
    return {
        MARK: str(temp_dir),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_worker_oom_score_adjustment": "0",
        "RAY_enable_metrics_collection": "0",
        "RAY_gcs_rpc_server_reconnect_timeout_s": "10",  # nobody restarts it: do not wait for that
    }


def set_environment(wanted: Mapping[str, str]) -> dict[str, str | None]:
    """Sets variables and makes Ray's native side read them again.

    Returns:
        What to restore.
    """
    before = {name: os.environ.get(name) for name in (*wanted, "RAY_AUTH_TOKEN", "RAY_ADDRESS")}
    os.environ.pop("RAY_AUTH_TOKEN", None)  # it would win over the path
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update(wanted)
    _reread_environment()
    return before


def restore_environment(before: Mapping[str, str | None]) -> None:
    """Puts back what `set_environment` returned."""
    if not before:
        return
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _reread_environment()


def _reread_environment() -> None:
    """As Ray itself does after it changed them; in this order, or a thread of its may miss its token."""
    native: Any = _raylet
    native.Config.initialize("")
    native.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def loopback_only() -> Iterator[None]:
    """Ray replaces 127.0.0.1 by an address others can reach, except where it does not expect others."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def signal_handlers_kept() -> Iterator[None]:
    """Signals belong to the command; Ray installs handlers of its own when it connects."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def be_quiet(*, quiet: bool) -> None:
    """Ray prints the death of every worker on stdout, whatever `log_to_driver` says; we log it ourselves."""
    worker: Any = ray_worker
    worker.print_to_stdstream = _print_nothing if quiet else PRINT_TO_STDSTREAM


def _print_nothing(*_: Any, **__: Any) -> None:
    """Takes the place of Ray's printer."""
