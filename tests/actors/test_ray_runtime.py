"""The Ray of our own: who may connect, what it listens on, and that it is gone after us."""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
import ray

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.processes import ProcessId
from mia_actors.supervision.ray_runtime import RayRuntime, clean_leftovers
from mia_actors.supervision.snapshot import read_tree
from mia_actors.supervision.system import System

Eventually = Callable[..., Any]
ROOT = Path(__file__).parents[2]
CHILDREN = Path(__file__).parent / "children"
ENDS_WITHIN_S = 60
ASK_GCS = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None)
print("let in")
"""


def environment(**extra: str) -> dict[str, str]:
    """The environment of a stranger: nothing of our Ray in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "PYTHONPATH": f"{ROOT}{os.pathsep}{CHILDREN}", **extra}


@pytest.fixture
def start_program() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    programs: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str, **extra: str) -> "subprocess.Popen[str]":
        program = subprocess.Popen(
            [sys.executable, str(CHILDREN / name), *arguments],
            env=environment(**extra),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        programs.append(program)
        return program

    yield start
    for program in programs:
        if program.poll() is None:
            program.kill()
        program.communicate(timeout=ENDS_WITHIN_S)


def next_facts(program: "subprocess.Popen[str]") -> dict[str, Any]:
    line = read_line(program.stdout)
    assert line, program.stderr.read() if program.stderr else ""
    facts: dict[str, Any] = json.loads(line)
    return facts


def read_line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def identities(pids: list[int]) -> list[ProcessId]:
    return [found for pid in pids if (found := ProcessId.of(pid)) is not None]


def family_of(pid: int) -> list[ProcessId]:
    """The driver and all it started, except its reaper, which has work to do when the driver is gone."""
    found = [pid]
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if "reaper.py" not in " ".join(child.cmdline()):
                found.append(child.pid)
    return identities(found)


def test_without_the_token_nobody_is_let_in(ray_runtime: RayRuntime) -> None:
    token_path = os.environ["RAY_AUTH_TOKEN_PATH"]
    assert stat.S_IMODE(Path(token_path).stat().st_mode) == 0o600

    def answer(**extra: str) -> str:
        asked = subprocess.run(
            [sys.executable, "-c", ASK_GCS, ray_runtime.address],
            env=environment(**extra),
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )
        return asked.stdout + asked.stderr

    assert "AuthenticationError" in answer()
    assert "AuthenticationError" in answer(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)
    assert answer(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=token_path).strip() == "let in"


def test_it_listens_on_loopback_only(ray_runtime: RayRuntime, start_system: Any, tree_of: Any) -> None:
    start_system(tree_of("a"))
    listening = {
        connection.laddr.ip
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert listening


def test_children_run_at_the_niceness_of_the_command(start_system: Any, tree_of: Any) -> None:
    system: System = start_system(tree_of("a"))
    assert system.ref("a").ask("niceness") == os.nice(0)
    assert {psutil.Process(view.pid).nice() for view in system.tree().processes} == {os.nice(0)}


def test_ray_chooses_no_victims(ray_runtime: RayRuntime, start_system: Any, tree_of: Any) -> None:
    system: System = start_system(tree_of("a"))
    own = int(Path("/proc/self/oom_score_adj").read_text())
    scores = {int(Path(f"/proc/{view.pid}/oom_score_adj").read_text()) for view in system.tree().processes}
    assert scores == {own}


def test_an_interrupt_typed_at_the_terminal_reaches_only_the_command(
    ray_runtime: RayRuntime, start_system: Any, tree_of: Any
) -> None:
    system: System = start_system(tree_of("a"))
    tree = system.tree()
    for process in psutil.Process().children(recursive=True):
        process.send_signal(signal.SIGINT)
    assert system.ref("a").ask("nap", 0.5) == 1
    assert all(view.process.alive() for view in tree.processes)


def test_a_second_connection_is_refused(ray_runtime: RayRuntime, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="connected to a Ray already"):
        RayRuntime.start_local(tmp_path)
    assert ray.is_initialized()


def test_after_an_orderly_end_nothing_is_left(start_program: Any, tmp_path: Path) -> None:
    program = start_program("driver_program.py", str(tmp_path), "local", "once")
    facts = next_facts(program)
    assert facts["incarnation"] == 2
    started = family_of(program.pid)
    temp_dir = json.loads((tmp_path / "ray.json").read_text())["temp_dir"]
    out, err = program.communicate(timeout=ENDS_WITHIN_S)
    assert (program.returncode, err) == (0, "")
    assert out.count("\n") == 1, "nothing but what the program says itself is on stdout"
    assert not [process for process in started if process.alive()]
    assert not Path(temp_dir).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sessions"]


@pytest.mark.parametrize("until", ["wait", "starting"])
def test_an_interrupt_is_not_swallowed_and_leaves_nothing(
    start_program: Any, tmp_path: Path, until: str
) -> None:
    program = start_program("driver_program.py", str(tmp_path), "local", until)
    facts = next_facts(program)
    assert len(facts["pids"]) >= 2
    started = family_of(program.pid)
    program.send_signal(signal.SIGINT)
    _, err = program.communicate(timeout=20)
    assert (program.returncode, err) == (130, "")
    assert not [process for process in started if process.alive()]


def test_after_a_kill_of_the_driver_everything_ends_by_itself(
    start_program: Any, tmp_path: Path, eventually: Eventually
) -> None:
    program = start_program("driver_program.py", str(tmp_path), "local", "wait")
    next_facts(program)
    started = family_of(program.pid)
    started += identities([child.pid for child in psutil.Process(program.pid).children()])  # the reaper too
    temp_dir = Path(json.loads((tmp_path / "ray.json").read_text())["temp_dir"])
    assert len(started) >= 8
    program.kill()
    eventually(lambda: not [process for process in started if process.alive()])
    eventually(lambda: not temp_dir.exists())


@pytest.mark.parametrize("server", ["gcs_server", "raylet"])
def test_the_death_of_a_server_of_ray_is_known_at_once_and_leaves_nothing(
    start_program: Any, tmp_path: Path, server: str
) -> None:
    program = start_program("driver_program.py", str(tmp_path), "local", "watch")
    next_facts(program)
    started = family_of(program.pid)
    family = psutil.Process(program.pid).children(recursive=True)
    next(process for process in family if process.name() == server).kill()
    out, err = program.communicate(timeout=20)
    assert json.loads(out) == {"failed": f"Ray's {server} died"}
    assert program.returncode == 0, err
    assert not [process for process in started if process.alive()]


def test_after_a_kill_of_the_driver_the_next_start_leaves_nothing(
    start_program: Any, tmp_path: Path, eventually: Any
) -> None:
    program = start_program("driver_program.py", str(tmp_path), "local", "wait")
    facts = next_facts(program)
    started = family_of(program.pid)
    record = json.loads((tmp_path / "ray.json").read_text())
    recorded = {entry["pid"] for entry in record["processes"]}

    def known() -> set[int]:
        tree = read_tree(tmp_path / "sessions" / "1")
        return recorded | ({view.pid for view in tree.processes} if tree is not None else set())

    eventually(lambda: known() >= set(facts["pids"]))
    program.kill()
    program.wait(ENDS_WITHIN_S)
    clean_leftovers(tmp_path)
    assert not [process for process in started if process.alive()]
    assert not Path(record["temp_dir"]).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sessions"]
    assert clean_leftovers(tmp_path) == 0


def test_a_ray_that_was_joined_keeps_running_with_nothing_of_ours(start_program: Any, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ray-") as short:
        foreign = start_program("foreign_ray.py", short, RAY_AUTH_MODE="disabled")
        address = read_line(foreign.stdout)
        program = start_program("driver_program.py", str(tmp_path), address, "once", RAY_AUTH_MODE="disabled")
        facts = next_facts(program)
        ours = identities(facts["pids"])
        assert len(ours) == len(facts["pids"])
        out, err = program.communicate(timeout=ENDS_WITHIN_S)
        assert (program.returncode, err) == (0, "")
        assert json.loads(out) == {"named": []}
        assert not [process for process in ours if process.alive()]
        foreign.stdin.write("\n")
        foreign.stdin.flush()
        assert read_line(foreign.stdout) == "1"
        foreign.communicate(timeout=ENDS_WITHIN_S)


def test_where_no_ray_is_there_is_none_to_join(start_program: Any, tmp_path: Path) -> None:
    program = start_program(
        "driver_program.py", str(tmp_path), "127.0.0.1:1", "once", RAY_AUTH_MODE="disabled"
    )
    _, err = program.communicate(timeout=ENDS_WITHIN_S)
    assert "ConfigError: no Ray to join at '127.0.0.1:1'" in err


def test_the_example_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "supervised_ray.py")],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "42 in life 1\n42 in life 2\n", "")
