"""A process that outlives the driver by a moment: ends the driver's Ray if the driver could not.

Run as a script by `RayRuntime.start_local`, which writes to its stdin: one JSON list of processes a line,
each replacing the one before, and `done` when there is nothing left to end. The end of stdin without `done`
means that the driver was killed. Two of Ray's agents would otherwise live on for more than a minute.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import IO

from mia_actors.core.clock import SystemClock
from mia_actors.supervision.processes import ProcessId, descendants, kill_all, marked

DONE = "done"
END_WITHIN_S = 10.0
ROUNDS = 3
"""A process may be starting another one while it is being looked at."""


def reap(source: IO[str], mark: str, directory: Path) -> int:
    """Waits for the driver, then ends what it left: recorded processes, their children, and the marked ones.

    Returns:
        How many processes were found alive.
    """
    recorded: list[ProcessId] = []
    for line in source:
        if line.strip() == DONE:
            return 0
        recorded = [ProcessId(**entry) for entry in json.loads(line)]
    ended: set[ProcessId] = set()
    for _ in range(ROUNDS):
        family = {below for process in recorded for below in (process, *descendants(process))}
        found = {process for process in family | set(marked(mark, str(directory))) if process.alive()}
        if not found:
            break
        kill_all(found, timeout_s=END_WITHIN_S, clock=SystemClock())
        ended |= found
    shutil.rmtree(directory, ignore_errors=True)
    return len(ended)


if __name__ == "__main__":
    reap(sys.stdin, sys.argv[1], Path(sys.argv[2]))
