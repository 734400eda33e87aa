"""`mia backtest`: the decision core, guardian and matching in one process."""

from dataclasses import asdict
from datetime import date
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

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
from mia_actors.cli.config import SystemConfig, child_settings, history_days, load_config
from mia_actors.cli.kernels import compile_kernels
from mia_actors.cli.state import open_state
from mia_actors.cli.tapes import tape_choice
from mia_actors.core.clock import SystemClock
from mia_actors.core.trade_date import trade_date
from mia_actors.cycle.backtest import Backtest, BacktestResult, Voter
from mia_actors.cycle.performance import Performance, performance
from mia_actors.cycle.settings import CycleSettings
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.ensemble.registry import load
from mia_actors.ensemble.serving import EnsembleServer
from mia_actors.exchange.orders import AccountTerms
from mia_actors.exchange.tape import Tape, load_tape
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.news import with_news_file

LEDGER_FILE = "backtest-ledger.csv"


def voter_of(config: SystemConfig, config_dir: Path) -> Voter:
    """The ensemble's vote, with the models and settings the tree would give it.

    Raises:
        ConfigError: the models are missing or not what their manifest says.
    """
    ensemble = child_settings(config, "ensemble", EnsembleSettings)
    models = load(config_dir / ensemble.models, entry_timeframe=ensemble.entry_timeframe)
    server = EnsembleServer.of(models, cache_entries=ensemble.cache_entries)
    return lambda vector, _: server.vote(vector, threshold=ensemble.approve_above, weights=ensemble.weights)


def run_backtest(
    config: SystemConfig, config_dir: Path, tape: Tape, voter: Voter, *, show: bool
) -> BacktestResult:
    """One backtest with the settings the tree would give to guardian and cycle."""
    backtest = Backtest(
        tape,
        decision=child_settings(config, "cycle", CycleSettings),
        guardian=with_news_file(child_settings(config, "guardian", GuardianSettings), config_dir),
        voter=voter,
    )
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
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a tape through the same core in one process; its ledger equals the lockstep session's.

    Example: mia backtest --tape bars.parquet --date 2013-10-08 --json
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
        directory = open_state(state or document.session.state)
        compile_kernels()
        loaded = load_tape(choice.selection())
        clock = SystemClock()
        began_s = clock.monotonic_s()
        folder = config.absolute().parent
        voter = voter_of(document, folder)
        found = run_backtest(document, folder, loaded, voter, show=messages.is_terminal)
        seconds = clock.monotonic_s() - began_s
        (directory.path / LEDGER_FILE).write_text(found.ledger.text, encoding="utf-8")
        figures = performance(found.trades, _days(loaded), AccountTerms().cash_usd)
        if as_json:
            print_json(_document(found, figures, seconds))
        else:
            _tell(found, figures, seconds)
        return ExitCode.HALTED if found.halted else ExitCode.DONE

    guarded(command)


def _days(tape: Tape) -> list[date]:
    return sorted({trade_date(bar.start_ns) for bar in tape.bars})


def _document(found: BacktestResult, figures: Performance, seconds: float) -> dict[str, object]:
    return {
        "instrument": found.instrument,
        "bars": found.bars,
        "seconds": round(seconds, 3),
        "bars_per_s": round(found.bars / seconds, 1) if seconds else None,
        "ledger_sha256": found.ledger.sha256,
        "orders": found.ledger.orders,
        "fills": found.ledger.fills,
        "signals": found.counts.signals,
        "approved": found.counts.approved,
        "refused": found.counts.refused,
        "final_position": found.final_position,
        "halted": found.halted,
        **asdict(figures),
    }


def _tell(found: BacktestResult, figures: Performance, seconds: float) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in _document(found, figures, seconds).items():
        shown = (
            ", ".join(f"{key} {count}" for key, count in value.items()) if isinstance(value, dict) else value
        )
        table.add_row(name.replace("_", " "), str(shown))
    results.print(table)
