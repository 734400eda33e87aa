"""What a driver that was killed left behind, found by what it wrote down and ended."""

import json
import shutil
from pathlib import Path
from typing import Any

from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.errors import PermanentError
from mia_actors.supervision.processes import ProcessId, boot_id, descendants, kill_all, marked
from mia_actors.supervision.snapshot import TREE_FILE, read_tree
from mia_actors.telemetry.logs import get_logger

RECORD_FILE = "ray.json"
TOKEN_FILE = "ray.token"  # noqa: S105 - a file name
TEMP_PREFIX = "mia-ray-"
MARK = "MIA_RAY_DIRECTORY"
"""Variable that every process of a Ray of ours is started with; its value, a random name, is used once."""
END_WITHIN_S = 10.0
TREE_PLACES = (TREE_FILE, f"*/{TREE_FILE}", f"*/*/{TREE_FILE}")
"""Where below a state directory sessions keep their trees."""


def clean_leftovers(directory: Path, *, clock: Clock | None = None) -> int:
    """Ends what a driver that was killed left running: its Ray, its hosts, its files.

    Touches only processes recorded in `directory` or below whose start time is the recorded one, and those
    that carry the recorded mark. The caller makes sure that no session runs with this directory.

    Returns:
        How many processes had to be ended.

    Raises:
        PermanentError: one of them does not end.
    """
    clock = clock or SystemClock()
    record_path = directory / RECORD_FILE
    record = _read_record(record_path)
    this_boot = boot_id()
    recorded: list[ProcessId] = []
    if record.get("boot_id") == this_boot:
        recorded += [ProcessId(**entry) for entry in record.get("processes", [])]
    for place in TREE_PLACES:
        for path in directory.glob(place):
            tree = read_tree(path.parent)
            if tree is not None and tree.boot_id == this_boot:
                recorded += [view.process for view in tree.own_processes]
    temp_dir = Path(record.get("temp_dir", ""))
    if temp_dir.name:
        recorded += marked(MARK, str(temp_dir))
    living = [process for process in dict.fromkeys(recorded) if process.alive()]
    family = dict.fromkeys([*living, *(below for process in living for below in descendants(process))])
    left = kill_all(family, timeout_s=END_WITHIN_S, clock=clock)
    if left:
        raise PermanentError(f"processes of an earlier session do not end: {[one.pid for one in left]}")
    if temp_dir.name.startswith(TEMP_PREFIX):
        shutil.rmtree(temp_dir, ignore_errors=True)
    record_path.unlink(missing_ok=True)
    (directory / TOKEN_FILE).unlink(missing_ok=True)
    if family:
        get_logger(actor="run").warning("leftovers.ended", processes=len(family))
    return len(family)


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
