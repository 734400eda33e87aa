"""`mia backtest --sweep` as a user runs it: each run is what `mia backtest` gives, and Ctrl-C leaves nothing."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.simulation.session_driver import ROOT, command, loose_config

PART = ("--tape", "synthetic:19", "--from", "2026-03-09T13:30", "--to", "2026-03-10T20:00")
RUN_WITHIN_S = 120
GONE_WITHIN_S = 20


def _json(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        command("backtest", *arguments, "--json"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _with_gate(config: Path, folder: Path, approve_above: float) -> Path:
    """The file as a person would edit it."""
    document = yaml.safe_load(config.read_text())
    text = json.dumps(document).replace('"approve_above": 0.5', f'"approve_above": {approve_above}')
    path = folder / f"gate-{approve_above}.yaml"
    path.write_text(yaml.safe_dump(json.loads(text), sort_keys=False))
    return path


def test_each_run_is_that_of_the_same_single_backtest(tmp_path: Path) -> None:
    config = loose_config(tmp_path)
    report = tmp_path / "sweep.html"
    options = ("--sweep", "ensemble.approve_above=0.5,0.62", "--folds", "2", "--report", str(report))
    found = _json(*PART, "--config", str(config), "--state", str(tmp_path / "swept"), *options)
    assert (found["variants"], len(found["runs"])) == (2, 4)
    assert sum(run["trades"] for run in found["runs"]) > 0
    for run in found["runs"]:
        part = run["part"]
        gate = run["settings"]["ensemble.approve_above"]
        alone = _json(
            *PART[:2],
            *("--from", part["from"], "--to", part["to"]),
            *("--config", str(_with_gate(config, tmp_path, gate)), "--state", str(tmp_path / "alone")),
        )
        assert {name: run[name] for name in alone if name not in {"seconds", "bars_per_s"}} == {
            name: value for name, value in alone.items() if name not in {"seconds", "bars_per_s"}
        }
    ledgers = sorted(path.name for path in (tmp_path / "swept" / "sweep").glob("*.csv"))
    assert len(ledgers) == 4
    assert (tmp_path / "alone" / "backtest-ledger.csv").read_text() == (
        tmp_path / "swept" / "sweep" / "variant-2-fold-2-ESM6.csv"
    ).read_text()
    page = report.read_text()
    assert "2 variants tried." in page
    assert all(run["ledger_sha256"] in page for run in found["runs"])


def test_an_interrupt_ends_it_and_every_process_of_ray(tmp_path: Path) -> None:
    values = ",".join(str(0.5 + number / 200) for number in range(60))
    arguments = ("--config", str(loose_config(tmp_path)), "--state", str(tmp_path / "state"))
    process = subprocess.Popen(
        command("backtest", *PART, *arguments, "--sweep", f"ensemble.approve_above={values}", "--folds", "2"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    family = _family_at_work(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    out, _ = process.communicate(timeout=RUN_WITHIN_S)
    assert process.returncode == 130, out[-2000:]
    _, alive = psutil.wait_procs(family, timeout=GONE_WITHIN_S)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    assert list((tmp_path / "state" / "sweep").glob("*.csv")) == []


def _family_at_work(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Its processes once a task is being carried out."""
    deadline = time.monotonic() + RUN_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        family = psutil.Process(process.pid).children(recursive=True)
        if any("ray::carry_out" in name for name in map(_name, family)):
            return family
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"no task was ever at work: {process.communicate()[0]!r}")


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
