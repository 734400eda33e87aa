"""What a killed driver left is ended by the next start: exactly that and nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mia_actors.supervision.leftovers import MARK, clean_leftovers
from mia_actors.supervision.processes import ProcessId, boot_id

Sleepers = Callable[..., ProcessId]


@pytest.fixture
def sleeper() -> Iterator[Sleepers]:
    programs: list[subprocess.Popen[bytes]] = []

    def start(**environment: str) -> ProcessId:
        program = subprocess.Popen(["sleep", "600"], env={**os.environ, **environment})
        programs.append(program)
        found = ProcessId.of(program.pid)
        assert found is not None
        return found

    yield start
    for program in programs:
        program.kill()
        program.wait()


def write_record(directory: Path, **facts: Any) -> None:
    record = {"boot_id": boot_id(), "temp_dir": str(directory / "mia-ray-x"), "processes": [], **facts}
    (directory / "ray.json").write_text(json.dumps(record))
    (directory / "ray.token").write_text("secret")
    (directory / "mia-ray-x").mkdir()


def entry(process: ProcessId) -> dict[str, int]:
    return {"pid": process.pid, "start_time": process.start_time}


def test_recorded_processes_are_ended_and_others_of_the_same_pid_are_not(
    sleeper: Sleepers, tmp_path: Path
) -> None:
    left, stranger = sleeper(), sleeper()
    write_record(tmp_path, processes=[entry(left), {"pid": stranger.pid, "start_time": 1}])
    assert clean_leftovers(tmp_path) == 1
    assert not left.alive()
    assert stranger.alive()
    assert list(tmp_path.iterdir()) == []
    assert clean_leftovers(tmp_path) == 0


def test_a_process_that_carries_the_mark_is_ended_though_nobody_recorded_it(
    sleeper: Sleepers, tmp_path: Path
) -> None:
    ours = sleeper(**{MARK: str(tmp_path / "mia-ray-x")})
    stranger = sleeper(**{MARK: str(tmp_path / "mia-ray-y")})
    write_record(tmp_path)
    assert clean_leftovers(tmp_path) == 1
    assert not ours.alive()
    assert stranger.alive()


def test_processes_recorded_before_a_reboot_are_nobody_we_know(sleeper: Sleepers, tmp_path: Path) -> None:
    stranger = sleeper()
    write_record(tmp_path, boot_id="another", processes=[entry(stranger)])
    assert clean_leftovers(tmp_path) == 0
    assert stranger.alive()


def test_only_a_directory_of_our_name_is_removed(tmp_path: Path) -> None:
    write_record(tmp_path, temp_dir=str(tmp_path / "precious"))
    (tmp_path / "precious").mkdir()
    clean_leftovers(tmp_path)
    assert (tmp_path / "precious").exists()


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_record_that_says_nothing_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / "ray.json").write_text(text)
    assert clean_leftovers(tmp_path) == 0
    assert not (tmp_path / "ray.json").exists()


def test_hosts_recorded_in_a_tree_file_are_ended(sleeper: Sleepers, tmp_path: Path) -> None:
    from mia_actors.supervision.snapshot import ProcessView, SupervisorView, TreeSnapshot, write_tree

    host, supervisor = sleeper(), sleeper()
    session = tmp_path / "sessions" / "1"
    session.mkdir(parents=True)

    def view(process: ProcessId) -> ProcessView:
        return ProcessView(host_id="h", pid=process.pid, start_time=process.start_time, node_id="n")

    root = SupervisorView(
        id="root",
        strategy="one_for_one",
        state="up",
        intensity=1,
        period_s=5,
        restarts_in_window=0,
        cause="",
        children=(),
    )
    tree = TreeSnapshot(
        version=1,
        time_ns=1,
        boot_id=boot_id(),
        namespace="n",
        supervisor=view(supervisor),
        root=root,
        spares=(view(host),),
        hosts_coming=0,
        epoch=1,
        standby=None,
    )
    write_tree(session, tree)
    assert clean_leftovers(tmp_path) == 2
    assert not host.alive()
    assert not supervisor.alive()


def test_this_interpreter_is_not_among_what_is_ended(tmp_path: Path) -> None:
    assert sys.executable
    write_record(tmp_path)
    assert clean_leftovers(tmp_path) == 0
