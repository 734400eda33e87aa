"""`mia gateway`: the simulated TWS gateway alone, for any TWS API client."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mia_actors.cli.app import (
    ContractOption,
    DateOption,
    ExitCode,
    FromOption,
    ToOption,
    app,
    guarded,
)
from mia_actors.cli.tapes import tape_choice

GATEWAY_MODULE = "mia_actors.exchange.gateway"


@app.command("gateway")
def gateway(
    tape: Annotated[
        str, typer.Option("--tape", help="Parquet or CSV file of bars, or synthetic[:SEED].")
    ] = "synthetic",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="TWS port; 0 takes a free one.")
    ] = 4002,
    control_port: Annotated[
        int, typer.Option("--control-port", min=0, max=65535, help="Control port; 0 takes a free one.")
    ] = 0,
    pace: Annotated[
        str, typer.Option("--pace", help="lockstep, or a multiple of real time: 1x, 60x.")
    ] = "1x",
    day: DateOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    history_days: Annotated[
        int, typer.Option("--history-days", min=0, max=60, help="Warm-up days kept.")
    ] = 10,
    journal: Annotated[
        Path | None,
        typer.Option("--journal", help="File of all that happens; one that exists is gone on from."),
    ] = None,
) -> None:
    """Serve a tape in the TWS wire protocol on loopback until Ctrl-C.

    Example: mia gateway --tape synthetic:3 --port 7497 --pace 60x
    """

    def command() -> int:
        choice = tape_choice(
            source=tape,
            day=day,
            start=start,
            end=end,
            contract=contract,
            history_days=history_days,
            cycles=None,
        )
        arguments = [
            *choice.gateway_arguments(),
            *("--port", str(port), "--control-port", str(control_port), "--pace", pace),
            *([] if pace == "lockstep" else ["--autostart"]),
            *([] if journal is None else ["--journal", str(journal)]),
            "--detach",
        ]
        process = subprocess.Popen([sys.executable, "-m", GATEWAY_MODULE, *arguments])  # noqa: S603 - our own module
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            return ExitCode.DONE

    guarded(command)
