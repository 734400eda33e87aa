"""What drills showed, in the state directory: the newest last, on disk before it is told."""

import json
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from mia_actors.core.clock import NS_PER_S, iso_utc

DRILLS_FILE = "drills.json"
KEPT = 100


class DrillCase(BaseModel):
    """One case of a drill."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case: str
    ok: bool
    """Flat by the broker's own books, no order left, latched, in time; the stop had rested until the halt."""
    halted_after_s: float | None
    """From the fault to the latch."""
    time_to_flat_s: float | None
    """From the fault, or from when gateway or market were back, to flat confirmed; None when it never was."""
    allowed_s: float
    outcome: str


class Drill(BaseModel):
    """One `mia drill`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at_ns: int
    ok: bool
    cases: tuple[DrillCase, ...]


class Drills(BaseModel):
    """The file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drills: tuple[Drill, ...] = ()


def read_drills(state_dir: Path) -> tuple[Drill, ...]:
    """All that are kept, oldest first; a file that cannot be read is none: what is not proven was not shown."""
    try:
        return Drills.model_validate_json((state_dir / DRILLS_FILE).read_bytes()).drills
    except (OSError, ValidationError):
        return ()


def record(state_dir: Path, drill: Drill) -> None:
    """Adds a drill, with fsync, all or nothing."""
    kept = Drills(drills=(*read_drills(state_dir), drill)[-KEPT:])
    path = state_dir / DRILLS_FILE
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as handle:
        handle.write(json.dumps(kept.model_dump(mode="json"), indent=1) + "\n")
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
    descriptor = os.open(state_dir, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_drill(state_dir: Path, now_ns: int) -> dict[str, object] | None:
    """Age and result of the last drill, as `mia status` shows them; None when there never was one."""
    drills = read_drills(state_dir)
    if not drills:
        return None
    last = drills[-1]
    return {
        "at": iso_utc(last.at_ns),
        "age_days": round((now_ns - last.at_ns) / NS_PER_S / 86_400, 2),
        "ok": last.ok,
        "time_to_flat_s": {case.case: case.time_to_flat_s for case in last.cases},
    }
