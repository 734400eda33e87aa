"""`mia bench`: what its commands share."""

import os
import platform
from collections.abc import Sequence
from typing import Any

import psutil
import ray
import typer
from rich.table import Table

from mia_actors.cli.app import app, results

bench_app = typer.Typer(
    help="Figures of ours beside their rivals, measured in the same run.", no_args_is_help=True
)
app.add_typer(bench_app, name="bench")


@bench_app.callback()
def bench() -> None:
    """Figures of ours beside their rivals, measured in the same run."""


def machine() -> dict[str, Any]:
    """Where the figures were measured, and how busy it is now."""
    return {
        "cores": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "ray": ray.__version__,
    }


def ratio(ours: float, rival: float) -> float | None:
    """Ours by the rival's: below one, ours is the smaller. None where the rival has no figure."""
    return round(ours / rival, 3) if rival else None


def tell(found: dict[str, Any], sections: Sequence[str]) -> None:
    """The document for a person."""
    table = Table.grid(padding=(0, 2))
    for section in sections:
        for name, value in found[section].items():
            table.add_row(section, name, str(value))
    results.print(table)
