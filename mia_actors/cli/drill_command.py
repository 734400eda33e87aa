"""`mia drill`: proves on a simulated account that a halt needs no living trader, and records how long it takes."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

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
from mia_actors.cli.config import SystemConfig, load_without_children
from mia_actors.cli.drill_case import Case, run_case
from mia_actors.cli.drill_record import Drill, DrillCase, record
from mia_actors.cli.state import open_state
from mia_actors.core.clock import Clock, SystemClock, utc_datetime
from mia_actors.core.errors import MiaError

DRILLS = "drills"


@app.command("drill")
def drill(
    case: Annotated[
        list[Case] | None, typer.Option("--case", help="Only this case; may be given several times.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Drill the halt on a simulated account: trader stopped, killed, cut off; gateway dead; market closed.

    Each case starts a simulated gateway, a trader that holds a position, and the real deadman with the limits of
    supervision.yaml; a running session is not touched. Exit code 1 when a case did not end flat in time.

    Example: mia drill --json
    """

    def command() -> int:
        document = load_without_children(config)
        directory = open_state(state or document.session.state)
        clock = SystemClock()
        at_ns = clock.now_ns()
        folder = directory.path / DRILLS / utc_datetime(at_ns).strftime("%Y%m%dT%H%M%S")
        cases = _run(tuple(dict.fromkeys(case or list(Case))), document, folder, clock, quiet=as_json)
        found = Drill(at_ns=at_ns, ok=all(one.ok for one in cases), cases=cases)
        record(directory.path, found)
        if as_json:
            print_json({**found.model_dump(mode="json"), "limit_s": document.deadman.limit_s})
        else:
            results.print(_table(cases))
        return ExitCode.DONE if found.ok else ExitCode.FAILED

    guarded(command)


def _run(
    cases: tuple[Case, ...], document: SystemConfig, folder: Path, clock: Clock, *, quiet: bool
) -> tuple[DrillCase, ...]:
    done: list[DrillCase] = []
    with Progress(console=messages, disable=quiet, transient=True) as progress:
        task = progress.add_task("drill", total=len(cases))
        for case in cases:
            progress.update(task, description=case.value)
            done.append(_one(case, document, folder / case.value, clock))
            progress.advance(task)
    if not any(folder.iterdir()):
        folder.rmdir()
    return tuple(done)


def _one(case: Case, document: SystemConfig, folder: Path, clock: Clock) -> DrillCase:
    """What a case that went well leaves is removed; of one that did not, logs and stores stay."""
    try:
        found = run_case(case, document, folder, clock)
    except MiaError as error:
        return DrillCase(
            case=case.value,
            ok=False,
            halted_after_s=None,
            time_to_flat_s=None,
            allowed_s=document.deadman.limit_s,
            outcome=f"the drill failed: {type(error).__name__}: {error}",
        )
    if found.ok:
        shutil.rmtree(folder)
    return found


def _table(cases: tuple[DrillCase, ...]) -> Table:
    table = Table("case", "result", "halted after", "time to flat", "allowed", "outcome")
    for one in cases:
        table.add_row(
            one.case,
            "ok" if one.ok else "FAILED",
            _seconds(one.halted_after_s),
            _seconds(one.time_to_flat_s),
            _seconds(one.allowed_s),
            one.outcome,
        )
    return table


def _seconds(value: float | None) -> str:
    return "never" if value is None else f"{value:.2f} s"
