"""The notifier as a supervised child: tails the durable supervision log and the guardian's store, tells people.

It holds a cursor on disk, so that a killed notifier neither loses nor, but for the one in flight, repeats.
Nothing that trades waits for it or knows of it.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.clock import iso_utc
from mia_actors.core.errors import ConfigError, TransientError
from mia_actors.core.session import SessionInfo
from mia_actors.notify.alarm import Alarm
from mia_actors.notify.channels import DiscordWebhooks, DryRun, Outlet, webhooks_from_environment
from mia_actors.notify.guardian_log import GUARDIAN_FILE, Told, told_from, unflat, untold
from mia_actors.notify.notices import Channel, Notice, Urgency, notice
from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.telemetry.logs import get_logger

Cursor = TypeVar("Cursor")
CURSOR_FILE = "notified"
GUARDIAN_CURSOR_FILE = GUARDIAN_FILE + ".told"
"""In the state directory: halts outlive sessions, and are told once all the same."""
UNREADABLE_LOOKS = 5
"""Looks in a row at a store that cannot be read before that is told."""
DOUBLINGS_MAX = 12
DRY_RUN_FILE = "notifications.log"
TOLD = {
    "child.exited": Urgency.WARNING,
    "child.start_failed": Urgency.WARNING,
    "child.input_quarantined": Urgency.CRITICAL,
    "supervisor.taken_over": Urgency.WARNING,
    "supervisor.left_down": Urgency.CRITICAL,
    "supervision.budget_spent": Urgency.CRITICAL,
    "supervision.permanent_failure": Urgency.CRITICAL,
    "supervision.halt_requested": Urgency.CRITICAL,
    "supervision.tree_gave_up": Urgency.CRITICAL,
}


class NotifierSettings(BaseModel):
    """Where notices go and how often it looks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Literal["dry_run", "discord"] = Field(default="dry_run", description="dry_run sends nothing.")
    look_every_s: float = Field(default=0.5, gt=0, le=60, description="Seconds between looks at the log.")
    retry_max: int = Field(
        default=3, ge=1, le=20, description="Tries to deliver one notice; a critical one is tried for ever."
    )
    retry_pause_max_s: float = Field(
        default=60.0, gt=0, le=3600, description="Longest pause between two tries, seconds."
    )
    unflat_after_s: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="Seconds a halt may take until it is told that it is not flat.",
    )
    unflat_every_s: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds between two such notices, until `mia ack`."
    )


def notice_of(session_id: str, number: int, event: LoggedEvent) -> Notice | None:
    """What is told of a supervision event; None when it is not worth telling."""
    restarted = event.event == "child.started" and event.incarnation > 1
    orderly = event.event == "child.exited" and event.reason in {"normal", "shutdown"}
    if orderly or (event.event not in TOLD and not restarted):
        return None
    total_ms = sum(took_ms for _, took_ms in event.phases)
    return notice(
        f"{session_id}-{number}",
        Channel.ALERTS,
        Urgency.INFO if restarted else TOLD[event.event],
        f"{event.node} restarted" if restarted else f"{event.node}: {event.event}",
        {
            "incarnation": str(event.incarnation),
            "cause": event.cause,
            "reason": event.reason,
            "in hand": event.in_hand,
            "traceback": event.traceback[-500:],
            "restart took": f"{total_ms:.0f} ms" if restarted else "",
            "time": iso_utc(event.time_ns),
        },
    )


class Notifier:
    """Tails and tells."""

    Settings = NotifierSettings

    def __init__(self, settings: NotifierSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._session = cast("SessionInfo", context.session)
        self._log = get_logger(actor=context.child_id, incarnation=context.incarnation)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._unreadable_looks = 0
        self._alarm = Alarm(after_s=settings.unflat_after_s, every_s=settings.unflat_every_s)

    def start(self) -> None:
        """Begins to tail after the last event that was told.

        Raises:
            ConfigError: discord without a webhook.
        """
        outlet = self._outlet()
        self._thread = threading.Thread(
            target=self._guarded_loop, args=(outlet,), name="notifier", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ends after a last look."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2.0)

    def _outlet(self) -> Outlet:
        if self._settings.channel == "dry_run":
            return DryRun(self._session.path(DRY_RUN_FILE))
        return DiscordWebhooks(webhooks_from_environment())

    def _guarded_loop(self, outlet: Outlet) -> None:
        """Not watched for progress: a rate limit is waited out for as long as the channel says."""
        try:
            self._loop(outlet)
        except Exception as error:  # noqa: BLE001 - the last word of this process, whatever it was
            self._log.exception("notifier.loop_failed")
            self._context.crash(error)

    def _loop(self, outlet: Outlet) -> None:
        while True:
            ended = self._stopping.wait(self._settings.look_every_s)
            self._ring(outlet)
            if self._tell_guardian(outlet):
                self._tell_supervision(outlet)
            if ended:
                return

    def _tell_supervision(self, outlet: Outlet) -> None:
        for number, event in read_events(Path(self._session.session_dir), after=self._cursor()):
            told = notice_of(self._session.session_id, number, event)
            if told is not None and not self._send(outlet, told):
                return
            _replace(self._session.path(CURSOR_FILE), str(number))

    def _tell_guardian(self, outlet: Outlet) -> bool:
        """Halts and changes of the level, each once; False when a critical one has still to be told."""
        state_dir = Path(self._session.state_dir)
        try:
            due = untold(state_dir, self._told())
        except (ConfigError, sqlite3.Error) as error:
            self._unreadable_looks += 1
            if self._unreadable_looks != UNREADABLE_LOOKS:
                return True
            self._log.error("notifier.guardian_unreadable", error=str(error))
            return self._send(outlet, _unreadable(self._session.session_id, str(error)))
        self._unreadable_looks = 0
        for told, then in due:
            if not self._send(outlet, told):
                return False
            _replace(state_dir / GUARDIAN_CURSOR_FILE, then.text)
        return True

    def _ring(self, outlet: Outlet) -> None:
        """A halt that is not flat, again and again until somebody acknowledges it."""
        try:
            found = unflat(Path(self._session.state_dir))
        except (ConfigError, sqlite3.Error):
            return  # told by whoever reads the rest of the store
        due = self._alarm.look(found, self._context.clock.monotonic_s())
        if due is not None:
            self._send(outlet, due)

    def _send(self, outlet: Outlet, told: Notice) -> bool:
        """Delivers or gives up; False for a critical notice that a stop leaves to the next life."""
        is_critical = told.urgency is Urgency.CRITICAL
        attempt, ended = 0, False
        while attempt < self._settings.retry_max or (is_critical and not ended):
            try:
                outlet.send(told)
            except TransientError as error:
                self._log.warning("notice.not_sent", notice=told.notice_id, attempt=attempt, error=str(error))
                pause_s = min(2.0 ** min(attempt, DOUBLINGS_MAX), self._settings.retry_pause_max_s)
                ended = self._stopping.wait(pause_s)
                attempt += 1
            else:
                return True
        if is_critical:
            self._log.error("notice.postponed", notice=told.notice_id, title=told.title)
        else:
            self._log.error("notice.given_up", notice=told.notice_id, title=told.title)
        return not is_critical

    def _cursor(self) -> int:
        return self._read(self._session.path(CURSOR_FILE), int, 0)

    def _told(self) -> Told:
        return self._read(self._session.state_path(GUARDIAN_CURSOR_FILE), told_from, Told())

    def _read(self, path: Path, parse: Callable[[str], Cursor], unknown: Cursor) -> Cursor:
        """What the file holds; a damaged one repeats notices rather than keeps silent."""
        try:
            return parse(path.read_text(encoding="utf-8")) if path.exists() else unknown
        except ValueError:
            self._log.warning("notifier.cursor_damaged", path=str(path))
            return unknown


def _unreadable(session_id: str, error: str) -> Notice:
    return notice(
        f"{session_id}-guardian-unreadable",
        Channel.ALERTS,
        Urgency.CRITICAL,
        "guardian: its store cannot be read, that means halted",
        {"error": error},
    )


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
