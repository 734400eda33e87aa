"""What other commands ask of a running session: small files in its folder, each answered by a file beside it.

A request is written whole or not at all, taken once, in order of its arrival, and answered with the outcome of
what was done. It needs no port, and only who may write into the state directory can make one.
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from mia_actors.cli.state import write_json
from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError, MiaError, PermanentError, TargetUnavailable
from mia_actors.core.ids import IdSource
from mia_actors.telemetry.logs import get_logger

FOLDER = "requests"
ASKED, ANSWERED = ".request.json", ".answer.json"
LOOK_EVERY_S = 0.1
REFUSED, FAILED = "refused", "failed"

Handler = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Carries out a request by its kind and body, and returns the document of the answer."""


def ask(
    session: Path, kind: str, body: dict[str, Any], *, within_s: float, clock: Clock, ids: IdSource
) -> dict[str, Any]:
    """Asks the session of that folder and waits for its answer.

    Raises:
        ConfigError: the session refused, with its reason.
        PermanentError: it tried and failed, with its reason.
        TargetUnavailable: no answer within the time; the request is withdrawn unless it was taken already.
    """
    folder = session / FOLDER
    folder.mkdir(exist_ok=True)
    name = f"{clock.now_ns()}-{ids.new_id()}"
    asked, answered = folder / (name + ASKED), folder / (name + ANSWERED)
    write_json(asked, {"kind": kind, "body": body})
    deadline_s = clock.monotonic_s() + within_s
    while not answered.exists():
        if clock.monotonic_s() > deadline_s:
            asked.unlink(missing_ok=True)
            raise TargetUnavailable(f"the session gave no answer within {within_s:g} s")
        clock.sleep_s(LOOK_EVERY_S)
    answer: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
    answered.unlink()
    if REFUSED in answer:
        raise ConfigError(answer[REFUSED])
    if FAILED in answer:
        raise PermanentError(answer[FAILED])
    return answer


class Answering:
    """Answers requests to one session in a thread of its own, one after the other, while the block runs."""

    def __init__(self, session: Path, handle: Handler) -> None:
        self._folder = session / FOLDER
        self._handle = handle
        self._ending = threading.Event()
        self._log = get_logger(actor="run")
        self._thread = threading.Thread(target=self._run, name="requests", daemon=True)

    def __enter__(self) -> Self:
        self._folder.mkdir(exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(LOOK_EVERY_S * 10)

    def _run(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            for asked in sorted(self._folder.glob("*" + ASKED)):
                self._answer(asked)

    def _answer(self, asked: Path) -> None:
        try:
            request = json.loads(asked.read_text(encoding="utf-8"))
            asked.unlink()
        except FileNotFoundError:  # withdrawn meanwhile
            return
        except ValueError:
            self._log.warning("request.unreadable", file=asked.name)
            asked.unlink(missing_ok=True)
            return
        self._log.info("request.taken", kind=request["kind"])
        try:
            answer = self._handle(request["kind"], request["body"])
        except ConfigError as error:
            answer = {REFUSED: str(error)}
        except MiaError as error:
            answer = {FAILED: str(error)}
        except Exception as error:  # noqa: BLE001 - whoever asked must not wait for nothing
            self._log.exception("request.failed", kind=request["kind"])
            answer = {FAILED: f"{type(error).__name__}: {error}"}
        write_json(asked.with_name(asked.name.removesuffix(ASKED) + ANSWERED), answer)
