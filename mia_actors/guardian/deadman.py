"""The guardian's second shell: a process without Ray that halts when the guardian has fallen silent.

Guarantees: it latches and acts only where the guardian was silent beyond the limit, is silent still at a
second look, and the broker shows a position or working orders since; the latch is on disk before anything is
sent; it hands back as soon as a heartbeat is heard; it never raises a state.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from mia_actors.core.clock import Clock
from mia_actors.core.errors import MiaError
from mia_actors.guardian.actor import HEARTBEAT
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.halt_file import WHO, halt_demanded
from mia_actors.guardian.hands import Hands
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.silence import LEAVING, DeadmanSettings, Duty, Master, Silence, Verdict
from mia_actors.telemetry.logs import get_logger

DEADMAN = "deadman"
REPORT_EVERY_S = 300.0
GUARDED = "guarded"
"""Fact: the session of a real account that has begun and not ended in order; empty or absent: none has."""


def master_of_account(latch: Latch) -> Master:
    """Whether a deadman that nobody started for a session has anything to judge.

    A guardian that went in order, or never was, is not silent: what a person then does by hand on the account is
    the person's affair. A store that cannot be read disarms nothing.
    """
    try:
        return Master.NONE if latch.fact(GUARDED) else Master.HOLD
    except (MiaError, sqlite3.Error):
        return Master.NONE


def deadman_orders_of(session_id: str) -> str:
    """Under which name the offsets of a session's deadman are kept: a writer of its own beside the guardian."""
    return f"{session_id}.{DEADMAN}"


class Deadman:
    """Watches the guardian and the hands; one thread calls `turn`."""

    def __init__(
        self,
        settings: DeadmanSettings,
        *,
        state_dir: Path,
        latch: Latch,
        hands: Hands,
        master: Callable[[], Master],
        clock: Clock,
        simulated: bool = False,
        succeeded: Callable[[], bool] = lambda: False,
        alive: Callable[[], None] = lambda: None,
        on_seen: Callable[[], None] = lambda: None,
        tell: Callable[[str, str], None] = lambda _title, _text: None,
    ) -> None:
        """`succeeded` says that a later session has a deadman of its own; `alive` feeds a watchdog.

        `on_seen` is called once, when the account was seen for the first time; `tell` takes title and text of
        what people must hear, and must not block.
        """
        self._settings = settings
        self._state_dir = state_dir
        self._latch = latch
        self._hands = hands
        self._master = master
        self._clock = clock
        self._succeeded = succeeded
        self._alive = alive
        self._on_seen = on_seen
        self._was_seen = False
        self._tell = tell
        self._silence = Silence(settings)
        self._duty = Duty(settings, simulated=simulated)
        self._log = get_logger(actor=DEADMAN)
        self._told = Verdict.HEARD
        self._suspect_since_s = 0.0
        self._reported_at_s: float | None = None
        self._reported = ""
        self._beat: str | None = None

    @property
    def silent(self) -> bool:
        """Whether the guardian has been found silent at the second look."""
        return self._silence.verdict is Verdict.SILENT

    def run(self) -> None:
        """Turns until there is nothing left to guard."""
        stopping = threading.Event()
        hands = threading.Thread(target=self._hands.loop, args=(stopping,), name="hands", daemon=True)
        hands.start()
        try:
            while not self.turn():
                if not hands.is_alive():
                    raise RuntimeError("the hands ended")
                self._clock.sleep_s(self._settings.look_every_s)
        finally:
            self._hands.stop(stopping)
            hands.join(self._settings.request_timeout_s)

    def turn(self) -> bool:
        """One look; true when there is nothing left to guard."""
        now_s = self._clock.monotonic_s()
        if now_s - self._hands.turned_at_s <= self._hands_limit_s():
            self._alive()
        master = self._master()
        settled = self._heed(now_s, judges=master is not Master.HOLD)
        verdict, account = self._silence.verdict, self._hands.account
        self._hands.attend(wanted=verdict is not Verdict.HEARD or master in LEAVING)
        if account is not None and not self._was_seen:
            self._was_seen = True
            self._on_seen()
        if self._succeeded():
            self._log.info("deadman.succeeded")
            return True
        if self._duty.is_over(master, verdict, account, now_s, settled=settled):
            self._log.info("deadman.ended", master=master.value)
            return True
        return False

    def _hands_limit_s(self) -> float:
        """Longest honest turn of the hands: a connect that times out, and the requests after it."""
        return 4 * (self._settings.connect_timeout_s + self._settings.request_timeout_s)

    def _heed(self, now_s: float, *, judges: bool) -> bool:
        """Reads the store, judges, latches; returns whether nothing is left to do for what is latched."""
        try:
            self._heed_file()
            self._beat = self._latch.fact(HEARTBEAT)
            latched = self._latch.read()
        except (MiaError, sqlite3.Error) as error:  # not heard; a damaged store means halted for everybody
            self._report(now_s, f"the guardian's store cannot be read: {error}")
            if judges:
                self._judge(now_s)
            return False
        if judges and self._judge(now_s) is Verdict.SILENT:
            if latched.state is not TradingState.HALTED and self._must_halt(now_s):
                self._halt()
                latched = self._latch.read()
            self._hands.act(wanted=latched.state is not TradingState.ACTIVE)
        else:
            self._hands.act(wanted=False)
        return latched.state is TradingState.ACTIVE or latched.is_flat

    def _heed_file(self) -> None:
        reason = halt_demanded(self._state_dir)
        if reason is not None:
            at_ns = self._clock.now_ns()
            if self._latch.lower(TradingState.HALTED, reason=reason, who=WHO, at_ns=at_ns):
                self._log.error("deadman.halt_file_found", reason=reason)

    def _judge(self, now_s: float) -> Verdict:
        sees = self._hands.account is not None
        verdict = self._silence.look(self._beat, now_s, sees_broker=sees)
        if verdict is not self._told:
            self._told, self._reported = verdict, ""
            self._suspect_since_s = now_s if verdict is Verdict.SUSPECT else self._suspect_since_s
            log = self._log.info if verdict is Verdict.HEARD else self._log.warning
            log("deadman.judged", guardian=verdict.value, silent_s=round(self._silence.silent_s, 1))
        return verdict

    def _must_halt(self, now_s: float) -> bool:
        """Whether the account, as seen since the guardian became suspect, holds anything."""
        account = self._hands.account
        if account is None or account.seen_at_s < self._suspect_since_s:
            self._report(now_s, "the guardian is silent and the broker cannot be seen")
            return False
        if not account.exposed:
            self._report_once("the guardian is silent; no position, no working order")
            return False
        return True

    def _halt(self) -> None:
        account = self._hands.account
        held = (
            f"position {account.position_contracts:+d}, {account.working_orders} working orders"
            if account
            else ""
        )
        reason = f"the guardian has been silent for {self._silence.silent_s:.1f} s with {held}"
        at_ns = self._clock.now_ns()
        self._latch.lower(TradingState.HALTED, reason=reason, who=DEADMAN, at_ns=at_ns)
        self._log.error("deadman.halted", reason=reason)
        self._tell("halted", reason)

    def _report_once(self, text: str) -> None:
        """Nothing is at stake: once for each silence is enough."""
        if text != self._reported:
            self._reported = text
            self._log.warning("deadman.reported", text=text)
            self._tell("nothing to halt", text)

    def _report(self, now_s: float, text: str) -> None:
        """Something is: again and again."""
        if self._reported_at_s is None or now_s - self._reported_at_s >= REPORT_EVERY_S:
            self._reported_at_s = now_s
            self._log.error("deadman.reported", text=text)
            self._tell("look at this", text)
