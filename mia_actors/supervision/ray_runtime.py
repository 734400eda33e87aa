"""Ray for a session: one of our own, on loopback and gone after us, or one that runs already.

Our own Ray listens on 127.0.0.1 only, wants a token that only this user can read, runs its workers at the
niceness of the command that started it, keeps its files in a short directory of its own, and never chooses a
victim when memory runs low: the tree has no process to spare, so the kernel decides by size alone.

Its processes die with the driver, even by SIGKILL: the kernel ends the two servers, which end the rest. What
is left nevertheless, `clean_leftovers` ends on the next start: exactly the recorded processes, by pid and
start time.
"""

import json
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

import ray
from ray import _raylet
from ray._private import ray_constants
from ray._private import worker as ray_worker
from ray._private.node import Node
from ray._private.parameter import RayParams

from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.supervision.processes import ProcessId, boot_id, descendants, kill_all, marked, own_process
from mia_actors.supervision.snapshot import TREE_FILE, read_tree
from mia_actors.telemetry.logs import get_logger

RECORD_FILE = "ray.json"
TOKEN_FILE = "ray.token"  # noqa: S105 - a file name
TEMP_PREFIX = "mia-ray-"
TEMP_LENGTH_MAX = 40
"""Ray's socket paths add 66 characters to it, and a Unix socket path may have 107."""
OBJECT_STORE_BYTES = 100 * 1024 * 1024
"""Messages between our actors are small and never go through the object store."""
END_WITHIN_S = 10.0
PROBE_WITHIN_S = 3.0
MARK = "MIA_RAY_DIRECTORY"
"""Variable that every process of a Ray of ours is started with; its value, a random name, is used once."""
PRINT_TO_STDSTREAM: Any = vars(ray_worker)["print_to_stdstream"]
NONE_TO_JOIN = (
    "no Ray to join at {address!r} ({error}); allowed: local, auto, HOST:PORT of a running Ray, "
    "with RAY_AUTH_MODE and its token set as on that Ray"
)
TREE_PLACES = (TREE_FILE, f"*/{TREE_FILE}", f"*/*/{TREE_FILE}")
"""Where below a state directory sessions keep their trees."""


class _LocalNode(Node):  # type: ignore[misc,unused-ignore]
    """A head node without dashboard, which `include_dashboard=False` would start all the same."""

    def start_api_server(self, *, include_dashboard: bool | None, raise_on_failure: bool) -> None:
        """Starts nothing."""


class RayRuntime:
    """The driver's connection to Ray; `stop` leaves nothing of ours."""

    def __init__(
        self,
        address: str,
        *,
        node: Node | None,
        directory: Path | None,
        temp_dir: Path | None,
        restore: Mapping[str, str | None],
    ) -> None:
        self.address = address
        self._node = node
        self._directory = directory
        self._temp_dir = temp_dir
        self._restore = dict(restore)
        self._stopped = False

    @classmethod
    def start_local(cls, directory: Path, *, cpus: int | None = None, verbose: bool = False) -> Self:
        """Starts a Ray of our own and connects to it; `directory` takes its token and the list of processes.

        Raises:
            ConfigError: this process is connected to a Ray already.
        """
        _refuse_when_connected()
        directory.mkdir(parents=True, exist_ok=True)
        token_path = _write_token(directory)
        temp_dir = _short_temp_dir()
        restore = _set_environment(_environment(token_path, temp_dir))
        _be_quiet(quiet=not verbose)
        runtime = cls("", node=None, directory=directory, temp_dir=temp_dir, restore=restore)
        try:
            runtime._record()
            with _signal_handlers_kept(), _loopback_only():
                runtime._start_node(cpus)
                _connect(runtime.address, verbose=verbose)
            runtime._record()
        except BaseException:
            runtime.stop()
            raise
        return runtime

    @classmethod
    def join(cls, address: str, *, verbose: bool = False) -> Self:
        """Connects to a Ray that runs already: `auto`, or HOST:PORT. A token is taken from its environment.

        Raises:
            ConfigError: there is none, or it refuses us.
        """
        _refuse_when_connected()
        if address != "auto":
            _probe(address)
        _be_quiet(quiet=not verbose)
        try:
            with _signal_handlers_kept():
                context = _connect(address, verbose=verbose)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(NONE_TO_JOIN.format(address=address, error=error)) from error
        return cls(
            str(context.address_info["gcs_address"]), node=None, directory=None, temp_dir=None, restore={}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Disconnects, and ends a Ray of our own with every process of it; a second call does nothing.

        Raises:
            PermanentError: a process could not be ended.
        """
        if self._stopped:
            return
        self._stopped = True
        family = self._family()
        ray.shutdown()
        if self._node is not None:
            self._node.kill_all_processes(check_alive=False, allow_graceful=False)
        left = kill_all(family, timeout_s=END_WITHIN_S, clock=SystemClock())
        _restore_environment(self._restore)
        if self._temp_dir is not None:
            shutil.rmtree(self._temp_dir, ignore_errors=True)
        if left:
            raise PermanentError(
                f"processes of Ray that do not end: {', '.join(str(one.pid) for one in left)}"
            )
        if self._directory is not None:
            (self._directory / TOKEN_FILE).unlink(missing_ok=True)
            (self._directory / RECORD_FILE).unlink(missing_ok=True)

    def _start_node(self, cpus: int | None) -> None:
        parameters = cast("Any", RayParams)(
            node_ip_address="127.0.0.1",
            num_cpus=cpus,
            object_store_memory=OBJECT_STORE_BYTES,
            temp_dir=str(self._temp_dir),
            include_dashboard=False,
            dashboard_agent_listen_port=0,
            include_log_monitor=False,
            no_monitor=True,
        )
        self._node = _LocalNode(
            parameters, head=True, shutdown_at_exit=False, spawn_reaper=True, ray_init_cluster=True
        )
        self.address = str(self._node.gcs_address)

    def _servers(self) -> list[ProcessId]:
        if self._node is None:
            return []
        running = [info.process.pid for infos in self._node.all_processes.values() for info in infos]
        found = [ProcessId.of(pid) for pid in running]
        return [process for process in found if process is not None]

    def _family(self) -> list[ProcessId]:
        servers = self._servers()
        return [*servers, *(below for server in servers for below in descendants(server))]

    def _record(self) -> None:
        """Writes down what `clean_leftovers` needs should this process not come to `stop`."""
        if self._directory is None:
            return
        document = {
            "boot_id": boot_id(),
            "driver": _as_json(own_process()),
            "address": self.address,
            "temp_dir": str(self._temp_dir),
            "processes": [_as_json(process) for process in self._family()],
        }
        fresh = self._directory / (RECORD_FILE + ".new")
        fresh.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self._directory / RECORD_FILE)


def clean_leftovers(directory: Path, *, clock: Clock | None = None) -> int:
    """Ends what a driver that was killed left running: its Ray, its hosts, its files.

    Touches only processes recorded in `directory` or below whose start time is the recorded one, and those
    that carry the recorded mark. The caller makes sure that no session runs with this directory.

    Returns:
        How many processes had to be ended.

    Raises:
        PermanentError: one of them does not end.
    """
    clock = clock or SystemClock()
    record_path = directory / RECORD_FILE
    record = _read_record(record_path)
    this_boot = boot_id()
    recorded: list[ProcessId] = []
    if record.get("boot_id") == this_boot:
        recorded += [ProcessId(**entry) for entry in record.get("processes", [])]
    for place in TREE_PLACES:
        for path in directory.glob(place):
            tree = read_tree(path.parent)
            if tree is not None and tree.boot_id == this_boot:
                recorded += [view.process for view in tree.processes]
    temp_dir = Path(record.get("temp_dir", ""))
    if temp_dir.name:
        recorded += marked(MARK, str(temp_dir))
    living = [process for process in dict.fromkeys(recorded) if process.alive()]
    family = dict.fromkeys([*living, *(below for process in living for below in descendants(process))])
    left = kill_all(family, timeout_s=END_WITHIN_S, clock=clock)
    if left:
        raise PermanentError(f"processes of an earlier session do not end: {[one.pid for one in left]}")
    if temp_dir.name.startswith(TEMP_PREFIX):
        shutil.rmtree(temp_dir, ignore_errors=True)
    record_path.unlink(missing_ok=True)
    (directory / TOKEN_FILE).unlink(missing_ok=True)
    if family:
        get_logger(actor="run").warning("leftovers.ended", processes=len(family))
    return len(family)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _as_json(process: ProcessId) -> dict[str, int]:
    return {"pid": process.pid, "start_time": process.start_time}


def _connect(address: str, *, verbose: bool) -> Any:
    return ray.init(
        address=address, log_to_driver=verbose, logging_level=logging.INFO if verbose else logging.ERROR
    )


def _probe(address: str) -> None:
    """Ray would try for minutes to reach an address where nothing listens."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PROBE_WITHIN_S).close()
    except (OSError, ValueError) as error:
        raise ConfigError(NONE_TO_JOIN.format(address=address, error=error)) from error


def _be_quiet(*, quiet: bool) -> None:
    """Ray prints the death of every worker on stdout, whatever `log_to_driver` says; we log it ourselves."""
    worker: Any = ray_worker
    worker.print_to_stdstream = _print_nothing if quiet else PRINT_TO_STDSTREAM


def _print_nothing(*_: Any, **__: Any) -> None:
    """Takes the place of Ray's printer."""


def _refuse_when_connected() -> None:
    if ray.is_initialized():
        raise ConfigError("this process is connected to a Ray already; stop that connection first")


def _write_token(directory: Path) -> Path:
    """A new token in a file that only this user can read."""
    path = directory / TOKEN_FILE
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
    return path.absolute()


def _short_temp_dir() -> Path:
    """A new directory whose name leaves room for Ray's socket paths."""
    made = Path(tempfile.mkdtemp(prefix=TEMP_PREFIX))
    if len(str(made)) <= TEMP_LENGTH_MAX:
        return made
    made.rmdir()
    return Path(tempfile.mkdtemp(prefix=TEMP_PREFIX, dir="/tmp"))


def _environment(token_path: Path, temp_dir: Path) -> dict[str, str]:
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
    }


def _set_environment(wanted: Mapping[str, str]) -> dict[str, str | None]:
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


def _restore_environment(before: Mapping[str, str | None]) -> None:
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
def _loopback_only() -> Iterator[None]:
    """Ray replaces 127.0.0.1 by an address others can reach, except where it does not expect others."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _signal_handlers_kept() -> Iterator[None]:
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
