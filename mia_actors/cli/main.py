"""Entry point of `mia`: loads the commands, each of which registers itself.

Whoever must work when Ray is broken is loaded alone: nothing of Ray comes into its process.
"""

import sys
from importlib import import_module

from mia_actors.cli.app import ExitCode, app
from mia_actors.telemetry.logs import configure_logging

ALL = (
    "run_command",
    "look_commands",
    "guardian_commands",
    "deadman_command",
    "detach_commands",
    "drill_command",
    "backtest_command",
    "train_command",
    "tree_commands",
    "trace_commands",
    "bench_command",
    "bench_backtest",
    "bench_cycle",
    "bench_halt",
    "bench_idle",
    "bench_inference",
    "bench_machine",
    "bench_mttr",
    "bench_throughput",
    "chaos_command",
    "check_command",
    "doctor_command",
    "evidence_command",
    "explain_command",
    "gateway_command",
    "history_command",
    "models_command",
)
WITHOUT_RAY = {
    "deadman": ("deadman_command", "guardian_commands"),
    "history": ("history_command",),
    "drill": ("drill_command", "guardian_commands"),
    "halt": ("guardian_commands",),
    "flatten": ("guardian_commands",),
    "resume": ("guardian_commands",),
    "ack": ("guardian_commands",),
}

for _module in WITHOUT_RAY.get("".join(sys.argv[1:2]), ALL):
    import_module(f"mia_actors.cli.{_module}")


def main() -> None:
    """Runs the command line; wrong usage is exit code 2, an interrupt 130.

    What a command logs goes to stderr until it chooses a file: stdout is for results.
    """
    configure_logging(directory=None, process="mia")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
