"""`mia run`."""

import re
import signal
from pathlib import Path
from typing import Annotated

import typer

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
from mia_actors.cli.config import history_days, load_config
from mia_actors.cli.kernels import compile_kernels
from mia_actors.cli.live import LiveView
from mia_actors.cli.preflight import preflight
from mia_actors.cli.session_run import Ending, RunRequest, SessionResult, SessionRun, TradingHalted
from mia_actors.cli.state import locked, open_state
from mia_actors.cli.tapes import tape_choice
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.core.ids import RandomIds
from mia_actors.core.session import BrokerMode
from mia_actors.exchange.gateway.faults import load_script
from mia_actors.telemetry.logs import configure_logging

PACE = re.compile(r"^(lockstep|[1-9][0-9]{0,3}x)$")
ENDING_CODES = {
    Ending.TAPE: ExitCode.DONE,
    Ending.HALTED: ExitCode.HALTED,
    Ending.INTERRUPTED: ExitCode.INTERRUPTED,
    Ending.FAILED: ExitCode.FAILED,
}


@app.command("run")
def run(
    broker: Annotated[
        BrokerMode, typer.Option(help="What stands behind the broker connection.")
    ] = BrokerMode.SIM,
    tape: TapeOption = None,
    day: DateOption = None,
    start: FromOption = None,
    end: ToOption = None,
    contract: ContractOption = None,
    pace: Annotated[
        str | None, typer.Option("--pace", help="lockstep, or a multiple of real time: 1x, 60x.")
    ] = None,
    cycles: Annotated[int | None, typer.Option("--cycles", help="End after so many base bars.")] = None,
    address: Annotated[
        str, typer.Option("--address", help="local starts Ray; auto or HOST:PORT joins a running one.")
    ] = "local",
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    live_account: Annotated[
        str | None,
        typer.Option(
            "--live-account", help="Second switch of --broker live: the account in the file, again."
        ),
    ] = None,
    fault_script: Annotated[
        Path | None,
        typer.Option(
            "--fault-script", help="Faults of the simulated gateway and their moments, see docs/faults.md."
        ),
    ] = None,
    as_json: JsonOption = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log more.")] = False,
) -> None:
    """Trade a session: gateway, Ray, actors; ends with the tape, --cycles or Ctrl-C.

    Example: mia run --tape bars.parquet --date 2013-10-08 --pace lockstep --json
    """

    def command() -> int:
        document = load_config(config)
        if pace is not None and not PACE.match(pace):
            raise ConfigError(f"--pace {pace!r}: allowed: lockstep, or a multiple of real time such as 60x")
        if broker is not BrokerMode.SIM and (tape or day or start or end or cycles or fault_script):
            raise ConfigError(
                f"--broker {broker.value} trades the market as it comes; tape options and faults go with sim"
            )
        if fault_script is not None:
            load_script(fault_script)
        choice = tape_choice(
            source=tape or document.session.tape,
            day=day,
            start=start,
            end=end,
            contract=contract,
            history_days=history_days(document),
            cycles=cycles,
        )
        directory = open_state(state or document.session.state)
        configure_logging(directory=directory.path / "logs", process="run", verbose=verbose)
        clock = SystemClock()
        compile_kernels()
        looked = preflight(
            document,
            broker,
            live_account=live_account,
            state_dir=directory.path,
            own_ray=address == "local",
            clock=clock,
            month=contract,
        )
        request = RunRequest(
            config=document,
            config_dir=config.absolute().parent,
            mode=broker,
            gateway_arguments=(
                *choice.gateway_arguments(),
                *(() if fault_script is None else ("--fault-script", str(fault_script.absolute()))),
            ),
            contract_month=looked.contract_month,
            pace=pace or document.session.pace,
            address=address,
            live_account=live_account,
        )
        for one in looked.findings:
            text = f"{one.name}: {one.found}; {one.remedy}"
            messages.print(text, style="yellow", markup=False, highlight=False)
        with locked(directory), LiveView(messages, clock, quiet=as_json) as view:
            session = SessionRun(request, state=directory, viewer=view, clock=clock, ids=RandomIds())
            _on_interrupt(session)
            try:
                result = session.run()
            except TradingHalted as halted:
                messages.print(f"mia: {halted}", style="red", markup=False, highlight=False)
                return ExitCode.HALTED
        _tell(result, as_json=as_json)
        return ENDING_CODES[result.ending]

    guarded(command)


def _on_interrupt(session: SessionRun) -> None:
    """First Ctrl-C drains; a second one ends at once (what it leaves, the next start cleans up)."""

    def first(_signal: int, _frame: object) -> None:
        session.interrupt()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        messages.print("interrupted: closing the position and stopping; Ctrl-C again to stop at once")

    signal.signal(signal.SIGINT, first)
    signal.signal(signal.SIGTERM, first)


def _tell(result: SessionResult, *, as_json: bool) -> None:
    if result.summary is None:
        messages.print(
            f"mia: the session failed: {result.detail}", style="red", markup=False, highlight=False
        )
        return
    if result.ending is Ending.HALTED:
        messages.print(f"halted by the guardian: {result.detail}", style="red", markup=False, highlight=False)
    if as_json:
        print_json(result.summary.document())
        return
    results.print(result.summary.view())
    if result.report is not None:
        results.print(result.report.text, markup=False, highlight=False)
