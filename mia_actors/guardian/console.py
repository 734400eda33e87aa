"""A person's side of the guardian: needs neither Ray nor a living guardian.

Requests go into the guardian's own store; where no guardian is alive, `halt_directly` does its work over a
broker session of its own.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mia_actors.broker.guardian_desk import GuardianSession, connected
from mia_actors.broker.session import SessionEvents, SessionLimits
from mia_actors.core.clock import NS_PER_S, Clock, SystemClock, iso_utc
from mia_actors.core.errors import ConfigError, MiaError, PermanentError
from mia_actors.core.ledger import LedgerOrder
from mia_actors.core.session import Connection, SessionInfo
from mia_actors.core.units import Product
from mia_actors.guardian.actor import HEARTBEAT, REQUEST_STATES
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.deadman import GUARDED, deadman_orders_of
from mia_actors.guardian.halt_file import refuse_with_halt_file
from mia_actors.guardian.halt_sequence import HaltSequence, Step
from mia_actors.guardian.hands import Market
from mia_actors.guardian.latch import Latch, Latched
from mia_actors.guardian.levels import Level
from mia_actors.guardian.memory import CONTRACT_MONTH

ALIVE_WITHIN_S = 5.0
LOOK_EVERY_S = 0.1
CONNECT_S = 10.0
CONSOLE_SESSION = "console"
ACKNOWLEDGED = "acknowledged"
ACKNOWLEDGED_BY = "acknowledged_by"
ROLL_DAYS = 8
KINDS = {state: kind for kind, state in REQUEST_STATES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleState:
    """The guardian as its store shows it."""

    state: TradingState
    level: str
    """INFO, WARNING, CRITICAL or CATASTROPHE."""
    reason: str
    who: str
    latched_at: str
    """UTC, empty while active."""
    confirmed_flat: bool
    outcome: str
    findings: str
    guardian_alive: bool

    @property
    def halted(self) -> bool:
        """Whether anything but normal trading is latched."""
        return self.state is not TradingState.ACTIVE

    def document(self) -> dict[str, object]:
        """The JSON of `mia halt`, `resume` and `flatten`."""
        return {
            "state": self.state.value,
            "level": self.level,
            "latched_at": self.latched_at or None,
            "reason": self.reason,
            "who": self.who,
            "confirmed_flat": self.confirmed_flat,
            "outcome": self.outcome,
            "guardian_alive": self.guardian_alive,
        }


def read_state(state_dir: Path, clock: Clock) -> ConsoleState:
    """The store's word; a store that cannot be read means halted, one that was never made means active."""
    if not Latch.was_made(state_dir):
        return _fresh()
    try:
        with closing(Latch.open(state_dir)) as latch:
            return _read(latch, clock)
    except (
        MiaError,
        sqlite3.Error,
        ArithmeticError,
        LookupError,
        ValueError,
    ) as error:  # whatever page it is
        return _damaged(str(error))


def _read(latch: Latch, clock: Clock) -> ConsoleState:
    latched = latch.read()
    beat_ns = int(latch.fact(HEARTBEAT) or 0)
    active = latched.state is TradingState.ACTIVE
    level = latch.fact("level") or "INFO"
    return ConsoleState(
        state=latched.state,
        level="CATASTROPHE" if latched.state is TradingState.HALTED else level,
        reason=latched.reason,
        who=latched.who,
        latched_at="" if active else iso_utc(latched.at_ns),
        confirmed_flat=latched.is_flat,
        outcome=latched.outcome,
        findings=latch.fact("findings") or "",
        guardian_alive=clock.now_ns() - beat_ns < ALIVE_WITHIN_S * NS_PER_S,
    )


def request(state_dir: Path, kind: str, *, reason: str, who: str, clock: Clock) -> None:
    """Asks the living guardian for `halt` or `flatten`; on disk when this returns."""
    latch = Latch.open(state_dir)
    try:
        latch.ask(kind, reason=reason, who=who, at_ns=clock.now_ns())
    finally:
        latch.close()


def halt_hook(reason: str, session: SessionInfo) -> None:
    """What the supervisor calls when its budget is spent: the latch is lowered, the guardian acts."""
    latch = Latch.open(Path(session.state_dir))
    try:
        latch.ask("halt", reason=reason, who="supervisor", at_ns=SystemClock().now_ns())
    finally:
        latch.close()


def wait_until(
    state_dir: Path, done: Callable[[ConsoleState], bool], *, within_s: float, clock: Clock
) -> ConsoleState:
    """Looks until `done` says so or the time is over; returns the last look."""
    deadline_s = clock.monotonic_s() + within_s
    while True:
        found = read_state(state_dir, clock)
        if done(found) or clock.monotonic_s() >= deadline_s:
            return found
        clock.sleep_s(LOOK_EVERY_S)


def resumable(state_dir: Path, *, reason: str, clock: Clock) -> Latched:
    """The latch as a person may release it: what is to be shown, and then handed to `resume`.

    Raises:
        PermanentError: nothing is latched, the file HALT is there, the account was not confirmed flat, or a
            living guardian still finds what it halted for.
        ConfigError: no reason is given.
    """
    found = read_state(state_dir, clock)
    if not found.halted:
        raise PermanentError("nothing is halted; there is nothing to resume")
    if not reason.strip():
        raise ConfigError("--reason is empty: say why trading may go on")
    refuse_with_halt_file(state_dir)
    with closing(Latch.open(state_dir)) as latch:
        seen = latch.read()
        if not seen.is_flat:
            raise PermanentError(
                f"the cause persists: {seen.outcome}; make the account flat first (mia flatten, or in TWS)"
            )
        if found.guardian_alive and latch.fact("level") == Level.CATASTROPHE.name:
            raise PermanentError(
                f"the cause persists, the guardian would halt again at once: {found.findings}; "
                "wait for the next trade date, or end the session and change the limit"
            )
    return seen


def resume(state_dir: Path, *, of: Latched, reason: str, who: str, clock: Clock) -> ConsoleState:
    """Releases the very latch that somebody looked at; see `resumable`.

    Raises:
        PermanentError: another halt came meanwhile, or the file HALT.
    """
    refuse_with_halt_file(state_dir)
    latch = Latch.open(state_dir)
    try:
        if not latch.release(of, reason=reason, who=who, at_ns=clock.now_ns()):
            raise PermanentError(
                "something halted again meanwhile: look at it (mia status), then resume that"
            )
        latch.note_fact(GUARDED, "")  # flat, and no guardian yet: the deadman waits for the next session
    finally:
        latch.close()
    return read_state(state_dir, clock)


def acknowledge(state_dir: Path, *, who: str, clock: Clock) -> ConsoleState:
    """A person has taken note that the account is not flat: the notices about this halt end, it goes on.

    Raises:
        PermanentError: nothing is halted.
    """
    found = read_state(state_dir, clock)
    if not found.halted:
        raise PermanentError("nothing is halted; there is nothing to acknowledge")
    with closing(Latch.open(state_dir)) as latch:
        latch.note_fact(ACKNOWLEDGED, str(latch.read().number))
        latch.note_fact(ACKNOWLEDGED_BY, f"{who} at {iso_utc(clock.now_ns())}")
    return found


def halt_directly(
    state_dir: Path,
    connection: Connection,
    product: Product,
    *,
    state: TradingState,
    reason: str,
    who: str,
    within_s: float,
    market: Market,
    clock: Clock,
) -> Step:
    """Latches and makes the account flat without any guardian, over a broker session of this process.

    A market that waits for the dead is told to go on.

    Raises:
        BrokerDisconnected: latched, but the broker cannot be reached.
    """
    latch = Latch.open(state_dir)
    asked = latch.ask(KINDS[state], reason=reason, who=who, at_ns=clock.now_ns())  # a resume sees it, even if
    latch.lower(state, reason=reason, who=who, at_ns=clock.now_ns())  # the latch was as low before
    latch.handled(asked)
    limits = SessionLimits(connect_timeout_s=CONNECT_S, request_timeout_s=CONNECT_S, ack_timeout_s=CONNECT_S)
    events = SessionEvents(on_bar=lambda _: None, on_fill=lambda _: None, on_disconnect=lambda: None)

    def session() -> GuardianSession:
        return GuardianSession(
            connection,
            product,
            contract_month=latch.fact(CONTRACT_MONTH),
            roll_days=ROLL_DAYS,
            limits=limits,
            monotonic_ns=lambda: 0,
            events=events,
        )

    desk, contract = connected(session, within_s=CONNECT_S, clock=clock, stop=lambda: False)
    try:
        sequence = HaltSequence(
            desk=desk, latch=latch, instrument=contract.instrument, session_id=CONSOLE_SESSION
        )
        deadline_s = clock.monotonic_s() + within_s
        while True:
            step = sequence.step(market.now_ns(), clock.monotonic_s())
            market.go_on()
            if step.is_flat or clock.monotonic_s() >= deadline_s:
                return step
            clock.sleep_s(LOOK_EVERY_S)
    finally:
        desk.close()
        latch.close()


def note_guarded(session: SessionInfo, *, is_guarded: bool) -> None:
    """Arms and disarms a deadman that runs as a service; a simulated account is none of its business."""
    if session.control_port:
        return
    with closing(Latch.open(Path(session.state_dir))) as latch:
        latch.note_fact(GUARDED, session.session_id if is_guarded else "")


def guardian_orders(state_dir: Path, session_id: str) -> tuple[LedgerOrder, ...]:
    """Offsetting orders of a session, the deadman's included, for the ledger."""
    if not Latch.was_made(state_dir):
        return ()
    latch = Latch.open(state_dir)
    try:
        return (*latch.offsets(session_id), *latch.offsets(deadman_orders_of(session_id)))
    finally:
        latch.close()


def _fresh() -> ConsoleState:
    return ConsoleState(
        state=TradingState.ACTIVE,
        level="INFO",
        reason="",
        who="",
        latched_at="",
        confirmed_flat=True,
        outcome="",
        findings="",
        guardian_alive=False,
    )


def _damaged(text: str) -> ConsoleState:
    return ConsoleState(
        state=TradingState.HALTED,
        level="CATASTROPHE",
        reason=text,
        who="guardian",
        latched_at="unknown",
        confirmed_flat=False,
        outcome="the latch cannot be read: that means halted",
        findings="",
        guardian_alive=False,
    )
