"""A session's deadman as `mia run` starts it: a process of its own that outlives the command where it must."""

import os
import select
import subprocess
import sys
from contextlib import suppress

from mia_actors.cli.deadman_command import READY
from mia_actors.core.clock import Clock
from mia_actors.core.errors import TransientError
from mia_actors.core.session import SessionInfo
from mia_actors.guardian.silence import DeadmanSettings, Master
from mia_actors.supervision.leftovers import MARK
from mia_actors.telemetry.logs import get_logger

RAY_PREFIX = "RAY_"
READY_WITHIN_S = 60.0
START_AGAIN_AFTER_S = 5.0
STOP_WITHIN_S = 10.0
FLATTEN_WITHIN_S = 30.0
"""Beyond the limit of silence: what the halt itself may take."""


class DeadmanProcess:
    """One deadman at a time; a dead one is started again."""

    def __init__(
        self,
        session: SessionInfo,
        settings: DeadmanSettings,
        *,
        lifelines: tuple[int, ...] = (),
        clock: Clock,
    ) -> None:
        """`lifelines` are descriptors it holds open as long as it lives; the session's assignment is on disk."""
        self._lifelines = lifelines
        self._session = session
        self._settings = settings
        self._clock = clock
        self._log = get_logger(actor="run")
        self._word = Master.HOLD
        self._started_at_s = 0.0
        self._process = self._start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def watch(self) -> None:
        """Waits until it sees the account, then lets it judge.

        Raises:
            TransientError: it sees nothing within its limit.
        """
        stdout = self._process.stdout
        if stdout is None:
            raise TransientError("the deadman has no pipes")
        heard, _, _ = select.select([stdout], [], [], READY_WITHIN_S)
        if not heard or stdout.readline().strip() != READY:
            raise TransientError(
                f"the deadman sees no account; its log is {self._session.state_dir}/logs/deadman.log"
            )
        self._tell(Master.WATCH)

    def keep(self) -> None:
        """Starts it again where it died; call it now and then."""
        if self._process.poll() is None:
            return
        if self._clock.monotonic_s() - self._started_at_s < START_AGAIN_AFTER_S:
            return
        self._log.error("deadman.died", code=self._process.returncode)
        self._close()
        self._process = self._start()
        self._tell(self._word)

    def end(self, *, in_order: bool) -> None:
        """Lets it go; a simulated account is stayed with until the deadman has made it flat, within a limit.

        Args:
            in_order: The session ended as it should; then nothing of a simulated account is left to guard.
        """
        simulated = self._session.control_port != 0
        self._tell(Master.STOP if simulated and in_order else Master.END)
        try:
            if simulated:
                limit_s = STOP_WITHIN_S if in_order else self._settings.limit_s + FLATTEN_WITHIN_S
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(limit_s)
                if self._process.poll() is None:
                    self._log.error("deadman.killed", limit_s=limit_s)
                    self._process.kill()
                    self._process.wait(STOP_WITHIN_S)
        finally:
            self._close()

    def _start(self) -> "subprocess.Popen[str]":
        """Outside of Ray's reach: without the mark by which its leftovers are found, in a session of its own."""
        self._started_at_s = self._clock.monotonic_s()
        environment = {
            name: value
            for name, value in os.environ.items()
            if name != MARK and not name.startswith(RAY_PREFIX)
        }
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "mia_actors.cli", "deadman", "--session", self._session.session_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            pass_fds=self._lifelines,
            start_new_session=True,
        )

    def _tell(self, word: Master) -> None:
        self._word = word
        if self._process.stdin is not None:
            with suppress(BrokenPipeError, ValueError):
                self._process.stdin.write(word.value + "\n")
                self._process.stdin.flush()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
