"""`mia bench backtest`: bars per second of the whole decision path, beside other libraries in the same run."""

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    guarded,
    messages,
    print_json,
)
from mia_actors.cli.backtest_command import run_backtest, voter_of
from mia_actors.cli.bench_backtest_rivals import RIVALS
from mia_actors.cli.bench_command import bench_app, machine, ratio, tell
from mia_actors.cli.config import SystemConfig, load_config
from mia_actors.cli.kernels import compile_kernels
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.market import Bar
from mia_actors.exchange.tape import Tape, TapeSelection, contracts_of, load_tape

RIVAL_BARS = 17_000
"""About one quarterly contract of five-minute bars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ours:
    """Every contract of a tape, one after the other, in one process on one core."""

    bars: int
    seconds: float
    load_seconds: float
    trades: int
    ledgers_sha256: str

    def document(self) -> dict[str, Any]:
        """As figures."""
        whole = self.seconds + self.load_seconds
        return {
            "bars": self.bars,
            "seconds": round(whole, 3),
            "of which reading the file": round(self.load_seconds, 3),
            "bars_per_s": round(self.bars / whole, 1),
            "trades": self.trades,
            "ledgers_sha256": self.ledgers_sha256,
        }


@bench_app.command("backtest")
def bench_backtest(
    tape: Annotated[str, typer.Option("--tape", help="Parquet or CSV file of bars, all its contracts.")],
    rival_bars: Annotated[
        int, typer.Option("--rival-bars", min=1_000, help="Bars the rivals run over; ours once more too.")
    ] = RIVAL_BARS,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Bars per second of a backtest with features, strategies, ensemble, guardian, orders and ledger.

    Example: mia bench backtest --tape bars.parquet --json
    """

    def command() -> int:
        compile_kernels()
        document, clock = load_config(config), SystemClock()
        folder = config.absolute().parent
        ours = _whole_tape(document, folder, tape, clock)
        found = _document(ours, _beside_rivals(document, folder, tape, rival_bars, clock))
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "rivals", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)


def _whole_tape(document: SystemConfig, folder: Path, tape: str, clock: Clock) -> _Ours:
    names, voter = contracts_of(tape), voter_of(document, folder)
    ledgers = hashlib.sha256()
    bars = trades = 0
    load_s = run_s = 0.0
    with Progress(
        TextColumn("contracts"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=messages,
        transient=True,
    ) as progress:
        for name in progress.track(names):
            began_s = clock.monotonic_s()
            loaded = load_tape(TapeSelection(source=tape, contract=name))
            loaded_s = clock.monotonic_s()
            found = run_backtest(document, folder, loaded, voter, show=False)
            load_s += loaded_s - began_s
            run_s += clock.monotonic_s() - loaded_s
            bars += found.bars
            trades += len(found.trades)
            ledgers.update(found.ledger.sha256.encode())
    return _Ours(
        bars=bars,
        seconds=run_s,
        load_seconds=load_s,
        trades=trades,
        ledgers_sha256=ledgers.hexdigest(),
    )


def _beside_rivals(
    document: SystemConfig, folder: Path, tape: str, bars: int, clock: Clock
) -> dict[str, dict[str, Any]]:
    """Everyone over the same bars in memory, one after the other; who is not installed says so."""
    voter = voter_of(document, folder)
    names = contracts_of(tape)
    loaded = load_tape(TapeSelection(source=tape, contract=names[len(names) // 2]))
    part = Tape(
        source_name=loaded.source_name,
        contract=loaded.contract,
        base_timeframe=loaded.base_timeframe,
        history=loaded.history,
        bars=loaded.bars[:bars],
    )
    began_s = clock.monotonic_s()
    found = run_backtest(document, folder, part, voter, show=False)
    figures = {"ours": _speed(part.bars, clock.monotonic_s() - began_s, len(found.trades))}
    for name, run in RIVALS.items():
        if importlib.util.find_spec(name) is None:
            figures[name] = {"missing": f"not installed: pip install {name}"}
            continue
        began_s = clock.monotonic_s()
        trades = run(part.bars)
        figures[name] = _speed(part.bars, clock.monotonic_s() - began_s, trades)
    return figures


def _speed(bars: Sequence[Bar], seconds: float, trades: int) -> dict[str, Any]:
    return {
        "bars": len(bars),
        "seconds": round(seconds, 3),
        "bars_per_s": round(len(bars) / seconds, 1),
        "trades": trades,
    }


def _document(ours: _Ours, beside: dict[str, dict[str, Any]]) -> dict[str, Any]:
    same = beside.pop("ours")
    return {
        "ours": {"all contracts": ours.document(), "the rivals' bars": same},
        "rivals": beside,
        "ratio": {
            f"ours by {name}, bars per second": ratio(same["bars_per_s"], figures["bars_per_s"])
            for name, figures in beside.items()
            if "bars_per_s" in figures
        },
        "machine": machine(),
    }
