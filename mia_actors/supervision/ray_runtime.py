"""Ray for a session: one of our own, on loopback and gone after us, or one that runs already.

Our own Ray listens on 127.0.0.1 only, wants a token that only this user can read, runs its workers at the
niceness of the command that started it, keeps its files in a short directory of its own, and never chooses a
victim when memory runs low: the tree has no process to spare, so the kernel decides by size alone.

Its processes die with the driver, even by SIGKILL: the kernel ends the two servers, a small reaper process ends
the rest. What is left nevertheless, `clean_leftovers` ends on the next start: exactly the recorded processes,
by pid and start time. When one of the two servers dies, `failed` says so at once: Ray itself would let the
actors go on without it for a minute, and then end the driver without a word.
"""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, cast

import ray
from ray._private.node import Node
from ray._private.parameter import RayParams

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.supervision import reaper
from mia_actors.supervision.leftovers import MARK, RECORD_FILE, TOKEN_FILE, clean_leftovers
from mia_actors.supervision.processes import ProcessId, boot_id, descendants, kill_all, marked, own_process
from mia_actors.supervision.ray_environment import (
    be_quiet,
    local_environment,
    loopback_only,
    restore_environment,
    set_environment,
    short_temp_dir,
    signal_handlers_kept,
    write_token,
)
from mia_actors.telemetry.logs import get_logger

__all__ = ["RayRuntime", "clean_leftovers", "ray_failure", "runs_own_ray"]

OBJECT_STORE_BYTES = 100 * 1024 * 1024
"""Messages between our actors are small and never go through the object store."""
END_WITHIN_S = 10.0
PROBE_WITHIN_S = 3.0
NONE_TO_JOIN = (
    "no Ray to join at {address!r} ({error}); allowed: local, auto, HOST:PORT of a running Ray, "
    "with RAY_AUTH_MODE and its token set as on that Ray"
)


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
        self._reaper: subprocess.Popen[str] | None = None
        self._failed: str | None = None

    @classmethod
    def start_local(cls, directory: Path, *, cpus: int | None = None, verbose: bool = False) -> Self:
        """Starts a Ray of our own and connects to it; `directory` takes its token and the list of processes.

        Raises:
            ConfigError: this process is connected to a Ray already.
        """
        _refuse_when_connected()
        directory.mkdir(parents=True, exist_ok=True)
        token_path = write_token(directory)
        temp_dir = short_temp_dir()
        restore = set_environment(local_environment(token_path, temp_dir))
        be_quiet(quiet=not verbose)
        runtime = cls("", node=None, directory=directory, temp_dir=temp_dir, restore=restore)
        try:
            runtime._start_reaper(temp_dir)
            runtime._record()
            with signal_handlers_kept(), loopback_only():
                runtime._start_node(cpus)
                _connect(runtime.address, verbose=verbose)
            runtime._record()
            runtime._watch_servers()
        except BaseException:
            runtime.stop()
            raise
        ACTIVE.append(runtime)
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
        be_quiet(quiet=not verbose)
        try:
            with signal_handlers_kept():
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
        if self in ACTIVE:
            ACTIVE.remove(self)
        family = self._family()
        if self._failed is None:
            ray.shutdown()
        if self._node is not None:
            self._node.kill_all_processes(check_alive=False, allow_graceful=False)
        left = kill_all(family, timeout_s=END_WITHIN_S, clock=SystemClock())
        if self._temp_dir is not None:
            orphans = marked(MARK, str(self._temp_dir))
            left += kill_all(orphans, timeout_s=END_WITHIN_S, clock=SystemClock())
        if self._reaper is not None:
            self._tell_reaper(reaper.DONE)
            self._reaper.communicate()
        restore_environment(self._restore)
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

    def _servers(self) -> list[tuple[str, ProcessId]]:
        if self._node is None:
            return []
        running = [
            (kind, info.process.pid) for kind, all_of in self._node.all_processes.items() for info in all_of
        ]
        found = [(kind, ProcessId.of(pid)) for kind, pid in running]
        return [(kind, process) for kind, process in found if process is not None]

    def _family(self) -> list[ProcessId]:
        servers = [process for _, process in self._servers()]
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
        self._tell_reaper(json.dumps(document["processes"]))

    def _start_reaper(self, temp_dir: Path) -> None:
        self._reaper = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, reaper.__file__, MARK, str(temp_dir)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # out of reach of an interrupt typed at the terminal
            env={
                **{name: value for name, value in os.environ.items() if name != MARK},
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
        )

    def _tell_reaper(self, line: str) -> None:
        if self._reaper is None or self._reaper.stdin is None:
            return
        with suppress(BrokenPipeError):
            self._reaper.stdin.write(line + "\n")
            self._reaper.stdin.flush()

    def _watch_servers(self) -> None:
        """Notices the death of a server when it happens, in a thread that sleeps until then."""
        names = {process: name for name, process in self._servers()}

        def watch(process: ProcessId) -> None:
            process.wait_gone(None)
            if not self._stopped:
                self._failed = f"Ray's {names[process]} died"
                get_logger(actor="run").error("ray.failed", server=names[process], pid=process.pid)

        for process in names:
            threading.Thread(target=watch, args=(process,), name="ray-watch", daemon=True).start()

    @property
    def failed(self) -> str | None:
        """Which server of our Ray died; None while both run, and for a Ray that was joined."""
        return self._failed


ACTIVE: list[RayRuntime] = []
"""The Ray of our own that this process runs, if it runs one."""


def runs_own_ray() -> bool:
    """Whether this process started the Ray it is connected to."""
    return bool(ACTIVE)


def ray_failure() -> str | None:
    """Why this process's own Ray is broken; None while it is not."""
    return next((runtime.failed for runtime in ACTIVE), None)


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


def _refuse_when_connected() -> None:
    if ray.is_initialized():
        raise ConfigError("this process is connected to a Ray already; stop that connection first")
