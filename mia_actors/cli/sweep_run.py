"""`mia backtest --sweep ... --folds N`: the runs in parallel as Ray tasks, then what they say together."""

import os
import shlex
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mia_actors.cli.app import ExitCode, messages, print_json, results
from mia_actors.cli.config import SystemConfig
from mia_actors.cli.report_file import circumstances, write_report
from mia_actors.cli.run_settings import run_settings
from mia_actors.cli.state import locked, open_state
from mia_actors.cli.sweep_options import axes_of, variants_of, with_settings
from mia_actors.cli.tapes import TapeChoice, selection_arguments
from mia_actors.core.clock import SystemClock
from mia_actors.ensemble.manifest import Manifest
from mia_actors.exchange.orders import AccountTerms
from mia_actors.exchange.synthetic import is_synthetic
from mia_actors.exchange.tape import load_tape
from mia_actors.supervision.leftovers import clean_leftovers
from mia_actors.sweep.days import ALL_CONTRACTS, days_of, front_days
from mia_actors.sweep.document import sweep_document
from mia_actors.sweep.folds import stretches
from mia_actors.sweep.run import RunOutcome, RunPlan, RunSettings
from mia_actors.sweep.seen import days_seen, seen_by_models
from mia_actors.sweep.verdict import Verdict, judge

FOLDER = "sweep"
LEDGERS = "variant-*.csv"
NOTHING = "n/a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """All that will run, checked."""

    texts: tuple[str, ...]
    """The options as given."""
    variants: tuple[Mapping[str, object], ...]
    settings: tuple[RunSettings, ...]
    """By variant."""
    as_written: RunSettings
    """Those of supervision.yaml."""
    manifests: tuple[Manifest, ...]
    """Of all models that vote."""
    folds: int | None


def sweep_of(document: SystemConfig, config: Path, texts: Sequence[str], folds: int | None) -> Sweep:
    """Reads the options and checks every variant, models included.

    Raises:
        ConfigError: a key, a value or a combination of values that is not allowed.
    """
    variants = variants_of(axes_of(texts))
    folder = config.absolute().parent
    settings = tuple(run_settings(with_settings(document, one, config), folder) for one in variants)
    loads = {(one.ensemble.models, one.ensemble.entry_timeframe): one for one in settings}
    manifests = {found.manifest.version: found.manifest for found in (one.models() for one in loads.values())}
    return Sweep(
        texts=tuple(texts),
        variants=variants,
        settings=settings,
        as_written=run_settings(document, folder),
        manifests=tuple(manifests.values()),
        folds=folds,
    )


def run_sweep(
    sweep: Sweep, choice: TapeChoice, state: Path, report: Path | None, *, as_json: bool
) -> ExitCode:
    """Runs, judges, writes and tells.

    Raises:
        ConfigError: the tape cannot be used, or has fewer trade dates than folds.
        MiaError: a run failed; the others were cancelled.
    """
    clock = SystemClock()
    began_s = clock.monotonic_s()
    plans = _plans(sweep, choice)
    directory = open_state(state / FOLDER)
    with locked(directory):
        clean_leftovers(directory.path)
        outcomes = _in_parallel(plans, directory.path)
        _keep_ledgers(plans, outcomes, directory.path)
    cash_usd = AccountTerms().cash_usd
    verdict = judge(sweep.variants, outcomes, cash_usd)
    seen = [seen_by_models(manifest, verdict.days) for manifest in sweep.manifests]
    verdict = replace(verdict, notes=(*seen, *verdict.notes))
    shown = sweep_document(
        plans,
        outcomes,
        sweep.variants,
        verdict,
        cash_usd=cash_usd,
        seconds=clock.monotonic_s() - began_s,
    )
    shown["trade_dates"] = len(verdict.days)
    shown["trade_dates_seen_by_models"] = max(days_seen(one, verdict.days) for one in sweep.manifests)
    if report is not None:
        _write_page(report, sweep, choice, plans, verdict, shown)
    if as_json:
        print_json(shown)
    else:
        _tell(sweep, verdict)
    return ExitCode.DONE


def _plans(sweep: Sweep, choice: TapeChoice) -> tuple[RunPlan, ...]:
    """Fold by fold: whoever ran a variant of a fold has its tape at hand for the next."""
    whole = choice.selection()
    if not is_synthetic(whole.source):
        whole = replace(
            whole, source=str(Path(whole.source).absolute())
        )  # a task has another working directory
    is_rolled = whole.contract == ALL_CONTRACTS
    if is_rolled or sweep.folds is not None:
        days = front_days(whole) if is_rolled else days_of(load_tape(whole))
        parts = [(one.fold, one.selection(whole)) for one in stretches(days, sweep.folds or 1)]
    else:
        load_tape(whole)  # what is wrong with it is better said now
        parts = [(1, whole)]
    return tuple(
        RunPlan(
            variant=number,
            fold=None if sweep.folds is None else fold,
            stretch=place,
            selection=part,
            settings=settings,
        )
        for place, (fold, part) in enumerate(parts)
        for number, settings in enumerate(sweep.settings)
    )


def _in_parallel(plans: Sequence[RunPlan], folder: Path) -> tuple[RunOutcome, ...]:
    from mia_actors.supervision.ray_runtime import RayRuntime  # noqa: PLC0415 - a sweep alone needs Ray
    from mia_actors.sweep.tasks import carry_out_all  # noqa: PLC0415 - as above

    cores = min(len(os.sched_getaffinity(0)), len(plans))
    with ExitStack() as started:
        progress = started.enter_context(
            Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=messages,
                transient=True,
                disable=not messages.is_terminal,
            )
        )
        runs = progress.add_task("starting Ray", total=len(plans))
        interrupted = started.enter_context(_noted_interrupts())
        started.enter_context(RayRuntime.start_local(folder, cpus=cores))
        progress.update(runs, description=f"backtests, {cores} at a time")
        return carry_out_all(plans, lambda done: progress.update(runs, completed=done), interrupted.is_set)


@contextmanager
def _noted_interrupts() -> Iterator[threading.Event]:
    """The first Ctrl-C is only noted: Ray cannot bear to be interrupted anywhere. A second one ends at once."""
    noted = threading.Event()

    def first(_signal: int, _frame: object) -> None:
        noted.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        messages.print("interrupted: cancelling the backtests; Ctrl-C again to stop at once")

    before = {number: signal.signal(number, first) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _keep_ledgers(plans: Sequence[RunPlan], outcomes: Sequence[RunOutcome], folder: Path) -> None:
    for old in folder.glob(LEDGERS):
        old.unlink()
    for plan, outcome in zip(plans, outcomes, strict=True):
        fold = "" if plan.fold is None else f"-fold-{plan.fold}"
        path = folder / f"variant-{plan.variant + 1}{fold}-{outcome.result.instrument}.csv"
        path.write_text(outcome.result.ledger.text, encoding="utf-8")


def _write_page(
    report: Path,
    sweep: Sweep,
    choice: TapeChoice,
    plans: Sequence[RunPlan],
    verdict: Verdict,
    document: Mapping[str, Any],
) -> None:
    from mia_actors.backtest_report.sweep_page import sweep_page  # noqa: PLC0415 - only a report needs it

    options = [part for text in sweep.texts for part in ("--sweep", text)]
    if sweep.folds is not None:
        options += ["--folds", str(sweep.folds)]
    made = circumstances(
        sweep.as_written,
        models=sweep.manifests,
        ledger_file=f"{FOLDER}/{LEDGERS}",
        notes=verdict.notes,
        command=("mia", "backtest", *selection_arguments(choice.selection()), *options),
    )
    commands = [shlex.join(("mia", "backtest", *selection_arguments(plan.selection))) for plan in plans]
    with messages.status("drawing the report"):
        write_report(report, sweep_page(Path(choice.source).name, verdict, document, commands, made))


def _tell(sweep: Sweep, verdict: Verdict) -> None:
    keys = list(sweep.variants[0])
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in (*(key.rpartition(".")[2] for key in keys), "trades", "won", "profit factor", "net USD"):
        table.add_column(name, justify="right")
    folds = len(verdict.variants[0].net_by_fold) if sweep.folds is not None else 0
    for number in range(1, folds + 1):
        table.add_column(f"fold {number}", justify="right")
    for name in ("drawdown USD", "Sharpe", "deflated"):
        table.add_column(name, justify="right")
    for one in verdict.variants:
        table.add_row(
            *(str(value) for value in one.settings.values()),
            str(one.figures.trades),
            _share(one.figures.win_rate),
            _number(one.figures.profit_factor),
            f"{one.figures.pnl_usd:+,.2f}",
            *(f"{net:+,.0f}" for net in one.net_by_fold[:folds]),
            f"{one.figures.max_drawdown_usd:,.0f}",
            _number(one.figures.sharpe),
            _share(one.deflated_sharpe),
            style="bold" if one.number == verdict.best else "",
        )
    results.print(table)
    for chosen in verdict.walk_forward:
        settings = _named(verdict.variants[chosen.variant].settings)
        net = f"{chosen.figures.pnl_usd:+,.2f} USD, {chosen.figures.trades} trades"
        results.print(f"fold {chosen.fold}, best before it: {settings}: {net}", highlight=False)
    overfit = verdict.probability_of_overfitting
    results.print(
        f"probability of overfitting {_share(overfit)}; best variant's deflated Sharpe "
        f"{_share(verdict.deflated_sharpe)}",
        highlight=False,
    )
    for note in verdict.notes:
        results.print(note, highlight=False)


def _named(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items()) or "as in supervision.yaml"


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
