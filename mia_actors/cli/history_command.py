"""`mia history download`: bars of one future from TWS or IB Gateway, paced and resumable, into a tape."""

import re
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from mia_actors.broker.history_download import DownloadLimits, HistoryDownload, Report, description_of
from mia_actors.broker.history_plan import LONGEST, HistoryRange
from mia_actors.broker.history_source import IbHistorySource
from mia_actors.broker.session import SessionLimits
from mia_actors.cli.app import ExitCode, JsonOption, app, guarded, messages, print_json, results
from mia_actors.cli.history_view import HistoryView
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Timeframe
from mia_actors.core.session import BrokerMode, Connection
from mia_actors.core.units import MONTH_CODES, Contract, product
from mia_actors.exchange.contract_names import contract_of, contract_of_month
from mia_actors.store.tape_parts import TapeParts, folder_of, tape_name
from mia_actors.telemetry.logs import configure_logging

history_app = typer.Typer(help="Bars of the past from a broker.", no_args_is_help=True)
app.add_typer(history_app, name="history")
_LOCAL_SYMBOL = re.compile(rf"(?P<symbol>[A-Z]{{2,3}})(?P<code>[{MONTH_CODES}])(?P<digit>\d)")


@history_app.callback()
def history() -> None:
    """Bars of the past from a broker."""


@history_app.command("download")
def download(
    contract: Annotated[
        str,
        typer.Option("--contract", help="ESZ5, ESZ25, or a month of ES such as 202512; may have expired."),
    ],
    first: Annotated[str, typer.Option("--from", help="First CME trade date, YYYY-MM-DD.")],
    last: Annotated[str, typer.Option("--to", help="Last CME trade date, included; it must be over.")],
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write; parts are kept beside it.")],
    bar: Annotated[
        str, typer.Option("--bar", help="5s, 1m or 5m; sessions and backtests trade 1m and 5m.")
    ] = Timeframe.M1.value,
    host: Annotated[str, typer.Option("--host", help="Where TWS or IB Gateway runs.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Its API port.")] = 4002,
    client_id: Annotated[
        int,
        typer.Option(
            "--client-id", min=1, help="Not one of supervision.yaml's: a session may run meanwhile."
        ),
    ] = 15,
    timeout_s: Annotated[
        float,
        typer.Option("--timeout", min=0.5, max=120, help="Seconds for a request; four times that for bars."),
    ] = 15.0,
    reconnect_within_s: Annotated[
        float, typer.Option("--reconnect-within", min=0, help="Seconds to wait for a broker that went away.")
    ] = 900.0,
    as_json: JsonOption = False,
) -> None:
    """Download bars of one future from TWS or IB Gateway into a tape, within IB's pacing rules.

    Ctrl-C at any time: the same command goes on where it ended, and makes the same file.

    Example: mia history download --contract ESZ5 --from 2025-10-01 --to 2025-10-31 --out es.parquet
    """

    def command() -> int:
        wanted = HistoryRange(
            first_day=_day("--from", first), last_day=_day("--to", last), timeframe=_bar_length(bar)
        )
        chosen = contract_named(contract, wanted.first_day)
        name = tape_name(chosen.symbol, chosen.month)
        clock = SystemClock()
        source = IbHistorySource(
            Connection(host=host, port=port, client_id=client_id, mode=BrokerMode.PAPER, reads_only=True),
            product(chosen.symbol),
            month=chosen.month,
            limits=SessionLimits(
                connect_timeout_s=timeout_s, request_timeout_s=timeout_s, ack_timeout_s=timeout_s
            ),
            clock=clock,
        )
        with (
            TapeParts.held(out, description_of(wanted, name)) as parts,
            HistoryView(messages, clock, name) as view,
        ):
            configure_logging(directory=parts.folder, process="download")
            try:
                report = HistoryDownload(
                    wanted,
                    symbol=chosen.symbol,
                    name=name,
                    parts=parts,
                    source=source,
                    clock=clock,
                    limits=DownloadLimits(reconnect_within_s=reconnect_within_s),
                    on_progress=view.show,
                ).run()
            except KeyboardInterrupt:
                view.tell(f"interrupted; finished parts are in {folder_of(out)}: the same command goes on")
                raise
        document = _document(report, out)
        if as_json:
            print_json(document)
        else:
            _tell(document)
        return ExitCode.DONE

    guarded(command)


def contract_named(text: str, first_day: date) -> Contract:
    """The contract meant; a year of one digit, as IB writes it, is the first such year from `first_day` on.

    Raises:
        ConfigError: not such a name, or not a product this system knows.
    """
    found = _LOCAL_SYMBOL.fullmatch(text)
    if found is None:
        return contract_of(text)
    year = first_day.year + (int(found["digit"]) - first_day.year) % 10
    month = MONTH_CODES.index(found["code"]) + 1
    contract_of(f"{found['symbol']}{found['code']}{year % 100:02}")  # refuses what is no product
    return contract_of_month(found["symbol"], year, month)


def _day(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a date; write YYYY-MM-DD, such as 2025-10-08") from None


def _bar_length(text: str) -> Timeframe:
    for timeframe in LONGEST:
        if timeframe.value == text:
            return timeframe
    allowed = ", ".join(timeframe.value for timeframe in LONGEST)
    raise ConfigError(f"--bar {text!r}: allowed: {allowed}")


def _document(report: Report, out: Path) -> dict[str, Any]:
    figures = {key: value for key, value in asdict(report).items() if key != "description"}
    about = {key: report.description[key] for key in ("contract", "con_id", "bar", "from", "to")}
    return {"file": str(out), **about, "rows": report.bars, **figures}


def _tell(document: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    for key, value in document.items():
        shown = ", ".join(value) or "none" if isinstance(value, tuple) else str(value)
        table.add_row(key.replace("_", " "), shown)
    results.print(table)
