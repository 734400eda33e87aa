"""When a guardian counts as silent, and when the process that watches it may go. Pure: moments are handed in.

Only time in which the watcher itself ran, and saw the broker, counts: a machine that stood still, or a
gateway that was away from everybody, says nothing about the guardian.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DeadmanSettings(BaseModel):
    """How long a guardian may be silent, and how the deadman looks and acts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    with_run: bool = Field(
        default=True, description="`mia run` starts it; false where systemd does (ops/mia-deadman.service)."
    )
    connection: str = Field(default="deadman", description="Name under connections.")
    silent_after_s: float = Field(
        default=15.0, ge=2, le=600, description="Seconds without a heartbeat that make the guardian suspect."
    )
    confirm_after_s: float = Field(
        default=3.0,
        ge=0.5,
        le=120,
        description="Seconds after which a second look must find it silent still.",
    )
    look_every_s: float = Field(default=0.25, gt=0, le=1, description="Seconds between two looks.")
    stall_max_s: float = Field(
        default=1.5, gt=0, le=30, description="A longer gap between two looks is its own stall: not counted."
    )
    account_every_s: float = Field(
        default=5.0, gt=0, le=60, description="Seconds between two looks at the account while all is well."
    )
    backoff_max_s: float = Field(default=2.0, gt=0, le=60, description="Longest pause between two connects.")
    connect_timeout_s: float = Field(default=10.0, gt=0, le=60, description="Seconds for one connect.")
    request_timeout_s: float = Field(default=10.0, gt=0, le=60, description="Seconds for one request.")
    linger_s: float = Field(
        default=30.0, ge=0, le=3600, description="Seconds it watches for late fills once all is flat."
    )

    @model_validator(mode="after")
    def _looks_often_enough(self) -> Self:
        if self.look_every_s * 2 > self.stall_max_s:
            raise ValueError(
                f"look_every_s {self.look_every_s:g} must be at most half of stall_max_s {self.stall_max_s:g}"
            )
        return self

    @property
    def limit_s(self) -> float:
        """From the last heartbeat to the act, at least."""
        return self.silent_after_s + self.confirm_after_s


class Verdict(StrEnum):
    """What the looks so far say of the guardian."""

    HEARD = "heard"
    SUSPECT = "suspect"
    """Silent for longer than the limit, at a first look."""
    SILENT = "silent"
    """Silent still at the second look. Stays until a heartbeat is heard."""


class Silence:
    """Adds up the time in which a guardian could have been heard and was not."""

    def __init__(self, settings: DeadmanSettings) -> None:
        self._settings = settings
        self._beat: str | None = None
        self._looked_at_s: float | None = None
        self._silent_s = 0.0
        self._suspect_s = 0.0
        self.verdict = Verdict.HEARD

    @property
    def silent_s(self) -> float:
        """Seconds counted so far."""
        return self._silent_s

    def look(self, beat: str | None, moment_s: float, *, sees_broker: bool) -> Verdict:
        """Takes the newest heartbeat and says what is to be thought.

        Args:
            beat: The heartbeat as written; only whether it changes counts, not the clock it was written by.
            moment_s: Monotonic seconds.
            sees_broker: Whether this process has a broker session; without, the guardian may have none either.
        """
        first, gap_s = self._looked_at_s is None, moment_s - (self._looked_at_s or 0.0)
        self._looked_at_s = moment_s
        if first or beat != self._beat:
            self._beat = beat
            self._silent_s = self._suspect_s = 0.0
            self.verdict = Verdict.HEARD
        elif self.verdict is Verdict.SILENT:
            self._silent_s += gap_s
        elif not sees_broker:
            self._silent_s = self._suspect_s = 0.0
            self.verdict = Verdict.HEARD
        elif gap_s > self._settings.stall_max_s:
            self._suspect_s = 0.0
        else:
            self._count(gap_s)
        return self.verdict

    def _count(self, gap_s: float) -> None:
        self._silent_s += gap_s
        if self.verdict is Verdict.SUSPECT:
            self._suspect_s += gap_s
            if self._suspect_s >= self._settings.confirm_after_s:
                self.verdict = Verdict.SILENT
        elif self._silent_s >= self._settings.silent_after_s:
            self.verdict = Verdict.SUSPECT


class Master(StrEnum):
    """What the command that started the deadman has said last; a deadman started by itself has none."""

    NONE = "none"
    HOLD = "hold"
    """Connect, but do not judge yet: the guardian is still being started."""
    WATCH = "watch"
    END = "end"
    """The session is over: go as soon as nothing is left to guard."""
    STOP = "stop"
    """Go now: what was guarded ends too (a simulated account)."""
    GONE = "gone"
    """It died without a word."""


LEAVING = frozenset({Master.END, Master.GONE})
LOST_AFTER_S = 5.0
"""A simulated gateway not seen for so long after its session has died, and its account with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account by the broker's word."""

    position_contracts: int
    working_orders: int
    seen_at_s: float
    """Monotonic; when the look began."""

    @property
    def exposed(self) -> bool:
        """Whether there is anything to guard."""
        return self.position_contracts != 0 or self.working_orders != 0


class Duty:
    """Whether there is still something to guard, for a deadman that belongs to a session."""

    def __init__(self, settings: DeadmanSettings, *, simulated: bool = False) -> None:
        """A `simulated` account ends with its gateway; any other one is still there when nobody sees it."""
        self._settings = settings
        self._simulated = simulated
        self._unseen_since_s: float | None = None
        self._master = Master.NONE
        self._told_at_s = 0.0
        self._calm_since_s: float | None = None

    def is_over(
        self, master: Master, verdict: Verdict, account: Account | None, moment_s: float, *, settled: bool
    ) -> bool:
        """Says so at most once the account was seen empty since the master's last word, or that is STOP.

        Args:
            master: Its last word.
            verdict: Of the guardian.
            account: None while the broker is not seen.
            moment_s: Monotonic seconds.
            settled: Nothing is latched, or flat was confirmed for what is.
        """
        if master is not self._master:
            self._master, self._told_at_s, self._calm_since_s = master, moment_s, None
            self._unseen_since_s = None
        seen = account is not None and account.seen_at_s >= self._told_at_s
        calm = seen and account is not None and not account.exposed and settled
        if not calm:
            self._calm_since_s = None
        elif self._calm_since_s is None:
            self._calm_since_s = moment_s
        if account is not None:
            self._unseen_since_s = None
        elif self._unseen_since_s is None:
            self._unseen_since_s = moment_s
        if master is Master.STOP or (master in LEAVING and self._is_lost(moment_s)):
            return True
        if self._calm_since_s is None:
            return False
        if master is Master.END:
            return True
        lingered = moment_s - self._calm_since_s >= self._settings.linger_s
        return master is Master.GONE and verdict is Verdict.SILENT and lingered

    def _is_lost(self, moment_s: float) -> bool:
        since_s = self._unseen_since_s
        return self._simulated and since_s is not None and moment_s - since_s >= LOST_AFTER_S
