"""Sessions in a process of their own: `mia up`, `mia down` and the Python API start and end them here."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mia_actors.cli.app import ExitCode
from mia_actors.cli.state import LOCK_FILE, StateDirectory, is_running
from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError, PermanentError, TransientError
from mia_actors.supervision.snapshot import read_tree

START_WITHIN_S = 180.0
"""Ray, gateway and the whole tree, on a slow machine."""
END_WITHIN_S = 120.0
LOOK_EVERY_S = 0.1
UP = "up"
LOG_DIR, OUT_FILE, ERR_FILE = "logs", "up.out", "up.err"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """A session that runs on its own; it outlives who started it."""

    session_id: str
    process: "subprocess.Popen[bytes]"


def launch(
    run_arguments: Sequence[str], *, state: StateDirectory, clock: Clock, within_s: float = START_WITHIN_S
) -> Detached:
    """Starts `mia run` with these arguments and waits until its session is up.

    Raises:
        ConfigError: another mia runs with the state directory, or `mia run` refused to start; says why.
        PermanentError: it ended before its session was up; what it said is in the message.
        TransientError: it is not up in time; it is told to end.
    """
    if is_running(state):
        raise ConfigError(
            f"{state.path}: a session runs already with this state directory; `mia down` ends it"
        )
    before = state.current()
    logs = state.path / LOG_DIR
    logs.mkdir(exist_ok=True)
    with (logs / OUT_FILE).open("wb") as out, (logs / ERR_FILE).open("wb") as err:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable,
                "-m",
                "mia_actors.cli",
                "run",
                "--state",
                str(state.path),
                "--json",
                *run_arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
    give_up_at_s = clock.monotonic_s() + within_s
    while clock.monotonic_s() < give_up_at_s:
        code, now = process.poll(), state.current()
        is_new = now is not None and now != before
        if now is not None and is_new and (code == ExitCode.DONE or _is_up(now)):
            return Detached(session_id=now.name, process=process)
        if code is not None:
            _refuse(code, logs / ERR_FILE)
        clock.sleep_s(LOOK_EVERY_S)
    process.send_signal(signal.SIGTERM)
    raise TransientError(f"the session is not up after {within_s:.0f} s; {logs / ERR_FILE} tells more")


def end(state: StateDirectory, *, clock: Clock, within_s: float = END_WITHIN_S) -> bool:
    """Asks the running session to close its position and stop, and waits for it; False where none runs.

    Raises:
        TransientError: it still runs after that time; it goes on ending.
    """
    if not is_running(state):
        return False
    pid = _holder(state)
    os.kill(pid, signal.SIGTERM)
    give_up_at_s = clock.monotonic_s() + within_s
    while is_running(state):
        if clock.monotonic_s() > give_up_at_s:
            raise TransientError(
                f"the session (pid {pid}) still runs {within_s:.0f} s after it was asked to end"
            )
        clock.sleep_s(LOOK_EVERY_S)
    return True


def _is_up(session: Path) -> bool:
    tree = read_tree(session)
    return tree is not None and tree.root.state == UP


def _holder(state: StateDirectory) -> int:
    text = (state.path / LOCK_FILE).read_text(encoding="utf-8").strip()
    if not text.isdecimal():
        raise TransientError(f"{state.path}: the session is just starting; try again")
    return int(text)


def _refuse(code: int, said: Path) -> None:
    lines = said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = lines[-1].removeprefix("mia: ") if lines else "it said nothing"
    if code == ExitCode.USAGE:
        raise ConfigError(last)
    raise PermanentError(f"mia run ended with code {code} before its session was up: {last}; {said} has more")
