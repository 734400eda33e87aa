"""`mia explain`: why a cycle traded or did not, from its stored decision."""

from dataclasses import asdict
from datetime import date, datetime
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
from mia_actors.core.calendar import new_york
from mia_actors.core.decisions import Decision, Outcome, Reason
from mia_actors.core.errors import ConfigError
from mia_actors.core.trade_date import trade_date
from mia_actors.cycle.explanation import Explanation, Line, Severity, explain
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal

STYLES = {Severity.BLOCKING: "bold red", Severity.WARNING: "yellow", Severity.INFO: "green"}
MARKS = {Severity.BLOCKING: "✗", Severity.WARNING: "!", Severity.INFO: "✓"}


@app.command("explain")
def explain_cycles(
    cycle: Annotated[str | None, typer.Argument(help="Cycle id, as `mia trace list` shows it.")] = None,
    last: Annotated[int, typer.Option("--last", min=1, max=100_000, help="How many, the newest.")] = 1,
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Only those that ended so.")] = None,
    reason: Annotated[Reason | None, typer.Option("--reason", help="Only those of this gate.")] = None,
    date: Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Trade date.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain cycles of the running or last session from their stored decisions.

    Without a cycle: the newest in which a strategy called a side, or was entered or closed; with --outcome, --reason
    or --date the newest of those.

    Example: mia explain --outcome refused --last 5
    """

    def command() -> int:
        found = _chosen(
            _decisions(config, state), cycle, last, outcome, reason, date.date() if date else None
        )
        told = [explain(decision) for decision in found]
        if as_json:
            print_json({"cycles": [asdict(one) for one in told]})
            return ExitCode.DONE
        for one in told:
            _print(one)
        return ExitCode.DONE

    guarded(command)


def _decisions(config: Path, state: Path | None) -> tuple[Decision, ...]:
    file = newest_session(config, state)[1] / DECISIONS_FILE
    if not file.exists():
        raise ConfigError(f"{file.parent}: the session has decided nothing yet")
    journal = DecisionJournal.open(file)
    try:
        return tuple(row.decision for row in journal.decisions())
    finally:
        journal.close()


def _chosen(
    decisions: tuple[Decision, ...],
    cycle: str | None,
    last: int,
    outcome: Outcome | None,
    reason: Reason | None,
    day: date | None,
) -> tuple[Decision, ...]:
    if cycle is not None:
        found = tuple(one for one in decisions if one.cycle_id == cycle)
        if not found:
            raise ConfigError(f"no decision of cycle {cycle!r}; `mia explain --last 20 --json` shows ids")
        return found
    chosen = tuple(
        one
        for one in decisions
        if (outcome is None or one.outcome is outcome)
        and (reason is None or one.reason is reason)
        and (day is None or trade_date(one.event_time_ns - 1) == day)
    )
    if outcome is None and reason is None:
        chosen = tuple(one for one in chosen if _is_telling(one)) or chosen
    if not chosen:
        raise ConfigError("no such cycle in this session; leave an option out to see more")
    return chosen[-last:]


def _is_telling(decision: Decision) -> bool:
    return decision.has_signal or decision.outcome in {Outcome.ENTERED, Outcome.EXITED}


def _print(told: Explanation) -> None:
    moment = new_york(told.event_time_ns)
    results.print(Text.assemble((told.cycle_id, "bold"), f"  {moment:%a %Y-%m-%d %H:%M} New York"))
    results.print(Text(told.headline), soft_wrap=True)
    for lines in (
        [line for line in told.lines if line.reason],
        [line for line in told.lines if not line.reason],
    ):
        results.print(_table(lines))
    results.print()


def _table(lines: list[Line]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    for line in lines:
        mark = Text(MARKS[line.severity], style=STYLES[line.severity])
        table.add_row(mark, Text(line.title), Text(line.current), Text(line.required, style="dim"))
    return table
