"""A program that sets latches and dies of it: one directory for each point of death, each death a real SIGKILL.

`dying_writer.py DIRECTORY STRIDE`: life n opens the store in `DIRECTORY/n`, lowers it to halted and announces
that with a file. Life n is killed STRIDE instructions of SQLite's virtual machine later than the one before; the
first that gets as far as announcing is killed after that, without closing anything, and ends the program.
"""

import itertools
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import GUARDIAN_FILE, Latch
from mia_actors.store import sqlite

ANNOUNCED = "announced"
LIVES_MAX = 2000


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit("survived SIGKILL")


def _live(directory: Path, *, instruction: int) -> NoReturn:
    class DyingConnection(sqlite.JournalConnection):
        """Kills its process at the given instruction."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._steps = itertools.count(1)
            self.set_progress_handler(self._step, 1)

        def _step(self) -> int:
            if next(self._steps) >= instruction:
                _die()
            return 0

    sqlite.JournalConnection = DyingConnection  # type: ignore[misc]
    latch = Latch.open(directory)
    latch.lower(TradingState.HALTED, reason="day loss", who="guardian", at_ns=1)
    (directory / ANNOUNCED).touch()
    _die()


def main(base: Path, stride: int) -> None:
    """Lives until one announces. Where `base` holds a store, every life starts with a copy of it."""
    for life in range(1, LIVES_MAX):
        directory = base / f"{life:04d}"
        directory.mkdir()
        if (base / GUARDIAN_FILE).exists():
            shutil.copy(base / GUARDIAN_FILE, directory)
        process = os.fork()
        if process == 0:
            _live(directory, instruction=life * stride)
        _, status = os.waitpid(process, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise SystemExit(f"life {life} ended with status {status}, not by the kill")
        if (directory / ANNOUNCED).exists():
            return
    raise SystemExit(f"nothing was announced in {LIVES_MAX} lives")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
