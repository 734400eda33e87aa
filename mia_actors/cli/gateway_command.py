"""`mia gateway`: the simulated TWS gateway alone, for any TWS API client."""

import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
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
from mia_actors.exchange.gateway.fault_hands import EXIT_RESTART
from mia_actors.exchange.gateway.faults import load_script
from mia_actors.exchange.gateway.process import Listening

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
    expiries_after: Annotated[
        int,
        typer.Option(
            "--expiries-after", min=0, max=4, help="Expiries listed beside that of the tape, after it."
        ),
    ] = 0,
    fill_share: Annotated[
        float | None,
        typer.Option(
            "--fill-share", help="An order gets at most this share of a bar's volume: partial fills."
        ),
    ] = None,
    fault_script: Annotated[
        Path | None,
        typer.Option("--fault-script", help="YAML file of faults and their moments, see docs/faults.md."),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse orders and order lists, as TWS with Read-Only API.")
    ] = False,
    no_market_data: Annotated[
        bool,
        typer.Option("--no-market-data", help="Refuse market data, as an account without subscriptions."),
    ] = False,
    pacing: Annotated[
        bool, typer.Option("--pacing", help="Hold clients to TWS's limits to the pace of requests.")
    ] = False,
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
            *("--pace", pace),
            *([] if pace == "lockstep" else ["--autostart"]),
            *("--expiries-after", str(expiries_after)),
            *([] if fill_share is None else ["--fill-share", str(fill_share)]),
            *(["--read-only"] if read_only else []),
            *(["--no-market-data"] if no_market_data else []),
            *(["--pacing"] if pacing else []),
            "--detach",
        ]
        if fault_script is None:
            ports = ("--port", str(port), "--control-port", str(control_port))
            return _serve([*arguments, *ports, *([] if journal is None else ["--journal", str(journal)])])
        load_script(fault_script)  # what is wrong with it is said before anything is started
        with TemporaryDirectory(prefix="mia-gateway-") as folder:
            kept = journal or Path(folder) / "gateway.journal"
            arguments += ["--fault-script", str(fault_script), "--journal", str(kept)]
            return _serve_again_and_again(arguments, Listening.open(port, control_port))

    guarded(command)


def _serve(arguments: list[str], handles: tuple[int, ...] = ()) -> int:
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", GATEWAY_MODULE, *arguments], pass_fds=handles
    )
    # The gateway is told to outlive its standard input, so whoever ends this command by a signal ends it too.
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        return ExitCode.DONE


def _serve_again_and_again(arguments: list[str], listening: Listening) -> int:
    """One gateway, and the next one on the same ports each time its fault script ends it."""
    handles = (listening.tws.fileno(), listening.control.fileno())
    try:
        while True:
            code = _serve([*arguments, "--listening", ",".join(map(str, handles))], handles)
            if code != EXIT_RESTART:
                return code
    finally:
        listening.close()
