"""`mia train`: signals of a tape, labelled, into the three models."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

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
from mia_actors.core.clock import time_ns_of
from mia_actors.core.units import product
from mia_actors.cycle.dataset import Sample, samples_of
from mia_actors.cycle.outcomes import LabelCosts
from mia_actors.cycle.settings import CycleSettings
from mia_actors.cycle.training_data import training_set
from mia_actors.ensemble.export import train_and_export
from mia_actors.ensemble.training import TrainingSettings
from mia_actors.ensemble.training_set import TrainingSet
from mia_actors.exchange.tape import TapeSelection, contracts_of, load_tape


def samples_of_tape(source: str, settings: CycleSettings, symbol: str, *, show: bool) -> TrainingSet:
    """Samples of every contract of a tape, each contract on its own, in order of time.

    Raises:
        ConfigError: the tape is not usable.
        PermanentError: no sample came of it.
    """
    found: list[Sample] = []
    base = settings.entry_timeframe
    for name in track(contracts_of(source), "contracts", console=messages, transient=True, disable=not show):
        tape = load_tape(TapeSelection(source=source, contract=name, history_days=0))
        base = tape.base_timeframe
        found += samples_of(tape.bars, settings=settings, product=product(symbol), costs=LabelCosts())
    return training_set(
        found, source=Path(source).name, instrument=symbol, base=base, entry=settings.entry_timeframe
    )


@app.command("train")
def train(
    tape: Annotated[str, typer.Option("--tape", help="Parquet or CSV file of bars.")],
    out: Annotated[Path, typer.Option("--out", help="Directory of model versions.")] = Path("models"),
    holdout_from: Annotated[
        datetime | None,
        typer.Option(
            "--holdout-from",
            formats=["%Y-%m-%d"],
            help="First day, UTC, of the samples never fitted on; the last fifth when not given.",
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Train the three models, validate them walk-forward, store them as ONNX with manifest and model card.

    Example: mia train --tape bars.parquet --out models
    """

    def command() -> int:
        document = load_config(config)
        samples = samples_of_tape(
            tape,
            child_settings(document, "cycle", CycleSettings),
            document.session.instrument,
            show=messages.is_terminal,
        )
        holdout_from_ns = time_ns_of(holdout_from.replace(tzinfo=UTC)) if holdout_from else None
        manifest = train_and_export(samples, out, TrainingSettings(holdout_from_ns=holdout_from_ns))
        if as_json:
            print_json(manifest.model_dump(mode="json"))
        else:
            card = out / manifest.version / "MODEL_CARD.md"
            results.print(f"{manifest.version}: {samples.count} samples; see {card}", highlight=False)
        return ExitCode.DONE

    guarded(command)
