"""`mia evidence`: what the signals earned on a tape after costs, year by year, and whether chance explains it."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    app,
    guarded,
    messages,
    print_json,
    results,
)
from mia_actors.cli.config import child_settings, load_config
from mia_actors.cli.kernels import compile_kernels
from mia_actors.core.errors import ConfigError
from mia_actors.core.units import product
from mia_actors.cycle.outcomes import LabelCosts
from mia_actors.cycle.settings import CycleSettings
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.exchange.tape import TapeSelection, contracts_of, load_tape

DRAWS = 300
SEED = 8


@app.command("evidence")
def evidence(
    tape: Annotated[str, typer.Option("--tape", help="Parquet or CSV file of bars, all its contracts.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for table, figures and pictures.")],
    first_year: Annotated[
        int, typer.Option("--first-year", help="First year tested; the past before it.")
    ] = 2016,
    last_year: Annotated[int, typer.Option("--last-year", help="Last year tested.")] = 2021,
    draws: Annotated[
        int, typer.Option("--draws", min=50, max=10_000, help="Draws of random entries.")
    ] = DRAWS,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Walk the variants of the strategies forward year by year, beside random entries and holding one contract.

    Each variant chooses from the past alone. Nothing is changed by it: neither settings nor models.

    Example: mia evidence --tape bars.parquet --out evidence
    """

    def command() -> int:
        if first_year > last_year:
            raise ConfigError(f"--first-year {first_year} is after --last-year {last_year}")
        compile_kernels()
        from mia_actors.evidence import comparison, document  # noqa: PLC0415 - pandas and scipy, only here
        from mia_actors.evidence.collected import collect  # noqa: PLC0415 - as above
        from mia_actors.evidence.variants import variants  # noqa: PLC0415 - as above

        loaded = load_config(config)
        settings = child_settings(loaded, "cycle", CycleSettings)
        training = TrainingSettings()
        names = contracts_of(tape)
        loads = [
            partial(load_tape, TapeSelection(source=tape, contract=name, history_days=0)) for name in names
        ]
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=messages,
            transient=True,
        ) as progress:
            reading = progress.add_task("contracts", total=len(loads))
            collected = collect(
                loads,
                settings=settings,
                product=product(loaded.session.instrument),
                costs=LabelCosts(),
                on_tape=lambda: progress.advance(reading),
            )
            walking = progress.add_task("variants", total=len(variants(settings, training)))
            found = comparison.compare(
                collected,
                settings=settings,
                training=training,
                years=range(first_year, last_year + 1),
                draws=draws,
                seed=SEED,
                on_variant=lambda: progress.advance(walking),
            )
        out.mkdir(parents=True, exist_ok=True)
        name = Path(tape).name
        figures = document.document(found, name)
        (out / document.JSON_FILE).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
        (out / document.TABLE_FILE).write_text(document.table(found, name), encoding="utf-8")
        document.draw(found, out)
        if as_json:
            print_json(figures)
        else:
            results.print(f"{out / document.TABLE_FILE}, pictures beside it", highlight=False)
        return ExitCode.DONE

    guarded(command)
