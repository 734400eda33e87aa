"""A driver to be interrupted and killed: starts a tree, says what it started, then waits.

Arguments: state directory, address (`local` or HOST:PORT), and how far to go (`once`, `wait`, `watch`, `starting`).
"""
# ruff: noqa: T201 - it talks to the test on stdout

import json
import signal
import sys
from pathlib import Path
from typing import Any

import ray

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System
from mia_actors.telemetry.logs import configure_logging

CLOCK = SystemClock()


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def ours() -> list[str]:
    named = ray.util.list_named_actors(all_namespaces=True)
    return [one["name"] for one in named if one["namespace"] == "driver"]


def child(name: str, **settings: Any) -> ChildSpec:
    return ChildSpec(id=name, run="supervised_children:Diarist", settings=settings, shutdown_s=1)


def main(state: Path, address: str, until: str) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    configure_logging(directory=None, process="driver")
    runtime = RayRuntime.start_local(state, cpus=2) if address == "local" else RayRuntime.join(address)
    children = [child("a"), child("b", start_takes_s=600 if until == "starting" else 0)]
    tree = SupervisorSpec(id="root", intensity=3, period_s=10, children=tuple(children))
    try:
        with System.start(
            tree, PoolSpec(hosts=1), None, state / "sessions" / "1", namespace="driver"
        ) as system:
            a = system.ref("a")
            a.ask("who")
            if until == "starting":
                say(pids=[view.pid for view in system.tree().processes])
            system.wait_up(60.0)
            system.kill("a")
            incarnation, _ = a.ask("who")
            say(pids=[view.pid for view in system.tree().processes], incarnation=incarnation)
            if until == "wait":
                a.ask("nap", 600.0, timeout_s=600.0)
            while until == "watch":
                if system.failed is not None:
                    say(failed=system.failed)
                    return
                CLOCK.sleep_s(0.02)
        ours = [
            one for one in ray.util.list_named_actors(all_namespaces=True) if one["namespace"] == "driver"
        ]
        say(named=ours)
    finally:
        runtime.stop()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    except KeyboardInterrupt:
        sys.exit(130)
