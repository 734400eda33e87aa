"""`mia doctor`: what is missing on this machine, and how to mend it."""

import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from mia_actors.broker.ib_library import LIBRARY, installed
from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    StateOption,
    app,
    guarded,
    messages,
    print_json,
    results,
)
from mia_actors.cli.config import SystemConfig, child_settings, load_config
from mia_actors.cli.posture import Finding, Grade, is_fit, library_finding, machine_findings
from mia_actors.cli.posture_facts import machine_facts
from mia_actors.cli.preflight import broker_examined
from mia_actors.cli.state import open_state
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import ConfigError, MiaError
from mia_actors.core.session import BrokerMode
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.ensemble.registry import load
from mia_actors.guardian import console
from mia_actors.notify.actor import NotifierSettings
from mia_actors.notify.channels import webhooks_from_environment
from mia_actors.telemetry.logs import configure_logging

PYTHON = (3, 11)
PACKAGES = ("ray", LIBRARY, "numpy", "pandas", "onnxruntime", "opentelemetry-sdk")
COLOURS = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.ERROR: "red"}


@app.command("doctor")
def doctor(
    broker: Annotated[
        BrokerMode,
        typer.Option(help="What is to be traded: what only a real broker needs is an error there."),
    ] = BrokerMode.SIM,
    live_account: Annotated[
        str | None, typer.Option("--live-account", help="As for mia run --broker live.")
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.5, max=60, help="Seconds for each request to the broker.")
    ] = 5.0,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is missing on this machine, and how to mend it. Example: mia doctor --broker paper."""

    def command() -> int:
        findings: list[Finding] = []
        for one in _examined(broker, live_account, timeout_s, config, state):
            findings.append(one)
            if not as_json and messages.is_terminal:
                messages.print(f"{one.name} ...", end="\r")
        if as_json:
            print_json({"fit": is_fit(findings), "findings": [one.document() for one in findings]})
        else:
            results.print(_table(findings))
        return ExitCode.DONE if is_fit(findings) else ExitCode.FAILED

    guarded(command)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for one in findings:
        table.add_row(f"[{COLOURS[one.grade]}]{one.grade.value}[/]", one.name, one.found)
        if one.remedy:
            table.add_row("", "", f"-> {one.remedy}")
    return table


def _examined(
    mode: BrokerMode, live_account: str | None, timeout_s: float, path: Path, state: Path | None
) -> Iterator[Finding]:
    """Every finding; what cannot be looked at because something before it is wrong is left out."""
    clock = SystemClock()
    yield _python()
    yield _packages()
    yield library_finding(installed(), mode)
    try:
        config = load_config(path)
    except ConfigError as error:
        yield Finding(name="configuration", grade=Grade.ERROR, found=str(error), remedy="mia check")
        return
    yield Finding(name="configuration", grade=Grade.OK, found=f"{path} is valid")
    try:
        directory = open_state(state or config.session.state).path
    except (MiaError, OSError) as error:
        yield Finding(
            name="state", grade=Grade.ERROR, found=str(error), remedy="name another one with --state"
        )
        return
    configure_logging(directory=directory / "logs", process="doctor")
    yield _state(directory, clock)
    yield from machine_findings(machine_facts(directory, own_ray=True, clock=clock), mode)
    yield _checked("models", lambda: _models(config, path), "mia train")
    yield _checked("notices", lambda: _notices(config), "")
    yield from broker_examined(config, mode, live_account, timeout_s, clock).findings


def _checked(name: str, look: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(name=name, grade=Grade.OK, found=look())
    except MiaError as error:
        return Finding(name=name, grade=Grade.ERROR, found=str(error), remedy=remedy)


def _python() -> Finding:
    right = sys.version_info[:2] == PYTHON
    wanted = ".".join(map(str, PYTHON))
    return Finding(
        name="python",
        grade=Grade.OK if right else Grade.ERROR,
        found=platform.python_version(),
        remedy="" if right else f"use Python {wanted}",
    )


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            name="packages", grade=Grade.ERROR, found=f"missing: {', '.join(missing)}", remedy="make install"
        )
    return Finding(name="packages", grade=Grade.OK, found=", ".join(found))


def _state(directory: Path, clock: Clock) -> Finding:
    seen = console.read_state(directory, clock)
    if seen.halted:
        return Finding(
            name="state",
            grade=Grade.WARNING,
            found=f"{directory}: {seen.state.value} since {seen.latched_at}: {seen.reason}",
            remedy="look at the account, then: mia resume --reason ...",
        )
    running = "; a session runs" if seen.guardian_alive else ""
    return Finding(name="state", grade=Grade.OK, found=f"{directory}{running}")


def _models(config: SystemConfig, path: Path) -> str:
    settings = child_settings(config, "ensemble", EnsembleSettings)
    folder = path.absolute().parent / settings.models
    load(folder, entry_timeframe=settings.entry_timeframe)
    return f"{folder} can be served"


def _notices(config: SystemConfig) -> str:
    settings = child_settings(config, "notifier", NotifierSettings)
    if settings.channel != "discord":
        return f"{settings.channel}: nobody is told anything outside this machine"
    webhooks_from_environment()
    return "a webhook for each channel of Discord"
