"""`mia backtest`: the decision core, guardian and matching in one process."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mia_actors.backtest_report.facts import Circumstances, backtest_facts
from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ContractOption,
    DateOption,
    ExitCode,
    FromOption,
    JsonOption,
    StateOption,
    TapeOption,
    ToOption,
    app,
    guarded,
    messages,
    print_json,
    results,
)
from mia_actors.cli.config import SystemConfig, history_days, load_config
from mia_actors.cli.kernels import compile_kernels
from mia_actors.cli.report_file import check_report_path, circumstances, write_report
from mia_actors.cli.run_settings import run_settings
from mia_actors.cli.state import open_state
from mia_actors.cli.sweep_run import run_sweep, sweep_of
from mia_actors.cli.tapes import TapeChoice, selection_arguments, tape_choice
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.cycle.backtest import Backtest, BacktestResult, Voter
from mia_actors.cycle.backtest_document import backtest_document
from mia_actors.cycle.performance import performance
from mia_actors.ensemble.schedule import read_schedule_file
from mia_actors.exchange.orders import AccountTerms
from mia_actors.exchange.tape import Tape, load_tape
from mia_actors.sweep.run import RunSettings, trade_dates
from mia_actors.sweep.seen import days_seen, seen_by_models

LEDGER_FILE = "backtest-ledger.csv"

ReportOption = Annotated[
    Path | None,
    typer.Option("--report", help="HTML file with equity, trades, distributions and refused signals."),
]
SweepOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="KEY=V1,V2",
        help="Values to try of a setting of cycle, ensemble or guardian; may be given again, for every combination.",
    ),
]
FoldsOption = Annotated[
    int | None,
    typer.Option(
        "--folds", min=1, max=200, help="Folds by time with as many trade dates each, each run alone."
    ),
]


def voter_of(config: SystemConfig, config_dir: Path) -> Voter:
    """The ensemble's vote, with the models and settings the tree would give it.

    Raises:
        ConfigError: the models are missing or not what their manifest says.
    """
    settings = run_settings(config, config_dir)
    return settings.voter(settings.models())


def run_backtest(
    config: SystemConfig, config_dir: Path, tape: Tape, voter: Voter, *, show: bool
) -> BacktestResult:
    """One backtest with the settings the tree would give to guardian and cycle."""
    return _run(run_settings(config, config_dir).backtest(tape, voter), tape, show=show)


def _run(backtest: Backtest, tape: Tape, *, show: bool) -> BacktestResult:
    with Progress(
        TextColumn("backtest"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages,
        transient=True,
        disable=not show,
    ) as progress:
        task = progress.add_task("bars", total=len(tape.bars))
        return backtest.run(lambda done: progress.update(task, completed=done))


@app.command("backtest")
def backtest(
    tape: TapeOption = None,
    day: DateOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    report: ReportOption = None,
    sweep: SweepOption = None,
    folds: FoldsOption = None,
    models_schedule: Annotated[
        Path | None,
        typer.Option(
            "--models-schedule", help="models.json of a session: vote with the versions it voted with."
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a tape through the same core in one process; its ledger equals the lockstep session's.

    With --sweep or --folds it is run once for each combination and fold, in parallel; --contract all then trades
    on each date the contract with most volume.

    Example: mia backtest --tape bars.parquet --date 2013-10-08 --report report.html

    Example: mia backtest --tape bars.parquet --sweep ensemble.approve_above=0.5,0.6 --folds 4 --json
    """

    def command() -> int:
        document = load_config(config)
        choice = tape_choice(
            source=tape or document.session.tape,
            day=day,
            start=start,
            end=end,
            contract=contract,
            history_days=history_days(document),
            cycles=None,
        )
        if report is not None:
            check_report_path(report)
        planned = sweep_of(document, config, sweep or (), folds) if sweep or folds is not None else None
        settings = run_settings(document, config.absolute().parent)
        if models_schedule is not None:
            if planned is not None:
                raise ConfigError(
                    "--models-schedule is of one session: it does not go with --sweep or --folds"
                )
            settings = replace(settings, schedule=read_schedule_file(models_schedule))
        folder = open_state(state or document.session.state).path
        compile_kernels()
        if planned is not None:
            return run_sweep(planned, choice, folder, report, as_json=as_json)
        again = ["mia", "backtest", *selection_arguments(choice.selection())]
        if models_schedule is not None:
            again += ["--models-schedule", str(models_schedule)]
        return _single(settings, choice, folder, report, again=again, as_json=as_json)

    guarded(command)


def _single(
    settings: RunSettings,
    choice: TapeChoice,
    folder: Path,
    report: Path | None,
    *,
    again: Sequence[str],
    as_json: bool,
) -> int:
    tape = load_tape(choice.selection())
    clock = SystemClock()
    began_s = clock.monotonic_s()
    models = settings.models()
    running = settings.backtest(tape, settings.voter(models), every_decision=report is not None)
    found = _run(running, tape, show=messages.is_terminal)
    seconds = clock.monotonic_s() - began_s
    (folder / LEDGER_FILE).write_text(found.ledger.text, encoding="utf-8")
    days = trade_dates(tape)
    manifests = settings.manifests(models)
    notes = tuple(seen_by_models(manifest, days) for manifest in manifests)
    for manifest, note in zip(manifests, notes, strict=True):
        if days_seen(manifest, days):
            messages.print(note, style="yellow", markup=False, highlight=False)
    if report is not None:
        with messages.status("drawing the report"):
            made = circumstances(
                settings,
                models=manifests,
                ledger_file=LEDGER_FILE,
                notes=notes,
                command=again,
            )
            write_report(report, _page(tape, running, found, settings, made, seconds))
    figures = performance(found.trades, days, AccountTerms().cash_usd)
    shown = backtest_document(found, figures, seconds)
    if as_json:
        print_json(shown)
    else:
        _tell(shown)
    return ExitCode.HALTED if found.halted else ExitCode.DONE


def _page(
    tape: Tape,
    backtest: Backtest,
    found: BacktestResult,
    settings: RunSettings,
    made: Circumstances,
    seconds: float,
) -> str:
    from mia_actors.backtest_report.page import backtest_page  # noqa: PLC0415 - only a report needs jinja2

    facts = backtest_facts(
        tape,
        found,
        backtest.decisions(),
        entry_timeframe=settings.decision.entry_timeframe,
        circumstances=made,
        seconds=seconds,
    )
    return backtest_page(facts)


def _tell(document: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in document.items():
        shown = (
            ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
        )
        table.add_row(name.replace("_", " "), str(shown))
    results.print(table)
