"""The command line's frame: options everybody has, and how errors become exit codes."""

import json
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from mia_actors.core.errors import ConfigError, MiaError

app = typer.Typer(
    name="mia",
    help="Supervised Ray actors that trade ES futures through Interactive Brokers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WIDTH_ELSEWHERE = 200
"""Columns where there is no terminal to ask: tables are not cut for a pipe."""

messages = Console(stderr=True, soft_wrap=True)
"""Everything that is not the result."""
results = Console(soft_wrap=True, width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE)


class ExitCode(IntEnum):
    """What scripts rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HALTED = 3
    INTERRUPTED = 130


ConfigOption = Annotated[Path, typer.Option("--config", help="The tree and all settings.", show_default=True)]
StateOption = Annotated[
    Path | None, typer.Option("--state", help="State directory; default: the one supervision.yaml names.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print exactly one JSON document on stdout, all else on stderr.")
]
TapeOption = Annotated[
    str | None, typer.Option("--tape", help="Parquet or CSV file of bars, or synthetic[:SEED].")
]
DateOption = Annotated[str | None, typer.Option("--date", help="CME trade date, YYYY-MM-DD.")]
FromOption = Annotated[str | None, typer.Option("--from", help="First bar start, UTC, 2013-10-08T13:30.")]
ToOption = Annotated[str | None, typer.Option("--to", help="End of the last bar, UTC.")]
ContractOption = Annotated[
    str | None, typer.Option("--contract", help="Expiry month YYYYMM; default: most volume.")
]

DEFAULT_CONFIG = Path("supervision.yaml")


def print_json(document: object) -> None:
    """Prints the one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def guarded(command: Callable[[], int]) -> NoReturn:
    """Runs a command and ends with its code; an error of ours becomes one message and the documented code.

    Raises:
        typer.Exit: always; it carries the code.
    """
    raise typer.Exit(int(_code_of(command)))


def _code_of(command: Callable[[], int]) -> int:
    try:
        return command()
    except ConfigError as error:
        messages.print(f"mia: {error}", style="red", markup=False, highlight=False)
        return ExitCode.USAGE
    except MiaError as error:
        messages.print(f"mia: {type(error).__name__}: {error}", style="red", markup=False, highlight=False)
        return ExitCode.FAILED
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        messages.print(f"mia: {error.strerror or error}{where}", style="red", markup=False, highlight=False)
        return ExitCode.FAILED
