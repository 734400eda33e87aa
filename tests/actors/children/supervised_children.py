"""Children for tests: small, and with every bad habit a child can have."""

import ctypes
import os
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import InvariantViolated, OrderRejected, TransientError
from mia_actors.supervision.child import ChildContext, Declined

CLOCK = SystemClock()


class UnpicklableError(TransientError):
    """One of ours that cannot travel as it is."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(text)
        self.number = number


class DiarySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    diary: str = Field(default="", description="File that start and stop are written to.")
    fail_while: str = Field(default="", description="Starting fails while this file exists.")
    stop_takes_s: float = Field(default=0, ge=0, description="Time the stop takes.")
    construct_takes_s: float = Field(default=0, ge=0, description="Time its construction takes.")
    start_takes_s: float = Field(default=0, ge=0, description="Time the start takes.")
    arms_after_s: float | None = Field(
        default=0, ge=0, description="When it says that it is armed; null: never."
    )
    exit_in: str = Field(default="", description="`construct` or `start`: where its process ends itself.")
    declines: bool = Field(default=False, description="Whether it says that there is nothing to do.")


class Diarist:
    """Writes its starts and stops into a file shared by all."""

    Settings = DiarySettings

    def __init__(self, settings: DiarySettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        CLOCK.sleep_s(settings.construct_takes_s)
        if settings.exit_in == "construct":
            os._exit(3)

    def start(self) -> None:
        CLOCK.sleep_s(self._settings.start_takes_s)
        if self._settings.exit_in == "start":
            os._exit(3)
        if self._settings.arms_after_s is not None:
            threading.Timer(self._settings.arms_after_s, self._context.armed).start()
        if self._settings.declines:
            raise Declined("nothing to do")
        if self._settings.fail_while and Path(self._settings.fail_while).exists():
            self._note("failed")
            raise RuntimeError("told to fail")
        self._note("start")

    def stop(self) -> None:
        CLOCK.sleep_s(self._settings.stop_takes_s)
        self._note("stop")

    def _note(self, word: str) -> None:
        if self._settings.diary:
            with Path(self._settings.diary).open("a", encoding="utf-8") as file:
                file.write(f"{word} {self._context.child_id}\n")

    def echo(self, value: Any) -> Any:
        return value

    def who(self) -> tuple[int, int]:
        """Incarnation and pid."""
        return self._context.incarnation, os.getpid()

    def niceness(self) -> int:
        return os.nice(0)

    def session(self) -> Any:
        return self._context.session

    def nap(self, duration_s: float) -> int:
        CLOCK.sleep_s(duration_s)
        return self._context.incarnation

    def reject(self) -> None:
        raise OrderRejected("too large")

    def raise_unpicklable(self) -> None:
        raise UnpicklableError(7, "seven")

    def divide_by_zero(self) -> float:
        return 1 / 0

    def violate(self) -> None:
        raise InvariantViolated("two and two are five")

    def violate_once(self) -> int:
        if self._context.incarnation == 1:
            raise InvariantViolated("only once")
        return self._context.incarnation

    def crash_from_thread(self) -> None:
        thread = threading.Thread(target=self.divide_by_zero)
        thread.start()
        thread.join()
        CLOCK.sleep_s(60)

    def finish_soon(self) -> None:
        threading.Timer(0.3, self._context.finish).start()

    def ask_other(self, child_id: str, value: Any) -> Any:
        return self._context.ref(child_id).ask("echo", value)


class Crowd(Diarist):
    """Serves two calls at a time and says how many it saw at once."""

    work_threads = 2

    def __init__(self, settings: DiarySettings, context: ChildContext) -> None:
        super().__init__(settings, context)
        self._lock = threading.Lock()
        self._inside = 0

    def together(self) -> int:
        with self._lock:
            self._inside += 1
        CLOCK.sleep_s(0.2)
        with self._lock:
            seen = self._inside
        CLOCK.sleep_s(0.2)
        with self._lock:
            self._inside -= 1
        return seen


def write_reason(reason: str, session: Any) -> None:
    """A halt hook."""
    Path(session["halt_file"]).write_text(reason, encoding="utf-8")


def raise_instead(reason: str, session: Any) -> None:
    """A halt hook that fails."""
    raise OrderRejected(reason)


class NoSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sleeper:
    """Gets stuck in every way there is."""

    Settings = NoSettings
    work_threads = 4

    def __init__(self, _: NoSettings, context: ChildContext) -> None:
        self._context = context
        self._locks = (threading.Lock(), threading.Lock())

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def who(self) -> tuple[int, int]:
        return self._context.incarnation, os.getpid()

    def sleep(self, seconds: float) -> int:
        CLOCK.sleep_s(seconds)
        return self._context.incarnation

    def plod(self, seconds: float) -> int:
        """Takes as long, and says that it gets on."""
        ends_s = CLOCK.monotonic_s() + seconds
        while CLOCK.monotonic_s() < ends_s:
            CLOCK.sleep_s(0.1)
            self._context.progress()
        return self._context.incarnation

    def wait_for(self, child_id: str, seconds: float) -> tuple[int, int]:
        """As long as another child takes, by that one's own word."""
        answer: int = self._context.ref(child_id).ask("plod", seconds)
        return self._context.incarnation, answer

    def hold_the_interpreter(self) -> None:
        ctypes.PyDLL(None).sleep(60)

    def deadlock(self) -> None:
        """Two threads, two locks, opposite orders."""
        first, second = self._locks
        both = threading.Barrier(2)

        def other() -> None:
            with second:
                both.wait()
                first.acquire()

        threading.Thread(target=other, daemon=True).start()
        with first:
            both.wait()
            second.acquire()

    def loop_once(self) -> None:
        """A loop of its own that turns once and then no more."""

        def run() -> None:
            with self._context.loop("the loop"):
                self._context.progress()
                CLOCK.sleep_s(60)

        threading.Thread(target=run, daemon=True).start()


class Reader(Sleeper):
    """Dies of what it reads, in the way that is written there."""

    def read(self, text: str) -> str:
        match text:
            case "exit":
                os._exit(1)
            case "segfault":
                ctypes.string_at(0)
            case "violate":
                raise InvariantViolated("never")
        return text
