"""`mia trace list` and `mia trace show`."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    StateOption,
    app,
    guarded,
    print_json,
    results,
)
from mia_actors.cli.look_commands import newest_session
from mia_actors.core.clock import utc_datetime
from mia_actors.core.errors import ConfigError
from mia_actors.telemetry import conventions
from mia_actors.telemetry.trace_store import StoredSpan, TraceReader

TRACES_FILE = "traces.db"
BAR_WIDTH = 48

trace_app = typer.Typer(help="Traces of the cycles of the running or last session.", no_args_is_help=True)
app.add_typer(trace_app, name="trace")


def _reader(config: Path, state: Path | None) -> TraceReader:
    return TraceReader(newest_session(config, state)[1] / TRACES_FILE)


@trace_app.command("list")
def list_cycles(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")] = 20,
    slowest: Annotated[bool, typer.Option("--slowest", help="The slowest first, not the newest.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """List traced cycles. Example: mia trace list --slowest --limit 5."""

    def command() -> int:
        cycles = _reader(config, state).cycles(limit=limit, slowest=slowest)
        if as_json:
            print_json({"cycles": [asdict(cycle) | {"duration_ms": cycle.duration_ms} for cycle in cycles]})
            return ExitCode.DONE
        table = Table(box=None, pad_edge=False)
        for column in ("cycle", "started (UTC)", "ms", "outcome", "reason"):
            table.add_column(column, justify="right" if column == "ms" else "left", no_wrap=True)
        for cycle in cycles:
            started = utc_datetime(cycle.start_ns).strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(cycle.cycle_id, started, f"{cycle.duration_ms:.2f}", cycle.outcome, cycle.reason)
        results.print(table)
        return ExitCode.DONE

    guarded(command)


@trace_app.command("show")
def show_cycle(
    cycle: Annotated[str, typer.Argument(help="Cycle id as `mia trace list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one cycle as a waterfall. Example: mia trace show ESZ3@20131008T143500Z."""

    def command() -> int:
        spans = _reader(config, state).spans(cycle)
        if not spans:
            raise ConfigError(f"no trace of cycle {cycle!r}; `mia trace list` shows those there are")
        if as_json:
            print_json({"cycle": cycle, "spans": [asdict(span) for span in spans]})
            return ExitCode.DONE
        results.print(_waterfall(spans))
        return ExitCode.DONE

    guarded(command)


def _waterfall(spans: tuple[StoredSpan, ...]) -> Table:
    """Spans indented under their parents, each with its place on a common time axis."""
    begin = min(span.start_ns for span in spans)
    length = max(1, max(span.end_ns for span in spans) - begin)
    depths = _depths(spans)
    table = Table(box=None, pad_edge=False)
    for column in ("span", "actor", "start ms", "ms", "queue ms", ""):
        table.add_column(column, justify="right" if column.endswith("ms") else "left", no_wrap=True)
    for span in spans:
        left = int((span.start_ns - begin) / length * BAR_WIDTH)
        width = max(1, round((span.end_ns - span.start_ns) / length * BAR_WIDTH))
        queue = span.attributes.get(conventions.QUEUE_MS)
        table.add_row(
            "  " * depths[span.span_id] + span.name,
            span.service,
            f"{(span.start_ns - begin) / 1e6:.2f}",
            f"{span.duration_ms:.2f}",
            "" if queue is None else f"{float(queue):.2f}",
            Text(
                " " * left + "█" * min(width, BAR_WIDTH - left),
                style="red" if span.status == "ERROR" else "cyan",
            ),
        )
    return table


def _depths(spans: tuple[StoredSpan, ...]) -> dict[str, int]:
    parents = {span.span_id: span.parent_id for span in spans}
    depths: dict[str, int] = {}
    for span in spans:
        depth, parent = 0, span.parent_id
        while parent in parents and depth < len(spans):
            depth, parent = depth + 1, parents[parent]
        depths[span.span_id] = depth
    return depths
