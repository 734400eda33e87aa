"""Entry point of `mia`: imports the commands, so that each registers itself."""

import sys

from mia_actors.cli import (
    backtest_command,
    bench_command,
    bench_cycle,
    bench_halt,
    bench_idle,
    bench_machine,
    bench_mttr,
    chaos_command,
    check_command,
    gateway_command,
    guardian_commands,
    look_commands,
    run_command,
    trace_commands,
    train_command,
    tree_commands,
)
from mia_actors.cli.app import ExitCode, app
from mia_actors.telemetry.logs import configure_logging

COMMANDS = (
    run_command,
    look_commands,
    guardian_commands,
    backtest_command,
    train_command,
    tree_commands,
    trace_commands,
    bench_command,
    bench_cycle,
    bench_halt,
    bench_idle,
    bench_machine,
    bench_mttr,
    chaos_command,
    check_command,
    gateway_command,
)


def main() -> None:
    """Runs the command line; wrong usage is exit code 2, an interrupt 130.

    What a command logs goes to stderr until it chooses a file: stdout is for results.
    """
    configure_logging(directory=None, process="mia")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
