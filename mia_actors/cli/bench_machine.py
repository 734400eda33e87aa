"""`mia bench machine`: events per second of the pure state machine of supervision, by the number of children."""

from dataclasses import asdict

from mia_actors.cli.app import ExitCode, JsonOption, guarded, print_json
from mia_actors.cli.bench_command import bench_app, machine, ratio, tell
from mia_actors.core.clock import SystemClock
from mia_actors.supervision.machine_bench import measure_machine


@bench_app.command("machine")
def bench_machine(as_json: JsonOption = False) -> None:
    """Events per second with 10, 1,000 and 10,000 children, beside the figure with the fewest.

    Example: mia bench machine --json
    """

    def command() -> int:
        speeds = measure_machine(SystemClock())
        fewest = speeds[0]
        found = {
            "ours": {f"{one.children} children": asdict(one) for one in speeds},
            "rivals": {},
            "ratio": {
                f"cost of a restart event, {one.children} children by {fewest.children}": ratio(
                    fewest.restarts_per_s, one.restarts_per_s
                )
                for one in speeds[1:]
            },
            "machine": machine(),
        }
        if as_json:
            print_json(found)
        else:
            tell(found, ("ours", "ratio", "machine"))
        return ExitCode.DONE

    guarded(command)
