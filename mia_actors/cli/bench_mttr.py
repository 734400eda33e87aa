"""`mia bench mttr`: from SIGKILL to the next answer, under our supervision and under others'."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import ray
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    guarded,
    messages,
    print_json,
)
from mia_actors.cli.bench_answerer import IMPORTS, Answerer, AnswererSettings
from mia_actors.cli.bench_command import bench_app, machine, ratio, tell
from mia_actors.cli.config import load_config
from mia_actors.cli.summary import percentiles
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import TransientError
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.ray_runtime import RayRuntime
from mia_actors.supervision.spec import ChildSpec, SupervisorSpec
from mia_actors.supervision.system import System
from mia_actors.telemetry.logs import configure_logging

OURS, OURS_POOL_EMPTY, RAY, SUPERVISORD = "ours", "ours_pool_empty", "ray_max_restarts", "supervisord"
OURS_SUPERVISOR, OURS_HANG = "ours_supervisor_killed", "ours_hang"
ALIVE_WITHIN_S = 0.5
"""Limit of silence of the child that is stopped; most of its figure."""
ANSWERER = "mia_actors.cli.bench_answerer"
CHILD = "answerer"
ROUNDS = 5
"""The contenders take turns, so that whatever else the machine does hits all of them."""
CALM_S = 0.3
"""Pause before each kill, after everything that was being started is up."""
UP_WITHIN_S = 120.0
ANSWER_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
RETRY_EVERY_S = 0.001
SUPERVISORD_CONFIG = """\
[supervisord]
nodaemon=true
logfile={folder}/supervisord.log
pidfile={folder}/supervisord.pid
childlogdir={folder}

[program:answerer]
command="{python}" -m {module} "{socket}"
autorestart=true
startsecs=0
startretries=1000
"""


@dataclass(slots=True)
class Contender:
    """One way to have an actor or process restarted."""

    name: str
    ask: Callable[[], int]
    """Process id of whoever answers; asked again and again it always answers in the end."""
    is_calm: Callable[[], bool]
    """Whether nothing is being started any more."""
    facts: dict[str, Any]
    signal_number: int = signal.SIGKILL
    mttr_ms: list[float] = field(default_factory=list)

    def kill(self, clock: Clock) -> None:
        """One more figure."""
        self.wait_calm(clock)
        clock.sleep_s(CALM_S)
        pid = self.ask()
        began_s = clock.monotonic_s()
        os.kill(pid, self.signal_number)
        while self.ask() == pid:
            continue
        self.mttr_ms.append((clock.monotonic_s() - began_s) * 1000)

    def wait_calm(self, clock: Clock) -> None:
        """Leaves the machine to the next one as it was.

        Raises:
            TransientError: something has been starting for too long.
        """
        deadline_s = clock.monotonic_s() + UP_WITHIN_S
        while not self.is_calm():
            if clock.monotonic_s() > deadline_s:
                raise TransientError(f"{self.name}: not calm within {UP_WITHIN_S:g} s")
            clock.sleep_s(LOOK_EVERY_S)

    def document(self) -> dict[str, Any]:
        """Its figures in milliseconds."""
        return asdict(percentiles(self.mttr_ms)) | {"kills": len(self.mttr_ms)} | self.facts


@bench_app.command("mttr")
def bench_mttr(
    kills: Annotated[int, typer.Option("--kills", min=1, max=1000, help="Kills of each contender.")] = 50,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """From SIGKILL to the next answer, as a caller sees it: ours, Ray's own restarts, supervisord.

    Example: mia bench mttr --json
    """

    def command() -> int:
        shipped = load_config(config).standby_pool
        pool = shipped.model_copy(
            update={"preload": (*IMPORTS, ANSWERER)}
        )  # no more, no less than the others
        clock = SystemClock()
        with ExitStack() as started:
            folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="mia-bench-")))
            configure_logging(directory=folder, process="bench")
            messages.print("starting Ray and the contenders", highlight=False)
            runtime = RayRuntime.start_local(folder / "ray")
            started.callback(runtime.stop)
            contenders = [
                _ours(started, folder, OURS, pool),
                _ours(started, folder, OURS_POOL_EMPTY, pool.model_copy(update={"hosts": 0})),
                _rays_own(),
            ]
            also = [_supervisor_killed(started, folder, pool), _hang(started, folder, pool)]
            left_out: dict[str, Any] = {}
            if importlib.util.find_spec("supervisor") is None:
                left_out[SUPERVISORD] = {"left_out": "not installed: pip install 'mia-actors[bench]'"}
            else:
                contenders.append(_supervisord(started, folder, clock))
            _take_turns([*contenders, *also], kills, clock)
        found = _document(contenders, left_out, also)
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "ours_also", "rivals", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)


def _take_turns(contenders: list[Contender], kills: int, clock: Clock) -> None:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    ) as progress:
        task = progress.add_task("kills", total=kills * len(contenders))
        for number in range(min(ROUNDS, kills)):
            for contender in contenders:
                if not messages.is_terminal:
                    messages.print(f"round {number + 1}: {contender.name}", highlight=False)
                for _ in range(number, kills, ROUNDS):
                    progress.update(task, advance=1, description=contender.name)
                    contender.kill(clock)
                contender.wait_calm(clock)


def _document(
    contenders: list[Contender], left_out: dict[str, Any], also: Sequence[Contender] = ()
) -> dict[str, Any]:
    ours, *rivals = contenders
    figures = ours.document()
    return {
        "ours": figures
        | {"unit": "ms, SIGKILL to the first answer of the next process, as the caller sees it"},
        "ours_also": {one.name: one.document() for one in also},
        "rivals": {rival.name: rival.document() for rival in rivals} | left_out,
        "ratio": {
            **{rival.name: ratio(figures["p50"], rival.document()["p50"]) for rival in rivals},
            **dict.fromkeys(left_out),
        },
        "imports": list(IMPORTS),
        "machine": machine(),
    }


def _ours(started: ExitStack, folder: Path, name: str, pool: PoolSpec) -> Contender:
    system = _system(started, folder, name, pool)
    ref = system.ref(CHILD)
    return Contender(
        name=name,
        ask=lambda: int(ref.ask("who", timeout_s=ANSWER_WITHIN_S)),
        is_calm=lambda: _is_calm(system, pool),
        facts={"spare_hosts": pool.hosts},
    )


def _supervisor_killed(started: ExitStack, folder: Path, pool: PoolSpec) -> Contender:
    """Answers is whoever runs the tree."""
    system = _system(started, folder, OURS_SUPERVISOR, pool)

    def is_calm() -> bool:
        return _is_calm(system, pool) and system.tree().standby is not None

    return Contender(
        name=OURS_SUPERVISOR, ask=lambda: system.tree().supervisor.pid, is_calm=is_calm, facts={"standby": 1}
    )


def _hang(started: ExitStack, folder: Path, pool: PoolSpec) -> Contender:
    """Stopped, found by its silence, killed, replaced."""
    system = _system(started, folder, OURS_HANG, pool, alive_within_s=ALIVE_WITHIN_S)
    ref = system.ref(CHILD)
    return Contender(
        name=OURS_HANG,
        ask=lambda: int(ref.ask("who", timeout_s=ANSWER_WITHIN_S)),
        is_calm=lambda: _is_calm(system, pool),
        facts={"spare_hosts": pool.hosts, "alive_within_ms": ALIVE_WITHIN_S * 1000},
        signal_number=signal.SIGSTOP,
    )


def _system(
    started: ExitStack, folder: Path, name: str, pool: PoolSpec, *, alive_within_s: float = 5.0
) -> System:
    child = ChildSpec(id=CHILD, run=f"{ANSWERER}:Answerer", alive_within_s=alive_within_s)
    tree = SupervisorSpec(id="bench", intensity=1000, period_s=1.0, children=(child,))
    system = System.start(tree, pool, None, folder / name, namespace=f"mia-{name}")
    started.callback(system.stop)
    system.wait_up(UP_WITHIN_S)
    return system


def _is_calm(system: System, pool: PoolSpec) -> bool:
    now = system.tree()
    return now.root.state == "up" and len(now.spares) >= pool.hosts and now.hosts_coming == 0


def _rays_own() -> Contender:
    actor_class: Any = ray.remote(Answerer)
    actor = actor_class.options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote(
        AnswererSettings(), None
    )
    return Contender(
        name=RAY,
        ask=lambda: int(ray.get(actor.who.remote(), timeout=ANSWER_WITHIN_S)),
        is_calm=lambda: True,
        facts={"max_restarts": -1, "max_task_retries": -1},
    )


def _supervisord(started: ExitStack, folder: Path, clock: Clock) -> Contender:
    """A bare process with the same imports: no actor, no Ray."""
    path, config = folder / "answerer.socket", folder / "supervisord.conf"
    config.write_text(
        SUPERVISORD_CONFIG.format(folder=folder, python=sys.executable, module=ANSWERER, socket=path),
        encoding="utf-8",
    )
    search_path = os.pathsep.join(filter(None, (str(Path.cwd()), *sys.path)))
    process = subprocess.Popen(  # noqa: S603 - the interpreter that runs us
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
        env=os.environ | {"PYTHONPATH": search_path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started.callback(process.wait)
    started.callback(process.terminate)

    def ask() -> int:
        deadline_s = clock.monotonic_s() + ANSWER_WITHIN_S
        while clock.monotonic_s() < deadline_s:
            with (
                suppress(OSError, ValueError),
                socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client,
            ):
                client.connect(str(path))
                return int(client.recv(64))
            clock.sleep_s(RETRY_EVERY_S)
        raise TransientError(f"{SUPERVISORD}: no answer within {ANSWER_WITHIN_S:g} s")

    return Contender(name=SUPERVISORD, ask=ask, is_calm=lambda: True, facts={"process": "bare, without Ray"})
