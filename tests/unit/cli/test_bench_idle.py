"""The figures of `mia bench idle`: who counts as the tree, and what it is compared with."""

import subprocess
import sys

import pytest

from mia_actors.cli import bench_idle
from mia_actors.supervision.processes import own_process
from mia_actors.supervision.snapshot import ChildView, ProcessView, SupervisorView, TreeSnapshot


def process(pid: int) -> ProcessView:
    return ProcessView(host_id="h", pid=pid, start_time=1, node_id="n")


def child(pid: int | None) -> ChildView:
    return ChildView(
        id="a",
        run="m:A",
        state="up",
        incarnation=1,
        restarts=0,
        process=process(pid) if pid else None,
        last_exit=None,
        last_cause="",
    )


def tree(*children: ChildView) -> TreeSnapshot:
    root = SupervisorView(
        id="root",
        strategy="one_for_one",
        state="up",
        intensity=1,
        period_s=5,
        restarts_in_window=0,
        cause="",
        children=children,
    )
    return TreeSnapshot(
        version=1,
        time_ns=0,
        boot_id="b",
        namespace="n",
        supervisor=process(101),
        epoch=1,
        standby=process(102),
        root=root,
        spares=(process(103),),
        hosts_coming=0,
    )


def test_every_process_is_of_one_group_and_what_is_neither_tree_nor_gateway_is_rays() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        groups = bench_idle._groups(tree(child(104), child(None)), [105])
    finally:
        other.kill()
        other.wait()
    assert groups["children"] == [104]
    assert groups["spares"] == [103]
    assert groups["supervisors"] == [101, 102]
    assert groups["bare_ray_actors"] == [105]
    assert own_process().pid in groups["mia_run_and_gateway"]
    assert other.pid in groups["ray_itself"]


def test_the_tree_is_the_sum_of_its_parts_and_nothing_of_ray_or_the_command() -> None:
    cores = {
        "children": 0.08,
        "spares": 0.01,
        "supervisors": 0.02,
        "bare_ray_actors": 0.055,
        "ray_itself": 1.0,
        "mia_run_and_gateway": 1.0,
    }
    found = bench_idle._document(cores, tree(child(104), child(106)), 30.0)
    assert found["ours"]["cores"] == pytest.approx(0.11)
    assert found["ours"]["processes"] == 5
    assert found["rivals"]["bare_ray_actors"]["processes"] == 3
    assert found["ratio"]["bare_ray_actors"] == pytest.approx(2.0)
