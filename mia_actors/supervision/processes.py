"""Processes by pid and start time: a pid alone may be somebody else's by now."""

import os
import select
import signal
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from mia_actors.core.clock import Clock

STACKS_SIGNAL = signal.SIGUSR1
"""Asks a process of ours to write down what its threads are doing."""
START_TIME_FIELD = 19
"""Of `/proc/PID/stat`, counted after the parenthesised name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessId:
    """One process of this machine since it booted, even after its pid was given to another."""

    pid: int
    start_time: int
    """Clock ticks since boot where there is `/proc`, else hundredths of a second since the epoch."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has `pid` now; None when there is none, or only its zombie."""
        start_time = _start_time(pid)
        return None if start_time is None else cls(pid=pid, start_time=start_time)

    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return _start_time(self.pid) == self.start_time

    def send(self, signal_number: int) -> bool:
        """Signals this very process.

        Returns:
            False when it is already gone.
        """
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            signal.pidfd_send_signal(handle, signal_number)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def is_stopped(self) -> bool:
        """Whether it is stopped by a signal and would not heed another one but SIGKILL."""
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def wait_gone(self, timeout_s: float | None) -> bool:
        """Blocks until the process ended, at most `timeout_s` if that is given.

        Returns:
            True when it is certain that it ended.
        """
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive():
                return True
            with closing(select.epoll()) as poll:
                poll.register(handle, select.EPOLLIN)
                poll.poll(timeout_s)
        finally:
            os.close(handle)
        return not self.alive()

    def kill(self, timeout_s: float) -> bool:
        """Sends SIGKILL and waits for the end.

        Returns:
            True when it is certain that it ended.
        """
        return not self.send(signal.SIGKILL) or self.wait_gone(timeout_s)


def _start_time(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _portable_start_time(pid)
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[START_TIME_FIELD])


def _portable_start_time(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else round(process.create_time() * 100)
    except psutil.NoSuchProcess:
        return None


def own_process() -> ProcessId:
    """This process."""
    found = ProcessId.of(os.getpid())
    if found is None:
        raise RuntimeError("a running process has a start time")
    return found


def boot_id() -> str:
    """Identifies this run of the kernel: start times recorded under another one mean nothing."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else str(round(psutil.boot_time()))


def descendants(process: ProcessId) -> tuple[ProcessId, ...]:
    """Children, their children and so on, living now; empty when `process` is gone."""
    if not process.alive():
        return ()
    found: list[ProcessId] = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            identity = ProcessId.of(child.pid)
            if identity is not None:
                found.append(identity)
    return tuple(found)


def marked(name: str, value: str) -> tuple[ProcessId, ...]:
    """Processes of this user started with an environment variable of this value, except this one."""
    found: list[ProcessId] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(name) == value:
                identity = ProcessId.of(process.pid)
                if identity is not None:
                    found.append(identity)
    return tuple(found)


def kill_all(processes: Iterable[ProcessId], *, timeout_s: float, clock: Clock) -> tuple[ProcessId, ...]:
    """Kills all at once and waits for all within one limit.

    Returns:
        Those not known to have ended.
    """
    deadline_s = clock.monotonic_s() + timeout_s
    waiting = [process for process in processes if process.send(signal.SIGKILL)]
    return tuple(
        process for process in waiting if not process.wait_gone(max(0.0, deadline_s - clock.monotonic_s()))
    )
