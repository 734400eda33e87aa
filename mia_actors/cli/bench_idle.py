"""`mia bench idle`: what the whole tree costs at rest, beside as many bare Ray actors at rest in the same seconds."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import psutil
import ray
import typer

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    guarded,
    messages,
    print_json,
)
from mia_actors.cli.bench_answerer import Answerer, AnswererSettings
from mia_actors.cli.bench_command import bench_app, machine, ratio, tell
from mia_actors.cli.config import load_config
from mia_actors.cli.live import LiveView
from mia_actors.cli.session_run import RunRequest, SessionRun
from mia_actors.cli.state import open_state
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import TransientError
from mia_actors.core.ids import RandomIds
from mia_actors.core.session import BrokerMode
from mia_actors.supervision.processes import ProcessId, own_process
from mia_actors.supervision.snapshot import TreeSnapshot
from mia_actors.supervision.system import System
from mia_actors.telemetry.logs import configure_logging

CHILDREN, SPARES, SUPERVISORS, BARE, RAY, COMMAND = (
    "children",
    "spares",
    "supervisors",
    "bare_ray_actors",
    "ray_itself",
    "mia_run_and_gateway",
)
TREE = (CHILDREN, SPARES, SUPERVISORS)
CYCLES = 3
"""Enough that every child has been at work once."""
CALM_WITHIN_S = 120.0
CALM_S = 5.0
"""From the end of the market until the figures are taken: what was under way has come to rest."""
LOOK_EVERY_S = 0.1


@bench_app.command("idle")
def bench_idle(
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long to look.")] = 30.0,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """CPU of the whole supervision tree at rest, in cores, beside bare Ray actors and Ray itself.

    Example: mia bench idle --json
    """

    def command() -> int:
        found: dict[str, Any] = {}
        clock = SystemClock()
        with tempfile.TemporaryDirectory(prefix="mia-bench-") as folder:
            state = open_state(Path(folder))
            configure_logging(directory=state.path, process="bench")
            request = RunRequest(
                config=load_config(config),
                config_dir=config.absolute().parent,
                mode=BrokerMode.SIM,
                gateway_arguments=("--tape", "synthetic", "--cycles", str(CYCLES)),
                contract_month=None,
                pace="lockstep",
                address="local",
            )

            def measure(system: System) -> None:
                messages.print(f"the market is over; looking for {seconds:g} s", highlight=False)
                found.update(_document(_cores(system, seconds, clock), system.tree(), seconds))

            with LiveView(messages, clock, quiet=True) as view:
                SessionRun(
                    request,
                    state=state,
                    viewer=view,
                    clock=clock,
                    ids=RandomIds(),
                    before_stop=measure,
                ).run()
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "rivals", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)


def _cores(system: System, seconds: float, clock: Clock) -> dict[str, float]:
    """Cores used by each group of processes over `seconds`."""
    _wait_calm(system, clock)
    tree = system.tree()
    actor_class: Any = ray.remote(Answerer)
    actors = [
        actor_class.options(num_cpus=0).remote(AnswererSettings(), None)
        for _ in range(len(tree.children) + len(tree.spares))
    ]
    bare: list[int] = ray.get([actor.who.remote() for actor in actors])
    clock.sleep_s(CALM_S)
    groups = _groups(system.tree(), bare)
    before, began_s = {name: _cpu_s(pids) for name, pids in groups.items()}, clock.monotonic_s()
    clock.sleep_s(seconds)
    after, took_s = {name: _cpu_s(pids) for name, pids in groups.items()}, clock.monotonic_s() - began_s
    for actor in actors:
        ray.kill(actor)
    return {name: (after[name] - before[name]) / took_s for name in groups}


def _wait_calm(system: System, clock: Clock) -> None:
    deadline_s = clock.monotonic_s() + CALM_WITHIN_S
    while (now := system.tree()).hosts_coming or now.standby is None:
        if clock.monotonic_s() > deadline_s:
            raise TransientError(f"the tree is not at rest after {CALM_WITHIN_S:g} s")
        clock.sleep_s(LOOK_EVERY_S)


def _groups(tree: TreeSnapshot, bare: Iterable[int]) -> dict[str, list[int]]:
    """Process ids by what they are: everything below this command is in one of the groups."""
    groups = {
        CHILDREN: [child.process.pid for child in tree.children if child.process is not None],
        SPARES: [spare.pid for spare in tree.spares],
        SUPERVISORS: [one.pid for one in (tree.supervisor, tree.standby) if one is not None],
        BARE: list(bare),
        RAY: [],
        COMMAND: [os.getpid()],
    }
    known = {pid for pids in groups.values() for pid in pids}
    for process in psutil.Process(own_process().pid).children(recursive=True):
        if process.pid not in known and ProcessId.of(process.pid) is not None:
            is_gateway = any("mia_actors.exchange.gateway" in part for part in process.cmdline())
            groups[COMMAND if is_gateway else RAY].append(process.pid)
    return groups


def _cpu_s(pids: Iterable[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids if psutil.pid_exists(pid)]
    return sum(one.user + one.system for one in times)


def _document(cores: Mapping[str, float], tree: TreeSnapshot, seconds: float) -> dict[str, Any]:
    total = sum(cores[name] for name in TREE)
    processes = len(tree.children) + len(tree.spares)
    return {
        "ours": {
            "cores": round(total, 3),
            "by_part": {name: round(cores[name], 3) for name in TREE},
            "processes": processes + 2,
            "seconds": seconds,
            "unit": "CPU cores used by the whole tree at rest: children, spares, supervisor and its standby",
        },
        "rivals": {
            BARE: {"cores": round(cores[BARE], 3), "processes": processes, "note": "at rest, unsupervised"},
            RAY: {"cores": round(cores[RAY], 3), "note": "raylet, GCS and their helpers"},
            COMMAND: {"cores": round(cores[COMMAND], 3)},
        },
        "ratio": {BARE: ratio(total, cores[BARE])},
        "machine": machine(),
    }
