"""A person's side: what the store says without any guardian, resuming, and a halt with the guardian dead."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mia_actors.cli.market_access import RealMarket
from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import BrokerDisconnected, ConfigError, PermanentError
from mia_actors.core.orders import OrderState
from mia_actors.core.units import ES, Contract
from mia_actors.guardian import console
from mia_actors.guardian.actor import HEARTBEAT
from mia_actors.guardian.console import ConsoleState
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.halt_file import HALT_FILE, REASON_LENGTH_MAX, halt_demanded
from mia_actors.guardian.halt_sequence import HaltSequence, Step
from mia_actors.guardian.latch import GUARDIAN_FILE, Latch
from tests.unit.guardian.account import CONNECTION, INSTRUMENT, NOON_NS, FakeDesk, session_info


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON_NS)


def halted(directory: Path, *, is_flat: bool, state: TradingState = TradingState.HALTED) -> None:
    with closing(Latch.open(directory)) as latch:
        latch.lower(state, reason="day loss", who="guardian", at_ns=NOON_NS)
        outcome = "FLAT" if is_flat else "NOT FLAT: position +1, 0 working orders; offset sent"
        latch.note_outcome(is_flat=is_flat, outcome=outcome)


def resume(directory: Path, clock: VirtualClock, reason: str = "checked") -> ConsoleState:
    seen = console.resumable(directory, reason=reason, clock=clock)
    return console.resume(directory, of=seen, reason=reason, who="ada", clock=clock)


def test_a_state_directory_without_a_store_has_never_been_halted(tmp_path: Path, clock: VirtualClock) -> None:
    found = console.read_state(tmp_path, clock)
    assert (found.state, found.halted, found.guardian_alive) == (TradingState.ACTIVE, False, False)


@pytest.mark.parametrize("level", ["INFO", "CRITICAL"])
@pytest.mark.parametrize("state", list(TradingState))
def test_a_halt_is_a_catastrophe_and_every_other_state_shows_the_guardians_level(
    tmp_path: Path, clock: VirtualClock, state: TradingState, level: str
) -> None:
    halted(tmp_path, is_flat=False, state=state)
    with closing(Latch.open(tmp_path)) as latch:
        latch.note_fact("level", level)
    found = console.read_state(tmp_path, clock)
    assert (found.state, found.halted) == (state, state is not TradingState.ACTIVE)
    assert found.level == ("CATASTROPHE" if state is TradingState.HALTED else level)
    latched_at = None if state is TradingState.ACTIVE else "2013-10-08T17:00:00Z"  # noon in Chicago
    assert found.document()["latched_at"] == latched_at


@pytest.mark.parametrize("spoiled", ["garbage", "row removed", "file removed", "file emptied"])
def test_a_store_that_cannot_be_read_means_halted_and_cannot_be_resumed(
    tmp_path: Path, clock: VirtualClock, spoiled: str
) -> None:
    halted(tmp_path, is_flat=True)
    if spoiled == "garbage":
        (tmp_path / GUARDIAN_FILE).write_bytes(b"\xa5" * 8192)
    elif spoiled == "file removed":
        (tmp_path / GUARDIAN_FILE).unlink()
    elif spoiled == "file emptied":
        (tmp_path / GUARDIAN_FILE).write_bytes(b"")
    else:
        with closing(sqlite3.connect(tmp_path / GUARDIAN_FILE)) as connection, connection:
            connection.execute("DELETE FROM latch")
    found = console.read_state(tmp_path, clock)
    assert (found.state, found.level, found.confirmed_flat) == (TradingState.HALTED, "CATASTROPHE", False)
    assert GUARDIAN_FILE in found.reason
    with pytest.raises(ConfigError, match=GUARDIAN_FILE):
        resume(tmp_path, clock)


def test_a_store_of_which_only_the_facts_are_damaged_means_halted_too(
    tmp_path: Path, clock: VirtualClock
) -> None:
    Latch.open(tmp_path).close()
    path = tmp_path / GUARDIAN_FILE
    with closing(sqlite3.connect(path)) as connection:
        pages = connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'facts'").fetchall()
    content = bytearray(path.read_bytes())
    for (page,) in pages:
        content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    assert console.read_state(tmp_path, clock).state is TradingState.HALTED


@pytest.mark.parametrize(("silent_s", "alive"), [(0.0, True), (4.9, True), (5.0, False), (3600.0, False)])
def test_a_guardian_is_alive_while_its_last_heartbeat_is_younger_than_five_seconds(
    tmp_path: Path, clock: VirtualClock, silent_s: float, *, alive: bool
) -> None:
    with closing(Latch.open(tmp_path)) as latch:
        latch.note_fact(HEARTBEAT, str(NOON_NS - round(silent_s * NS_PER_S)))
    assert console.read_state(tmp_path, clock).guardian_alive is alive


def test_what_a_person_and_the_supervisor_ask_is_on_disk_when_it_is_said(
    tmp_path: Path, clock: VirtualClock
) -> None:
    console.request(tmp_path, "flatten", reason="lunch", who="ada", clock=clock)
    console.halt_hook("budget spent", session_info(tmp_path))
    with closing(Latch.open(tmp_path)) as latch:
        asked = [(found.kind, found.reason, found.who) for found in latch.open_requests()]
    assert asked == [("flatten", "lunch", "ada"), ("halt", "budget spent", "supervisor")]


def test_waiting_looks_until_it_is_done_and_not_longer_than_allowed(
    tmp_path: Path, clock: VirtualClock
) -> None:
    def once_halted(found: ConsoleState) -> bool:
        if clock.monotonic_s() > 0.35 and not found.halted:
            halted(tmp_path, is_flat=True)
        return found.halted

    assert console.wait_until(tmp_path, once_halted, within_s=10, clock=clock).confirmed_flat
    assert 0.3 < clock.monotonic_s() < 1
    console.wait_until(tmp_path, lambda found: not found.halted, within_s=2, clock=clock)
    assert 2 < clock.monotonic_s() < 4


def test_resuming_needs_a_halt_a_reason_and_a_flat_account(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(PermanentError, match="nothing is halted"):
        resume(tmp_path, clock)
    halted(tmp_path, is_flat=False)
    with pytest.raises(PermanentError, match=r"the cause persists: NOT FLAT: position \+1"):
        resume(tmp_path, clock)
    halted(tmp_path, is_flat=True)
    for blank in ("", " \n"):
        with pytest.raises(ConfigError, match="--reason"):
            resume(tmp_path, clock, reason=blank)
    assert console.read_state(tmp_path, clock).state is TradingState.HALTED
    found = resume(tmp_path, clock, reason="drill is over")
    assert (found.state, found.reason, found.who) == (TradingState.ACTIVE, "drill is over", "ada")
    with closing(Latch.open(tmp_path)) as latch:
        history = latch._connection.execute("SELECT what, who, reason FROM history ORDER BY id").fetchall()
    assert history == [("halted", "guardian", "day loss"), ("resume", "ada", "drill is over")]


@pytest.mark.parametrize(
    ("level", "beats", "refused"),
    [("CATASTROPHE", True, True), ("CATASTROPHE", False, False), ("INFO", True, False)],
)
def test_what_a_living_guardian_still_finds_is_no_past(
    tmp_path: Path,
    clock: VirtualClock,
    level: str,
    *,
    beats: bool,
    refused: bool,
) -> None:
    halted(tmp_path, is_flat=True)
    with closing(Latch.open(tmp_path)) as latch:
        latch.note_fact("level", level)
        latch.note_fact("findings", "loss of the day 1,000.00 USD")
        if beats:
            latch.note_fact(HEARTBEAT, str(clock.now_ns()))
    if refused:
        with pytest.raises(PermanentError, match=r"the cause persists.*loss of the day"):
            resume(tmp_path, clock)
    assert console.read_state(tmp_path, clock).halted
    if not refused:
        assert not resume(tmp_path, clock).halted


def test_a_halt_that_came_after_the_person_looked_is_not_released(
    tmp_path: Path, clock: VirtualClock
) -> None:
    halted(tmp_path, is_flat=True)
    seen = console.resumable(tmp_path, reason="checked", clock=clock)
    with closing(Latch.open(tmp_path)) as latch:
        latch.ask("halt", reason="no", who="bob", at_ns=clock.now_ns())
    with pytest.raises(PermanentError, match="halted again meanwhile"):
        console.resume(tmp_path, of=seen, reason="checked", who="ada", clock=clock)
    assert console.read_state(tmp_path, clock).halted


class BetweenClock(VirtualClock):
    """Something happens between the look at the latch and its release."""

    looked = False

    def __init__(self, directory: Path, happens: Callable[[Latch], object]) -> None:
        super().__init__(NOON_NS)
        self._directory = directory
        self._happens = happens

    def now_ns(self) -> int:
        if self.looked:
            with closing(Latch.open(self._directory)) as latch:
                self._happens(latch)
        self.looked = True
        return super().now_ns()


@pytest.mark.parametrize(
    "happens",
    [
        lambda latch: latch.lower(TradingState.HALTED, reason="late fill", who="guardian", at_ns=NOON_NS),
        lambda latch: latch.ask("halt", reason="fire", who="bob", at_ns=NOON_NS),
        lambda latch: latch.note_outcome(is_flat=False, outcome="NOT FLAT"),
    ],
    ids=["lowered", "asked for", "not flat any more"],
)
def test_resuming_does_not_wipe_out_what_came_meanwhile(
    tmp_path: Path, happens: Callable[[Latch], object]
) -> None:
    halted(tmp_path, is_flat=True, state=TradingState.REDUCE_ONLY)
    with pytest.raises(PermanentError, match="meanwhile"):
        resume(tmp_path, BetweenClock(tmp_path, happens))
    assert console.read_state(tmp_path, VirtualClock(NOON_NS)).halted


class OwnDesk(FakeDesk):
    """The console's own session."""

    closed = False

    def close(self) -> None:
        self.closed = True


def directly(
    monkeypatch: pytest.MonkeyPatch, directory: Path, clock: VirtualClock, desk: OwnDesk | None
) -> tuple[Step, list[TradingState]]:
    """A halt over `desk`, or over a line that is dead; what was on disk when it was dialled comes with it."""
    on_disk: list[TradingState] = []

    def connected(*_: object, **__: Any) -> tuple[OwnDesk, Contract]:
        on_disk.append(console.read_state(directory, clock).state)
        if desk is None:
            raise BrokerDisconnected("refused")
        return desk, Contract(symbol="ES", expiry="20131220", con_id=1)

    monkeypatch.setattr(console, "connected", connected)
    step = console.halt_directly(
        directory,
        CONNECTION,
        ES,
        state=TradingState.HALTED,
        reason="fire",
        who="ada",
        within_s=3,
        market=RealMarket(clock),
        clock=clock,
    )
    return step, on_disk


def test_a_halt_without_a_guardian_latches_first_then_makes_the_account_flat(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: VirtualClock
) -> None:
    desk = OwnDesk(position=-1, working=2)
    step, on_disk = directly(monkeypatch, tmp_path, clock, desk)
    assert on_disk == [TradingState.HALTED]
    assert (step.is_flat, desk.positions_seen, desk.working, desk.closed) == (True, [-1, 0], 0, True)
    found = console.read_state(tmp_path, clock)
    assert (found.reason, found.who, found.confirmed_flat) == ("fire", "ada", True)


def test_a_halt_without_a_guardian_says_not_flat_when_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: VirtualClock
) -> None:
    desk = OwnDesk(position=1, working=2)
    desk.cancel_works = False
    step, _ = directly(monkeypatch, tmp_path, clock, desk)
    assert (step.is_flat, step.position_contracts, step.working_orders, desk.closed) == (False, 1, 2, True)
    assert clock.monotonic_s() < 10
    assert not console.read_state(tmp_path, clock).confirmed_flat


def test_a_halt_without_a_guardian_and_without_a_broker_is_latched_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: VirtualClock
) -> None:
    with pytest.raises(BrokerDisconnected):
        directly(monkeypatch, tmp_path, clock, None)
    found = console.read_state(tmp_path, clock)
    assert (found.state, found.reason, found.confirmed_flat) == (TradingState.HALTED, "fire", False)


def test_the_ledger_gets_the_guardians_orders_of_its_session_only(tmp_path: Path) -> None:
    assert console.guardian_orders(tmp_path, "s1") == ()
    with closing(Latch.open(tmp_path)) as latch:
        sequence = HaltSequence(
            desk=FakeDesk(position=1), latch=latch, instrument=INSTRUMENT, session_id="s1"
        )
        sequence.step(NOON_NS, 1.0)
    assert [order.state for order in console.guardian_orders(tmp_path, "s1")] == [OrderState.FILLED]
    assert console.guardian_orders(tmp_path, "s2") == ()


def test_a_halt_file_has_to_be_removed_before_a_resume(tmp_path: Path, clock: VirtualClock) -> None:
    halted(tmp_path, is_flat=True)
    (tmp_path / HALT_FILE).write_text("fire drill")
    with pytest.raises(PermanentError, match=r"HALT demands a halt \(fire drill\): remove that file first"):
        resume(tmp_path, clock)
    (tmp_path / HALT_FILE).unlink()
    assert resume(tmp_path, clock).state is TradingState.ACTIVE


@pytest.mark.parametrize("kind", ["empty", "binary", "directory", "dangling link", "huge"])
def test_a_halt_file_of_whatever_make_demands_a_halt(tmp_path: Path, kind: str) -> None:
    path = tmp_path / HALT_FILE
    assert halt_demanded(tmp_path) is None
    if kind == "directory":
        path.mkdir()
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nowhere")
    else:
        path.write_bytes({"empty": b"", "binary": b"\xff\x00\n", "huge": b"x" * 10_000_000}[kind])
    reason = halt_demanded(tmp_path)
    assert reason
    assert len(reason) <= REASON_LENGTH_MAX
