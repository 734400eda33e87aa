"""Who tells people when the tree, and its notifier with it, is dead: a thread of the deadman's process."""

import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from mia_actors.cli.config import SystemConfig
from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError, TransientError
from mia_actors.notify.alarm import Alarm
from mia_actors.notify.channels import DiscordWebhooks, DryRun, Outlet, webhooks_from_environment
from mia_actors.notify.guardian_log import unflat
from mia_actors.notify.notices import Channel, Notice, Urgency, notice
from mia_actors.telemetry.logs import get_logger

NOTIFIER = "mia_actors.notify.actor:Notifier"
DRY_RUN = "dry_run"
NOTICES_FILE = "deadman-notices.log"
LOOK_EVERY_S = 1.0
PAUSE_MAX_S = 30.0
WAITING_MAX = 100
UNFLAT_AFTER_S, UNFLAT_EVERY_S = 10.0, 60.0


def channel_of(config: SystemConfig) -> str:
    """Where the tree's notifier sends: the deadman sends there too."""
    for _, child in config.tree.child_specs():
        if child.run == NOTIFIER:
            return str(child.settings.get("channel", DRY_RUN))
    return DRY_RUN


def outlet_of(channel: str, directory: Path) -> Outlet:
    """The way out; without a webhook in the environment it writes to a file: a deadman starts all the same."""
    if channel != DRY_RUN:
        try:
            return DiscordWebhooks(webhooks_from_environment())
        except ConfigError as error:
            get_logger(actor="deadman").error("herald.mute", error=str(error))
    directory.mkdir(parents=True, exist_ok=True)
    return DryRun(directory / NOTICES_FILE)


class Herald:
    """Delivers in order, each until it is delivered; never holds up whoever tells it something."""

    def __init__(self, outlet: Outlet, *, state_dir: Path, silent: Callable[[], bool], clock: Clock) -> None:
        """`silent` says whether the guardian is: while it is not, its notifier tells of halts."""
        self._outlet = outlet
        self._state_dir = state_dir
        self._silent = silent
        self._clock = clock
        self._waiting: queue.Queue[Notice] = queue.Queue(WAITING_MAX)
        self._alarm = Alarm(after_s=UNFLAT_AFTER_S, every_s=UNFLAT_EVERY_S)
        self._log = get_logger(actor="deadman")
        self._told = 0

    def start(self) -> None:
        """Begins to deliver, in a thread that ends with the process."""
        threading.Thread(target=self._loop, name="herald", daemon=True).start()

    def tell(self, title: str, text: str) -> None:
        """Has something delivered, critical; the oldest waiting notices are kept where there are too many."""
        self._told += 1
        told = notice(
            f"deadman-{self._clock.now_ns()}-{self._told}",
            Channel.ALERTS,
            Urgency.CRITICAL,
            f"deadman: {title}",
            {"reason": text},
        )
        try:
            self._waiting.put_nowait(told)
        except queue.Full:
            self._log.error("herald.overrun", title=title)

    def turn(self, wait_s: float) -> None:
        """Delivers one notice, or rings where a halt is not flat."""
        try:
            self._deliver(self._waiting.get(timeout=wait_s))
        except queue.Empty:
            due = self._due()
            if due is not None:
                self._deliver(due)

    def _loop(self) -> None:
        while True:
            self.turn(LOOK_EVERY_S)

    def _due(self) -> Notice | None:
        try:
            found = unflat(self._state_dir) if self._silent() else None
        except (ConfigError, sqlite3.Error):
            return None  # the deadman itself tells that the store cannot be read
        return self._alarm.look(found, self._clock.monotonic_s())

    def _deliver(self, told: Notice) -> None:
        pause_s = 1.0
        while True:
            try:
                self._outlet.send(told)
            except (TransientError, OSError) as error:
                self._log.error("notice.not_sent", notice=told.notice_id, error=str(error))
                self._clock.sleep_s(pause_s)
                pause_s = min(PAUSE_MAX_S, pause_s * 2)
            else:
                return
