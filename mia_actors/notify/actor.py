"""The notifier as a supervised child: tails the durable supervision log and the guardian's store, tells people.

It holds a cursor on disk, so that a killed notifier neither loses nor, but for the one in flight, repeats.
Nothing that trades waits for it or knows of it.
"""

import threading
from pathlib import Path
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.clock import iso_utc
from mia_actors.core.errors import TransientError
from mia_actors.core.session import SessionInfo
from mia_actors.notify.channels import DiscordWebhooks, DryRun, Outlet, webhooks_from_environment
from mia_actors.notify.notices import Channel, Notice, Urgency, notice
from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.telemetry.logs import get_logger

CURSOR_FILE = "notified"
DRY_RUN_FILE = "notifications.log"
TOLD = {
    "child.exited": Urgency.WARNING,
    "child.start_failed": Urgency.WARNING,
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
    retry_max: int = Field(default=3, ge=1, le=20, description="Tries to deliver one notice.")


def notice_of(session_id: str, number: int, event: LoggedEvent) -> Notice | None:
    """What is told of a supervision event; None when it is not worth telling."""
    restarted = event.event == "child.started" and event.incarnation > 1
    orderly = event.event == "child.exited" and event.reason in {"normal", "shutdown"}
    if orderly or (event.event not in TOLD and not restarted):
        return None
    took = [event.decide_ms, event.promote_ms, event.start_ms]
    total_ms = sum(part for part in took if part is not None)
    return notice(
        f"{session_id}-{number}",
        Channel.ALERTS,
        Urgency.INFO if restarted else TOLD[event.event],
        f"{event.node} restarted" if restarted else f"{event.node}: {event.event}",
        {
            "incarnation": str(event.incarnation),
            "cause": event.cause,
            "reason": event.reason,
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

    def start(self) -> None:
        """Begins to tail after the last event that was told.

        Raises:
            ConfigError: discord without a webhook.
        """
        outlet = self._outlet()
        self._thread = threading.Thread(target=self._loop, args=(outlet,), name="notifier", daemon=True)
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

    def _loop(self, outlet: Outlet) -> None:
        while True:
            ended = self._stopping.wait(self._settings.look_every_s)
            for number, event in read_events(Path(self._session.session_dir), after=self._cursor()):
                told = notice_of(self._session.session_id, number, event)
                if told is not None:
                    self._send(outlet, told)
                self._note_cursor(number)
            if ended:
                return

    def _send(self, outlet: Outlet, told: Notice) -> None:
        for attempt in range(self._settings.retry_max):
            try:
                outlet.send(told)
            except TransientError as error:
                self._log.warning("notice.not_sent", notice=told.notice_id, attempt=attempt, error=str(error))
                self._stopping.wait(2.0**attempt)
            else:
                return
        self._log.error("notice.given_up", notice=told.notice_id, title=told.title)

    def _cursor(self) -> int:
        path = self._session.path(CURSOR_FILE)
        return int(path.read_text(encoding="utf-8")) if path.exists() else 0

    def _note_cursor(self, number: int) -> None:
        fresh = self._session.path(CURSOR_FILE + ".new")
        fresh.write_text(str(number), encoding="utf-8")
        fresh.replace(self._session.path(CURSOR_FILE))
