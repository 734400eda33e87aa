"""A second raylet on this machine, in the cluster that the tests' own Ray is the head of."""

import signal
from typing import Any, cast

from ray._private.node import Node
from ray._private.parameter import RayParams

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.processes import ProcessId, descendants, kill_all
from mia_actors.supervision.ray_environment import loopback_only

OBJECT_STORE_BYTES = 80 * 1024 * 1024
END_WITHIN_S = 10.0


class SecondNode:
    """Has the custom resource `name`; `stop` leaves none of its processes."""

    def __init__(self, gcs_address: str, name: str) -> None:
        parameters = cast("Any", RayParams)(
            gcs_address=gcs_address,
            node_ip_address="127.0.0.1",
            num_cpus=1,
            resources={name: 1},
            object_store_memory=OBJECT_STORE_BYTES,
            include_log_monitor=False,
            dashboard_agent_listen_port=0,
        )
        with loopback_only():
            self._node: Any = Node(parameters, head=False, shutdown_at_exit=False, spawn_reaper=False)
        servers = [info.process.pid for all_of in self._node.all_processes.values() for info in all_of]
        found = [ProcessId.of(pid) for pid in servers]
        self._servers = [process for process in found if process is not None]
        raylet = ProcessId.of(self._node.all_processes["raylet"][0].process.pid)
        if raylet is None:
            raise RuntimeError("the raylet of the second node died")
        self._raylet = raylet
        self._family: set[ProcessId] = set()

    def alive(self) -> bool:
        """Whether its raylet runs."""
        return self._raylet.alive()

    def kill(self) -> None:
        """Its raylet is gone at once, as when the machine is; what was started by it follows."""
        self._family |= set(self._all())
        self._raylet.send(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it, if it is not dead yet, and makes sure of all that it started."""
        left = kill_all({*self._family, *self._all()}, timeout_s=END_WITHIN_S, clock=SystemClock())
        self._node.kill_all_processes(check_alive=False, allow_graceful=False)
        if left:
            raise RuntimeError(f"processes of the second node that do not end: {left}")

    def _all(self) -> list[ProcessId]:
        return [*self._servers, *(below for one in self._servers for below in descendants(one))]
